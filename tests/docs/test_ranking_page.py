"""The page on ranking criteria runs as it is printed, and names only commands, options and pictures that there are."""

import doctest
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from trueshot.cli.main import build
from trueshot.evaluation import Evaluator
from trueshot.sampling import Sampler
from trueshot.spaces import NasBench201

METHODS = Path(__file__).parents[2] / "docs" / "methods"
PAGE = (METHODS / "ranking.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
SESSIONS = [block for block in BLOCKS if block.startswith(">>>")]
PROGRAMS = [block for block in BLOCKS if not block.startswith(">>>")]


def test_the_worked_example_gives_the_printed_numbers():
    session = doctest.DocTestParser().get_doctest("\n".join(SESSIONS), {}, "ranking.md", "ranking.md", 0)
    outcome = doctest.DocTestRunner(verbose=False).run(session)
    assert outcome.attempted >= 9
    assert outcome.failed == 0


def test_the_table_is_that_of_the_worked_example():
    rows = re.findall(r"^\| [A-F] \| (\d+) \| ([\d.]+) \| (\d) \| (\d) \|$", PAGE, flags=re.MULTILINE)
    truth, score, true_place, place = np.array(rows, dtype=float).T
    assert (np.argsort(np.argsort(-truth)) + 1).tolist() == true_place.tolist()
    assert (np.argsort(np.argsort(-score)) + 1).tolist() == place.tolist()
    values = {}
    exec(SESSIONS[0].replace(">>> ", "").split("for criterion")[0], values)
    assert values["true"].tolist() == truth.tolist()
    assert values["predicted"].tolist() == score.tolist()


def test_ones_own_method_runs_as_printed_and_is_ranked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for program in PROGRAMS:
        exec(program, names)
    assert isinstance(names["evaluator"], Evaluator)
    assert isinstance(names["Larger"](names["small"]), Sampler)
    assert names["score"](names["archs"][0]) < 0
    space, table = NasBench201(), pd.read_csv("scores.csv")
    archs = np.stack([space.parse(text) for text in table["arch"]])
    truth = pd.DataFrame({"arch": table["arch"], "a_test_1": space.cost(archs).params})
    truth.to_csv("truth.csv", index=False)
    command = ["criteria", "--truth", "truth.csv", "--column", "a_test_1", "--scores", "scores.csv", "--json"]
    found = CliRunner().invoke(build(command), command)
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["kendall_tau"] > 0.7


@pytest.mark.parametrize("page", ["ranking.md", "inter-choice.md", "surgery.md"])
def test_every_option_and_key_that_is_printed_exists(page):
    text = (METHODS / page).read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    commands = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    assert commands
    for command in commands:
        verb = command.split()[1]
        asked = [verb, "--help"]
        shown = CliRunner().invoke(build(asked), asked, env={"COLUMNS": "200", "TERM": "dumb"}).stdout
        for option in re.findall(r" (--[a-z-]+)", command):
            assert option in shown, (verb, option)
