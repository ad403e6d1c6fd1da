"""The timer, on a clock that the test sets."""

import importlib.util
import subprocess
import sys

import pytest
import torch

from trueshot.evaluation import timing
from trueshot.evaluation.timing import median_seconds, nothing, step_seconds, take_turns, waiting_for


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self, monkeypatch):
        self.now, self.worked = 0.0, 0.0
        monkeypatch.setattr("time.perf_counter", lambda: self.now)
        monkeypatch.setattr("time.process_time", lambda: self.worked)

    def takes(self, seconds, worked=0.0):
        self.now, self.worked = self.now + seconds, self.worked + worked


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_the_median_leaves_out_what_warms_up(clock):
    taken, called = [100.0, 3.0, 1.0, 50.0, 2.0], []

    def call(index):
        called.append(index)
        clock.takes(taken[index])

    assert median_seconds(call, 4) == 2.5
    assert called == [0, 1, 2, 3, 4]
    assert median_seconds(call, 2, warm_up=3) == 26.0
    assert median_seconds(call, 1, warm_up=0) == 100.0
    # Waiting for a device counts.
    assert median_seconds(call, 4, wait=lambda: clock.takes(1.0)) == 3.5


def test_a_step_is_timed_with_its_batches(clock):
    class Slow:
        steps_per_epoch = 2

        def __init__(self, seconds):
            self.seconds = seconds

        def iterate(self, start_step, stop_step):
            for step in range(start_step, stop_step):
                clock.takes(self.seconds)
                yield step

    class Taker:
        def __init__(self):
            self.seen = []

        def step(self, index, batches):
            self.seen.append((index, batches))
            clock.takes(10.0 if index == 0 else 1.0)

    task = Taker()
    assert step_seconds(task, {"train": Slow(0.25), "validation": Slow(0.5)}, 3) == 1.75
    assert task.seen == [(step, {"train": step, "validation": step}) for step in range(4)]


def test_calls_take_turns_and_every_round_starts_with_another(clock):
    order = []

    def call(name, seconds):
        def run():
            order.append(name)
            # The third round runs while the machine is ten times slower.
            slow = 10.0 if 10 <= len(order) <= 12 else 1.0
            clock.takes(seconds * slow, worked=seconds / 2)

        return run

    rounds = take_turns({"a": call("a", 1.0), "b": call("b", 2.0), "c": call("c", 6.0)}, 4)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab" + "abc"
    assert rounds.least == {"a": (1.0, 0.5), "b": (2.0, 1.0), "c": (6.0, 3.0)}
    assert {name: max(values) for name, values in rounds.wall.items()} == {"a": 10.0, "b": 20.0, "c": 60.0}
    # Each round is divided by its own median, that of b, so that the slow one says the same as the others.
    assert rounds.relative == {"a": 0.5, "b": 1.0, "c": 3.0}


def test_a_processor_is_not_waited_for():
    assert waiting_for(torch.device("cpu")) is nothing
    assert nothing() is None


def test_it_needs_python_alone():
    spec = importlib.util.find_spec("trueshot.evaluation.timing")
    code = (
        "import importlib.util, sys; spec = importlib.util.spec_from_file_location('timing', sys.argv[1]);"
        " module = importlib.util.module_from_spec(spec); sys.modules['timing'] = module;"
        " spec.loader.exec_module(module); print(module.median_seconds(lambda index: None, 3) >= 0)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", code, spec.origin], check=True, capture_output=True, text=True
    )
    assert done.stdout == "True\n"
    assert spec.origin == timing.__file__
