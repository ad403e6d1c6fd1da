"""A search with a time budget: what it decides is written down, and repeated after a kill."""

import json
import shutil
import time

import pytest
from cli_runs import DIGITS, TINY, TINY_SPACE, invoke, refused, sets

from trueshot.core.results import Networks, Result
from trueshot.strategies.deadline import Deadline

VALUES = [value for value in TINY if not value.startswith(("retraining.random", "retraining.conv", "budget"))]
LONGER = sets(
    TINY_SPACE,
    *VALUES,
    "data.max_images=400",
    "budget.fractions=[1.0, 0.6]",
    "retraining.random=2",
    "retraining.convergence=true",
    "retraining.least_steps=1",
    "retraining.recipe={epochs: 4, batch_size: 128, lr: 0.1, warmup_epochs: 0}",
)
COMMAND = [*DIGITS, "--max-madds", "100k", *LONGER]


@pytest.fixture(autouse=True)
def without_export(monkeypatch):
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """A finished search with a time budget that it does not fill."""
    out = tmp_path_factory.mktemp("timed") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
        patch.setattr("trueshot.strategies.forecast.EXPORT", 0.5)
        start = time.monotonic()
        code, stdout, stderr = invoke(*COMMAND, "--time-budget", "45s", "--out", out, "--json")
    assert code == 0, stderr
    return out, json.loads(stdout), stderr, time.monotonic() - start


def decisions(out):
    rows = [json.loads(line) for line in (out / "log" / "schedule.jsonl").read_text().splitlines()]
    return {row["what"]: row for row in rows}


def test_a_deadline_is_kept_and_told(timed):
    out, result, stderr, seconds = timed
    assert seconds < 1.1 * 45
    assert json.loads((out / "config.json").read_text())["schedule"]["seconds"] == 45.0
    decided = decisions(out)
    assert list(decided) == ["search", "networks-0", "networks-1", "networks-2", "networks-3", "recommended"]
    names = decided["networks-3"]["names"]
    assert {"best-1", "random-1", "random-2", "best-1-half"} <= set(names)
    # All that are compared have the same number of steps, the check half of them, and what is chosen may have more.
    steps = decided["networks-3"]["steps"]
    lengths = {}
    for name in (*names, "recommended"):
        rows = [json.loads(line) for line in (out / "log" / f"network-{name}.jsonl").read_text().splitlines()]
        lengths[name] = len(rows)
    per_epoch = 320 // 128
    assert {lengths[name] for name in names if "half" not in name} == {-(-steps // per_epoch)}
    assert lengths["best-1-half"] == -(-round(steps / 2) // per_epoch)
    shown = [record.name for record in Result.read(out / "result.json").of_kind(Networks)[0].records]
    assert shown == ["recommended", *(name for name in names if "half" not in name)]
    assert all(type(network["converged"]) is bool for network in result["networks"][1:])
    assert "network 2 of " in stderr
    assert "left in all" in stderr
    assert "How long it trained" in (out / "report.html").read_text()


def test_a_resumed_run_repeats_what_was_decided(timed, tmp_path, monkeypatch):
    out = timed[0]
    again = tmp_path / "again"
    (again / "log").mkdir(parents=True)
    shutil.copy(out / "config.json", again)
    for file in out.glob("log/*"):
        if file.name in ("schedule.jsonl", "clock.json") or file.name.endswith("-plan.jsonl"):
            shutil.copy(file, again / "log")
    # Nothing new is decided: all that there is to decide was written down.
    monkeypatch.setattr(Deadline, "pacing", lambda self, part, **_: lambda pace: None)
    code, _, stderr = invoke(*COMMAND, "--time-budget", "45s", "--out", again, "--resume", "--json")
    assert code == 0, stderr
    assert "forecast" not in stderr
    weights = sorted(path.relative_to(out) for path in out.rglob("*.safetensors"))
    assert len(weights) >= 5
    assert all((out / path).read_bytes() == (again / path).read_bytes() for path in weights)
    assert decisions(again) == decisions(out)
    assert "asked.time_budget: 45.0 there, 300.0 now" in refused(
        *COMMAND, "--time-budget", "5m", "--out", again, "--resume"
    )


def test_time_that_is_too_short_is_refused_in_one_line(tmp_path):
    out = tmp_path / "run"
    told = refused(*COMMAND, *sets("retraining.least_steps=40"), "--time-budget", "3s", "--out", out)
    assert told.startswith(
        "--time-budget 3.0s is too short for networks that converge on images of 8 pixels: give --time-"
    )
    assert not out.exists()


def test_a_search_whose_time_is_over_stops_where_it_is(tmp_path, monkeypatch):
    """And a resumed one stops there too, although it is told at once what was asked."""
    monkeypatch.setattr("trueshot.strategies.forecast.EXPORT", 0.5)
    monkeypatch.setattr(Deadline, "left", lambda self, part=None: 0.0 if part == "search" else 20.0)
    monkeypatch.setattr(Deadline, "pacing", lambda self, part, **_: lambda pace: None)
    out = tmp_path / "run"
    command = [*COMMAND, *sets("proposer={population: 4, generations: 5}"), "--time-budget", "60s", "--out", out]
    code, stdout, stderr = invoke(*command, "--json")
    assert code == 0, stderr
    assert json.loads(stdout)["evaluated"] == decisions(out)["search"]["evaluations"] == 4
    assert "the time for the search is over after 4 architectures" in stderr
    (out / "result.json").unlink()
    code, stdout, stderr = invoke(*command, "--json", "--resume")
    assert code == 0, stderr
    assert json.loads(stdout)["evaluated"] == 4
