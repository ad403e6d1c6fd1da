"""What tests of studies share: a session in a folder, and runs at the smallest scale."""

import json
import math
from typing import Any

import torch

from trueshot.cli.names import find, find_study, make_space
from trueshot.core.executor import InProcess
from trueshot.core.results import Result
from trueshot.studies.bank import Bank
from trueshot.studies.record import Scale, Study
from trueshot.studies.runner import Runner, result_file
from trueshot.studies.session import Session

CPU = torch.device("cpu")


class Refused(AssertionError):
    pass


def refuse(*_: object) -> None:
    raise Refused("trained again what was there")


def session(folder, **changes) -> Session:
    fields = {
        "bank": Bank(folder / "bank"),
        "names": find,
        "make_space": make_space,
        "device": CPU,
        "executor": InProcess(),
    }
    return Session(**(fields | changes))


def run_smoke(study: Study | str, folder, **changes) -> Result:
    study = find_study(study) if isinstance(study, str) else study
    return Runner(session=session(folder, **changes), scale=Scale.SMOKE).run(study, folder / "results")


def check_smoke(name: str, folder, monkeypatch) -> Result:
    """Run a study, check its figures and its JSON, and run it again with all training forbidden."""
    study = find_study(name)
    result = run_smoke(study, folder)
    head = result.head
    assert (head["study"], head["scale"], head["title"]) == (name, "smoke", study.title)
    assert [claim["what"] for claim in head["claims"]] == [claim.name for claim in study.claims]
    assert all(claim["verdict"] == "cannot be told here" for claim in head["claims"])
    ours = [finding for finding in head["findings"] if finding["values"]]
    assert ours
    for finding in ours:
        assert all(math.isfinite(value) for value in finding["values"])
        if finding["metric"].startswith("Kendall tau"):
            assert all(-1 <= value <= 1 for value in finding["values"])
    assert head["trained_seconds"] > 0
    assert head["data"]["name"] == "digits"
    path = result_file(folder / "results", study, Scale.SMOKE)
    content = json.loads(path.read_text())
    assert (content["version"], content["command"]) == (2, "study")
    assert content["environment"]["torch"] == torch.__version__
    with monkeypatch.context() as patch:
        patch.setattr("trueshot.training.standalone.NetworkTask.step", refuse)
        patch.setattr("trueshot.training.supernet.SupernetTask.step", refuse)
        again = run_smoke(study, folder)
    assert figures(again) == figures(result)
    assert again.head["trained_seconds"] == head["trained_seconds"]
    return result


def figures(result: Result) -> list[dict[str, Any]]:
    return [*result.head["findings"], *result.head["claims"]]


def finding(result: Result, what: str, metric: str | None = None) -> dict[str, Any]:
    (found,) = [one for one in result.head["findings"] if one["what"] == what and metric in (None, one["metric"])]
    return found
