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
BOUND = "madds bound 'sixty' is not a positive number of MAdds"
CASES = [
    ([*SEARCH, "--max-madds", "sixty"], BOUND),
    ([*SEARCH, "--set", "budget.max_maddz=3"], "there is no cost 'maddz': did you mean madds?"),
    ([*SEARCH, "--set", "proposer.minimise=[maddz]"], "there is no cost 'maddz': did you mean madds?"),
    ([*SEARCH, "--strategy", "random", "--proposer", "nsga2"], "strategy random has a proposer of its own, and nsga2"),
    ([*SEARCH, "--time-budget", "soon"], "--time-budget 'soon' is not a duration"),
    ([*SEARCH, "--space", "topolgy"], "unknown space 'topolgy': did you mean topology?"),
    ([*SEARCH, "--ray", "auto"], "--ray auto joins a Ray cluster: add --executor ray"),
    ([*RANK, "--device", "tpu"], "'tpu' is no device: choose cpu or cuda"),
    ([*TRUTH, "--executor", "rya"], "unknown executor 'rya': choose local or ray"),
]


@pytest.mark.parametrize(("arguments", "told"), CASES, ids=[" ".join(arguments[-2:]) for arguments, _ in CASES])
def test_it_is_told_without_pytorch(arguments, told, tmp_path):
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {told}")
    assert not list(tmp_path.iterdir())


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
