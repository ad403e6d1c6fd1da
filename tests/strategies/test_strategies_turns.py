"""What is trained for how long within the time left."""

import pytest

from trueshot.strategies.finish.turns import PARTS, Job, next_turn, seconds_left

JOBS = (
    Job(name="best-1"),
    Job(name="random-1"),
    Job(name="random-2"),
    Job(name="best-1-half", drop=30, share=0.5),
    Job(name="best-2", drop=101),
    Job(name="best-1-seed2", drop=900),
)
RATES = {job.name: 1.0 for job in JOBS} | {"best-1": 2.0}


def turn(seconds, jobs=JOBS, number=1, wanted=100, done=10, **more):
    values = {"least": 40, "most": 200, "again": 1.25, "rates": RATES, **more}
    return next_turn(jobs, number=number, wanted=wanted, done=done, seconds=seconds, **values)


def test_seconds_left_count_every_training_and_the_one_anew():
    assert seconds_left(JOBS, 100, 10, RATES, 1.25) == pytest.approx(90 * (2 + 1 + 1 + 0.5 + 1 + 1) + 125 * 2)


def test_enough_time_is_used_for_all_alike():
    needed = seconds_left(JOBS, 100, 10, RATES, 1.25)
    exact = turn(needed)
    assert (exact.names, exact.steps, exact.part) == (tuple(job.name for job in JOBS), 100, PARTS[1])
    longer = turn(1.3 * needed)
    assert longer.names == exact.names
    assert seconds_left(JOBS, longer.steps, 10, RATES, 1.25) == pytest.approx(1.3 * needed, rel=0.02)
    assert turn(100 * needed).steps == 200


@pytest.mark.parametrize(
    ("share", "names"),
    [
        (0.95, ["best-1", "random-1", "random-2", "best-1-half", "best-2"]),
        (0.85, ["best-1", "random-1", "random-2", "best-1-half"]),
        (0.74, ["best-1", "random-1", "random-2"]),
    ],
)
def test_networks_are_given_up_before_steps(share, names):
    found = turn(share * seconds_left(JOBS, 100, 10, RATES, 1.25))
    assert list(found.names) == names
    assert found.steps >= 100


def test_then_steps_are_given_up_down_to_the_least():
    kept = JOBS[:3]
    needed = seconds_left(kept, 100, 10, RATES, 1.25)
    found = turn(0.7 * needed, kept)
    assert found.names == ("best-1", "random-1", "random-2")
    assert seconds_left(kept, found.steps, 10, RATES, 1.25) == pytest.approx(0.7 * needed, rel=0.03)
    assert turn(0.0, kept).steps == 40
    # What is done is done, and a turn trains.
    assert turn(0.0, kept, done=60).steps == 61


def test_turns_end_with_all_steps():
    assert [turn(1e9, number=number).part for number in range(6)] == [*PARTS, 1.0, 1.0]
