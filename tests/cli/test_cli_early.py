"""What the command line can see by itself to be wrong is told before PyTorch is imported."""

import subprocess
import sys

import pytest
from cli_runs import invoke

from trueshot.cli.early import search_config
from trueshot.core.files import write_json
from trueshot.strategies.presets import read_preset

SCRIPT = (
    "import sys; from trueshot.cli.main import run; code = run(sys.argv[1:]);"
    "assert 'torch' not in sys.modules; sys.exit(code)"
)
SEARCH = ["search", "--data", "digits"]
RANK = ["rank", "--data", "digits", "--truth", "absent.csv", "--column", "x", "--out", "absent"]
NO_DATA = "no data at 'nofolder': give digits, cifar10, subimagenet64, a folder with one sub-folder per class, or a"
TABULAR = ["search", "--strategy", "random", "--space", "nasbench201", "--column", "x", "--oracle"]
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
    ([*SEARCH, "--ray", ""], "--ray names no cluster: give HOST:PORT or auto, or leave it out"),
    (
        [*SEARCH, "--set", "proposer.minimise=[madds, params, madds]"],
        "configuration value proposer.minimise: madds stands there twice: give each cost once",
    ),
    ([*SEARCH, "--ray", "auto"], "--ray auto joins a Ray cluster: add --executor ray"),
    ([*RANK, "--device", "tpu"], "'tpu' is no device: choose cpu or cuda"),
    ([*TRUTH, "--executor", "rya"], "unknown executor 'rya': did you mean ray"),
    (["report", "nodir"], "nodir holds no trueshot run (no config.json): give the --out directory of a search"),
    (["export", "nodir"], "nodir holds no trueshot run (no config.json): give the --out directory of a search"),
    (["classify", "nodir", "a.png"], "nodir has no winners: give the run directory of a finished search"),
    ([*SEARCH, "--supernet", "nodir"], "nodir holds no trueshot run (no config.json): give the --out directory of a"),
    (["search", "--data", "nofolder"], NO_DATA),
    ([*RANK, "--data", "nofolder"], NO_DATA),
    ([*TRUTH, "--data", "nofolder"], NO_DATA),
    (RANK, "there is no file absent.csv: give a table with the truth, Parquet or CSV"),
    ([*TABULAR, "absent.csv"], "there is no file absent.csv: give a table with the truth, Parquet or CSV"),
    (
        ["search"],
        "say what to train on: --data digits, a folder, a Parquet file, cifar10 or subimagenet64; to search a",
    ),
    (["search", "--space", "nasbench201"], "oracle supernet needs images to score on: give --data"),
]


@pytest.mark.parametrize(("arguments", "told"), CASES, ids=[" ".join(arguments[-2:]) for arguments, _ in CASES])
def test_it_is_told_without_pytorch(arguments, told, tmp_path):
    assert without_pytorch(arguments, tmp_path).startswith(f"error: {told}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [SEARCH, RANK])
def test_a_directory_with_a_run_is_told_without_pytorch(command, tmp_path):
    out = tmp_path / "run"
    write_json(out / "config.json", {"command": "search"})
    told = without_pytorch([*command, "--out", str(out)], tmp_path)
    assert told == f"error: {out} already holds a run: add --resume to go on with it, or choose another --out\n"


def without_pytorch(arguments, folder):
    """Return the error of a command that must not import PyTorch."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 2, done.stderr
    return done.stderr


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


def test_a_cost_that_is_there_already_is_told(tmp_path):
    told = without_pytorch([*SEARCH, "--cost", "madds"], tmp_path)
    assert told == "error: cost madds is there without --cost: leave that out\n"


@pytest.mark.parametrize("name", ["madds", "my cost", "1st"])
def test_a_cost_whose_name_can_be_no_option_is_told(name, tmp_path):
    file = tmp_path / "own_cost.py"
    file.write_text(f"class Mine:\n    name = {name!r}\n")
    told = without_pytorch([*SEARCH, "--cost", f"{file}:Mine"], tmp_path)
    assert f"cost '{file}:Mine' is called '{name}': choose a name of its own" in told


def test_a_preset_says_nothing_to_options_of_ones_own_strategy(tmp_path):
    file = tmp_path / "own_counts.py"
    file.write_text(
        "from trueshot.core.config import Config\n"
        "class Counts:\n"
        "    cost = 'madds'\n"
        "    class Config(Config):\n"
        "        supernet: int = 3\n"
        "    def run(self):\n"
        "        return None\n"
    )
    said = {"strategy": f"{file}:Counts"}
    config = search_config(said, read_preset("digits"))
    assert config.strategy.config.supernet == 3
    assert config.retraining == search_config({}, read_preset("digits")).retraining
    assert search_config({**said, "supernet": 5}, read_preset("digits")).strategy.config.supernet == 5
