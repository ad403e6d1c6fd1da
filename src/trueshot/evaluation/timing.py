"""The one timer: the median of some calls, and calls that are compared by taking turns.

It needs no package but Python's own, so that it can be loaded by itself in an environment without trueshot.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from trueshot.training.task import Stream, Task


def nothing() -> None:
    """Wait for nothing."""


def waiting_for(device: torch.device) -> Callable[[], object]:
    """Return what waits until a device has done its work; a processor has, as soon as a call returns."""
    if device.type == "cpu":
        return nothing
    import torch

    return lambda: torch.cuda.synchronize(device)


def median_seconds(
    call: Callable[[int], object], times: int, *, warm_up: int = 1, wait: Callable[[], object] = nothing
) -> float:
    """Return the median seconds of ``times`` calls after some that warm up.

    Args:
        call: given the number of the call, from 0, the first ones warm up.
        times: calls that are timed, at least one.
        warm_up: calls before them.
        wait: called after each call, on the clock; waits for a device.
    """
    seconds = []
    for index in range(warm_up + times):
        start = time.perf_counter()
        call(index)
        wait()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[warm_up:])


def step_seconds(
    task: Task, streams: Mapping[str, Stream], times: int = 4, *, wait: Callable[[], object] = nothing
) -> float:
    """Return the median seconds of a training step and of making its batches; the task is trained by it.

    Args:
        task: what to train by ``times + 1`` steps, the first of which is not counted.
        streams: its batches by name.
        times: steps that are counted.
        wait: waits for the device.
    """
    batches: dict[str, Iterator[Any]] = {name: iter(stream.iterate(0, times + 1)) for name, stream in streams.items()}
    return median_seconds(
        lambda index: task.step(index, {name: next(stream) for name, stream in batches.items()}), times, wait=wait
    )


def image_seconds(
    network: torch.nn.Module, images: torch.Tensor, times: int = 4, *, wait: Callable[[], object] = nothing
) -> float:
    """Return the median seconds of one image in a pass forward of a batch ``(n, ...)``.

    Args:
        network: in the mode in which it is to be timed.
        images: the batch.
        times: passes that are counted.
        wait: waits for the device.
    """
    import torch

    with torch.inference_mode():
        return median_seconds(lambda _: network(images), times, wait=wait) / len(images)


@dataclass(frozen=True)
class Rounds:
    """Times of calls that took turns.

    What else runs on a machine slows whole rounds down, and only ever adds to a time: comparisons are made within
    rounds (:attr:`relative`), or between the least times (:attr:`least`).

    Attributes:
        wall: seconds on the clock of each round, by call.
        cpu: processor seconds of this process, likewise.
    """

    wall: dict[str, list[float]]
    cpu: dict[str, list[float]]

    @property
    def least(self) -> dict[str, tuple[float, float]]:
        """Least seconds of each call, on the clock and of the processor."""
        return {name: (min(self.wall[name]), min(self.cpu[name])) for name in self.wall}

    @property
    def relative(self) -> dict[str, float]:
        """Median over the rounds of each call's time divided by the median of all calls in its round.

        Slow and fast rounds count alike. The product with the seconds of one call over its own relative time gives
        seconds.
        """
        middles = [statistics.median(row) for row in zip(*self.wall.values(), strict=True)]
        return {
            name: statistics.median(value / middle for value, middle in zip(values, middles, strict=True))
            for name, values in self.wall.items()
        }


def take_turns(
    calls: Mapping[str, Callable[[], object]], rounds: int, *, wait: Callable[[], object] = nothing
) -> Rounds:
    """Run each call once off the clock, and then in rounds, each of which starts with another call.

    Args:
        calls: what to time, by name.
        rounds: how often each is timed.
        wait: called after each call, on the clock; waits for a device.
    """
    names = list(calls)
    found = Rounds({name: [] for name in names}, {name: [] for name in names})
    for call in calls.values():
        call()
        wait()
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            on_cpu, start = time.process_time(), time.perf_counter()
            calls[name]()
            wait()
            found.wall[name].append(time.perf_counter() - start)
            found.cpu[name].append(time.process_time() - on_cpu)
    return found
