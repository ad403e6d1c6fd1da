"""The tutorial on a user's own space runs as it is printed."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from trueshot.cli.names import find_class

TUTORIAL = Path(__file__).parents[2] / "docs" / "own-space.md"
SPACE, LOOK, LEVELS, TRAIN = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), flags=re.DOTALL)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The module of the tutorial, imported as a user would."""
    (tmp_path / "own_space.py").write_text(SPACE)
    monkeypatch.syspath_prepend(tmp_path)
    yield vars(importlib.import_module("own_space"))
    del sys.modules["own_space"]


def test_the_space_takes_30_lines_at_most():
    assert len(SPACE.splitlines()) <= 30


def test_every_line_of_the_tutorial_runs(own, capsys):
    torch.manual_seed(0)
    for block in (LOOK, LEVELS, TRAIN):
        exec(block, own)
    printed = capsys.readouterr().out
    assert "108 architectures" in printed
    assert "64 channels, reduced by 4 (1, 64, 8, 8)" in printed
    assert np.mean(own["losses"][-5:]) < np.mean(own["losses"][:5])
    space, row = own["space"], own["row"]
    assert space.format(row) == "conv3-skip-conv5-skip-conv3"
    x = torch.randn(2, 3, 32, 32)
    supernet, inherited = own["supernet"].eval(), own["inherited"].eval()
    assert torch.equal(inherited(x), supernet(x, row))
    assert own["network"](x).shape == (2, 5)


def test_its_costs_are_right(own):
    space = own["Tower"]()
    cost = space.cost(space.parse("conv3-skip-conv5-skip-conv3")[None])
    convs = [(3, 16, 3, 32), (16, 16, 3, 32), (16, 32, 5, 16), (32, 64, 3, 8)]
    assert cost.madds.tolist() == [sum(i * o * k * k * side * side for i, o, k, side in convs) + 64 * 10]
    assert cost.params.tolist() == [sum(i * o * k * k + 2 * o for i, o, k, _ in convs) + 65 * 10]


def test_the_command_line_finds_it_as_a_module(own):
    assert find_class("space", "own_space:Tower") is own["Tower"]


def test_the_command_line_finds_it_as_a_file(tmp_path):
    (tmp_path / "own_space.py").write_text(SPACE)
    arguments = ["space", "show", "own_space.py:Tower", "--arch", "conv3-skip-conv5-skip-conv3", "--supernet", "--json"]
    command = [sys.executable, "-m", "trueshot", *arguments]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    shown = json.loads(out.stdout)
    assert (shown["space"], shown["decisions"], shown["architectures"]) == ("tower", 5, 108)
    assert [part["name"] for part in shown["parts"]] == ["stem", "a", "b", "c", "d", "e", "head"]
