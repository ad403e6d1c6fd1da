"""A clock that stands still while the run is killed, and decisions that are made once."""

import json
import time

import pytest

from trueshot.core.run import RunDirectory
from trueshot.strategies.deadline import Deadline
from trueshot.training.plan import Pace


@pytest.fixture
def now(monkeypatch):
    """Let time pass by hand."""

    class Now:
        seconds = 1000.0

    monkeypatch.setattr(time, "monotonic", lambda: Now.seconds)
    return Now


def make(tmp_path, now, seconds=100.0):
    return Deadline(RunDirectory(tmp_path), seconds, {"supernet": 40.0}, started=now.seconds)


def test_time_while_killed_does_not_count(tmp_path, now):
    first = make(tmp_path, now)
    now.seconds += 30
    first.mark()
    # Two seconds of work are lost by the kill, then a night passes.
    now.seconds += 2
    now.seconds += 40_000
    second = make(tmp_path, now)
    assert second.used == 30.0
    now.seconds += 5
    assert (second.used, second.left(), second.left("supernet"), second.left("unknown")) == (35.0, 65.0, 5.0, 65.0)


def test_a_part_has_its_planned_time_even_where_earlier_ones_took_longer(tmp_path, now):
    ends = {"supernet": 40.0, "short trainings": 52.0, "networks": 90.0}
    late = Deadline(RunDirectory(tmp_path / "late"), 100.0, ends, started=now.seconds)
    early = Deadline(RunDirectory(tmp_path / "early"), 100.0, ends, started=now.seconds)
    now.seconds += 30
    assert early.until("short trainings") == 52.0
    now.seconds += 30
    assert late.until("short trainings") == 72.0
    now.seconds += 5
    # It stays so, after a kill too.
    again = Deadline(RunDirectory(tmp_path / "late"), 100.0, ends, started=now.seconds)
    assert late.until("short trainings") == again.until("short trainings") == 72.0
    assert again.until("unknown") == 100.0


def test_a_decision_is_made_once(tmp_path, now):
    first = make(tmp_path, now)
    now.seconds += 12
    assert first.decided("steps") is None
    assert first.decide("steps", lambda: {"steps": 7})["steps"] == 7
    assert first.decide("steps", lambda: {"steps": 8})["steps"] == 7
    second = make(tmp_path, now)
    assert second.used == 12.0
    assert second.decide("steps", lambda: pytest.fail("made again"))["steps"] == 7
    second.decide("more", lambda: {"names": ["a"]})
    rows = [json.loads(line) for line in (tmp_path / "log" / "schedule.jsonl").read_text().splitlines()]
    assert rows == [{"what": "steps", "at": 12.0, "steps": 7}, {"what": "more", "at": 12.0, "names": ["a"]}]


def test_a_training_gets_the_length_that_ends_in_time(tmp_path, now):
    deadline = make(tmp_path, now)
    revise = deadline.pacing("supernet", least=50, most=400)
    now.seconds += 10
    # 20 of 200 steps took 10 seconds of its own, and 30 are left until 40: 60 more.
    assert revise(Pace(20, 200, 10.0)) == 80
    assert revise(Pace(21, 200, 10.0)) is None
    # Twice as fast as needed, at most four hundred; as needed, nothing changes; too slow, at least fifty.
    assert revise(Pace(20, 200, 0.1)) == 400
    assert revise(Pace(20, 80, 10.0)) is None
    now.seconds += 29
    assert revise(Pace(20, 200, 39.0)) == 50
    assert revise(Pace(60, 200, 39.0)) == 61
    assert revise(Pace(200, 200, 39.0)) is None
