"""What the command line can see by itself to be wrong is told before PyTorch is imported."""

import json
import subprocess
import sys

import pytest
from cli_runs import invoke

SCRIPT = (
    "import sys; from trueshot.cli.main import run; code = run(sys.argv[1:]);"
    "assert 'torch' not in sys.modules; sys.exit(code)"
)
SEARCH = ["search", "--data", "digits"]
RANK = ["rank", "--data", "digits", "--truth", "absent.csv", "--column", "x", "--out", "absent"]
TRUTH = ["truth", "build", "--space", "topology", "--data", "digits", "--out", "absent.csv"]
BOUND = "--max-madds 'sixty' is not a positive number of MAdds: write it like 350k"
CASES = [
    ([*SEARCH, "--max-madds", "sixty"], BOUND),
    ([*SEARCH, "--max-size", "sixty"], "--max-size 'sixty' is not a positive number of bytes: write it like 350KB"),
    ([*SEARCH, "--set", "budget.min_params=x"], "budget.min_params 'x' is not a positive number of parameters"),
    (
        [*SEARCH, "--oracle", "supernet:loss:accuracy"],
        "configuration value oracle: 'loss' and 'accuracy' are both a metric of an evaluator: give one",
    ),
    (
        [*SEARCH, "--oracle", "bad.py"],
        "configuration value oracle: evaluator 'bad.py' is a file: name its class after a colon, bad.py:CLASS",
    ),
    (
        [*SEARCH, "--oracle", "truth.txt"],
        "configuration value oracle: unknown evaluator 'truth.txt': choose one of az, ",
    ),
    (
        [*SEARCH, "--set", "supernet.recipe=3"],
        "configuration value supernet.recipe: 3 is no mapping of names to values: set supernet.recipe.NAME=VALUE",
    ),
    ([*SEARCH, "--preset", "digit"], "unknown preset 'digit': did you mean digits?"),
    (["config", "show", "rank-cpu", "--strategy", "random"], "preset rank-cpu is for `trueshot rank`, which has no"),
    ([*TRUTH[:-1], "absent.txt"], "--out absent.txt: a table ends with .parquet or .csv, a folder with no such"),
    (["study", "stnas-table22"], "unknown study 'stnas-table22': did you mean stnas-table2? (`trueshot study list`"),
    ([*SEARCH, "--set", "budget.max_maddz=3"], "there is no cost 'maddz': did you mean madds?"),
    ([*SEARCH, "--set", "proposer.minimise=[maddz]"], "there is no cost 'maddz': did you mean madds?"),
    ([*SEARCH, "--strategy", "random", "--proposer", "nsga2"], "strategy random has a proposer of its own, and nsga2"),
    ([*SEARCH, "--time-budget", "soon"], "--time-budget 'soon' is not a duration"),
    ([*SEARCH, "--space", "topolgy"], "unknown space 'topolgy': did you mean topology?"),
    ([*SEARCH, "--ray", "auto"], "--ray auto joins a Ray cluster: add --executor ray"),
    ([*RANK, "--device", "tpu"], "'tpu' is no device: choose cpu or cuda"),
    ([*TRUTH, "--executor", "rya"], "unknown executor 'rya': did you mean ray"),
]


@pytest.mark.parametrize(("arguments", "told"), CASES, ids=[" ".join(arguments[-2:]) for arguments, _ in CASES])
def test_it_is_told_without_pytorch(arguments, told, tmp_path):
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {told}")
    assert not list(tmp_path.iterdir())


def test_the_help_of_a_bound_says_title_and_unit_of_the_cost(tmp_path):
    own = tmp_path / "latency_cost.py"
    own.write_text("class Latency:\n    name, title, unit = 'latency', 'latency on a phone', 'ms'\n")
    _, told, err = invoke("search", "--cost", f"{own}:Latency", "--help")
    told = " ".join(told.replace("│", " ").split())
    for option, words in (
        ("--max-madds", "Most MAdds of an architecture, such as 350k."),
        ("--max-size", "Most size of an architecture, such as 350KB."),
        ("--max-latency", "Most latency on a phone of an architecture, such as 350k."),
    ):
        assert option in told, err
        assert words in told
    assert "``" not in told


@pytest.mark.parametrize("name", ["madds", "my cost", "1st"])
def test_a_cost_whose_name_can_be_no_option_is_told(name, tmp_path):
    file = tmp_path / "own_cost.py"
    file.write_text(f"class Mine:\n    name = {name!r}\n")
    arguments = [*SEARCH, "--cost", f"{file}:Mine"]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert f"cost '{file}:Mine' is called '{name}': choose a name of its own" in done.stderr


@pytest.mark.parametrize(
    ("strategy", "key", "value"),
    [
        ("one-shot", "proposer", {"kind": "nsga2", "population": 24, "generations": 10}),
        ("random", "proposer.evaluations", 990),
    ],
)
def test_a_preset_is_shown_with_the_sizes_of_the_proposer_that_is_used(strategy, key, value):
    code, out, err = invoke("config", "show", "digits", "--strategy", strategy, "--json")
    assert code == 0, err
    shown = {one["key"]: one["value"] for one in json.loads(out)["values"]}
    assert shown[key] == value
