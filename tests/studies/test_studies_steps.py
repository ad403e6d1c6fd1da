"""What training steps take."""

import time
from itertools import pairwise

import numpy as np
import pytest
from study_checks import session

from trueshot.cli.names import find_study
from trueshot.studies.record import Scale
from trueshot.studies.steps import Timed, take_turns


def test_calls_take_turns_and_the_least_time_counts():
    order, waits = [], {"a": iter([0.0, 0.02, 0.001]), "b": iter([0.0, 0.0, 0.03])}

    def call(name):
        order.append(name)
        time.sleep(next(waits[name]))

    best = take_turns([lambda: call("a"), lambda: call("b")], 2)
    # Each once off the clock, then every round begins with another.
    assert order == ["a", "b", "a", "b", "b", "a"]
    assert 0.001 <= best[0, 0] < 0.015
    assert best[1, 0] < 0.02
    assert (best[:, 1] < best[:, 0] + 0.005).all()


def test_time_added_is_that_of_the_sum():
    wall = {"plain": [1.0, 3.0], "more": [2.0, 3.0]}
    record = {"wall": wall, "cpu": wall, "params": {}, "peak": {}, "seconds": 9.0}
    timed = Timed(records={"a": record}, data={})
    # 5 instead of 4 seconds.
    assert timed.added("a", "more", "plain").mean() == pytest.approx(25.0)
    np.testing.assert_allclose(timed.added("a", "more", "plain"), [50.0, 0.0])
    assert (timed.seconds, timed.table().shape) == (9.0, (2, 6))


def test_steps_are_timed_once(tmp_path, monkeypatch):
    work, here = find_study("interchoice-table1").work, session(tmp_path)
    timed = work.gather(here, Scale.SMOKE)
    assert list(timed.records) == ["all operations", "no Zero", "only convolutions", "chain"]
    params = timed.records["only convolutions"]["params"]
    assert params["baseline"] < params["shared bias D=1"] < params["bias D=2"] < params["split"]
    assert all(len(times) == 2 and min(times) > 0 for times in timed.records["chain"]["wall"].values())
    monkeypatch.setattr("trueshot.studies.steps._measure", None)
    assert work.gather(here, Scale.SMOKE).records == timed.records
    needs = work.needs(here, Scale.SMOKE)
    assert len(needs) == 4 * 8
    assert all(need.done and need.seconds > 0 for need in needs)
    for pair in pairwise(timed.records.values()):
        assert pair[0]["wall"].keys() == pair[1]["wall"].keys()
