"""What every study must do at its smallest scale."""

import json
import math
from types import ModuleType
from typing import Any

import pytest
import torch

from trueshot.cli.names import find_module
from trueshot.studies.result import Row, Scale, StudyResult

CPU = torch.device("cpu")


class Refused(AssertionError):
    pass


def run_smoke(name: str, out) -> StudyResult:
    return find_module(name).run(Scale.SMOKE, out=out, device=CPU, seed=0)


def check_smoke(name: str, out, monkeypatch) -> StudyResult:
    """Run a study, check its figures and its JSON, and run it again with all training forbidden."""
    module: ModuleType = find_module(name)
    result = run_smoke(name, out)
    assert (result.study, result.scale, result.title) == (name, Scale.SMOKE, module.TITLE)
    assert name == module.NAME
    ours = [row for row in result.rows if row.values]
    assert ours
    for row in ours:
        assert all(math.isfinite(value) for value in row.values)
        if "accuracy (%)" in row.metric or "top-1" in row.metric:
            assert all(0 <= value <= 100 for value in row.values)
        if row.metric.startswith("Kendall tau"):
            assert all(-1 <= value <= 1 for value in row.values)
    assert result.trained_seconds > 0
    assert result.data["name"] == "digits"
    path = result.save(out / "results")
    assert path.name == f"{name}-smoke.json"
    content = json.loads(path.read_text())
    assert content["version"] == 1
    assert content["environment"]["torch"] == torch.__version__
    assert {row["what"] for row in content["rows"]} == {row.what for row in result.rows}
    monkeypatch.setattr("trueshot.training.standalone.NetworkTask.step", refuse)
    monkeypatch.setattr("trueshot.training.supernet.SupernetTask.step", refuse)
    again = run_smoke(name, out)
    assert figures(again) == figures(result)
    assert again.trained_seconds == result.trained_seconds
    return result


def check_killed(name: str, task: type, at: int, steps: int, out, monkeypatch) -> None:
    """Kill a study in its step ``at`` of a task: taken up, it takes ``steps`` more of them to the same result."""
    whole = run_smoke(name, out / "whole")
    step, taken = task.step, []

    def counted(self, index, batches):
        taken.append(index)
        if len(taken) == at:
            raise KeyboardInterrupt
        return step(self, index, batches)

    monkeypatch.setattr(task, "step", counted)
    with pytest.raises(KeyboardInterrupt):
        run_smoke(name, out / "killed")
    assert len(taken) == at
    resumed = run_smoke(name, out / "killed")
    assert len(taken) == at + steps
    assert figures(resumed) == figures(whole)
    assert resumed.details == whole.details


def figures(result: StudyResult) -> list[tuple[Any, ...]]:
    return [(row.what, row.metric, row.paper, row.values, row.spread, row.figures) for row in result.rows]


def row(result: StudyResult, what: str, metric: str | None = None) -> Row:
    (found,) = [row for row in result.rows if row.what == what and metric in (None, row.metric)]
    return found


def refuse(*_: object) -> None:
    raise Refused("trained again what was there")
