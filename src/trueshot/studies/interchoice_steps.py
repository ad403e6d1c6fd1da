"""Training steps of several kinds of sharing, timed in turns.

All kinds take the same architectures on the same images. What else runs on a machine only ever adds to a time, hence
the least of several is kept. Processor time is disturbed less by others than time on the wall; on one thread of an idle
machine the two are the same. The pixels are random: they make no difference to the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from trueshot.core.observe import Observer
from trueshot.core.random import Streams
from trueshot.sampling import Uniform
from trueshot.sharing import Attention, Bias, SharedBias, Sharing, Split, Supernet, single_path
from trueshot.spaces import Space
from trueshot.spaces.counting import count_params
from trueshot.training.recipe import Recipe, make_sgd
from trueshot.training.standalone import build
from trueshot.training.supernet import Loss, StepOptions, SupernetTask

BASELINE = "baseline"
"""Plain single path, which the others are compared with."""

SHARINGS: Mapping[str, Sharing] = MappingProxyType(
    {
        BASELINE: single_path,
        "bias D=1": Bias(depth=1),
        "bias D=2": Bias(depth=2),
        "bias D=3": Bias(depth=3),
        "split": Split(),
        "shared bias D=1": SharedBias(depth=1),
        "attention D=1, 1 layer": Attention(depth=1),
        "attention D=1, 2 layers": Attention(depth=1, layers=2),
    }
)
"""``split`` is timed after the split."""


def measure_steps(
    name: str,
    space: Space,
    *,
    batch: int,
    archs: int,
    repeats: int,
    device: torch.device,
    streams: Streams,
    observer: Observer,
) -> dict[str, Any]:
    """Train every kind of sharing by some steps.

    Args:
        name: for the progress.
        space: of the supernets.
        batch: images in a step.
        archs: random architectures, a step for each.
        repeats: of each step; one more is off the clock.
        device: where.
        streams: source of all draws.
        observer: told of the progress.

    Returns:
        By kind of :data:`SHARINGS`: ``wall`` and ``cpu``, the least seconds for each architecture; ``params``, numbers
        in the weights; ``peak``, bytes of a step with the weights, on a GPU only. And ``seconds`` of the whole.
    """
    started = time.monotonic()
    images = torch.randn(batch, *space.input_shape, generator=streams.torch("pixels"))
    images = images.to(device, memory_format=torch.channels_last)
    labels = torch.randint(space.classes, (batch,), generator=streams.torch("labels")).to(device)
    tasks = {kind: _task(space, sharing, device, streams) for kind, sharing in SHARINGS.items()}
    observer.begin(name, archs, 0, "architecture")
    taken = np.empty((archs, len(tasks), 2))
    for index in range(archs):
        calls: list[Callable[[], None]] = [partial(_step, task, index, images, labels) for task in tasks.values()]
        taken[index] = _take_turns(calls, repeats)
        observer.advance(name, index + 1)
    observer.end(name)
    times = {
        clock: dict(zip(tasks, taken[:, :, column].T.tolist(), strict=True))
        for column, clock in enumerate(("wall", "cpu"))
    }
    peaks = {kind: _peak(task, images, labels) for kind, task in tasks.items()} if device.type == "cuda" else {}
    return {
        **times,
        "params": {kind: count_params(task.supernet) for kind, task in tasks.items()},
        "peak": peaks,
        "seconds": time.monotonic() - started,
    }


def _task(space: Space, sharing: Sharing, device: torch.device, streams: Streams) -> SupernetTask:
    supernet = build(lambda: Supernet(space, sharing), streams, device)
    assert isinstance(supernet, Supernet)
    optimizer = make_sgd(supernet, Recipe(epochs=1, lr=1e-4, momentum=0.9, weight_decay=3e-4))
    options = StepOptions(split_at=0 if isinstance(sharing, Split) else None)
    return SupernetTask(supernet, Uniform(space), optimizer, None, Loss(), None, streams, options)


def _step(task: SupernetTask, index: int, images: Tensor, labels: Tensor) -> None:
    loss, _ = task.step(index, images, labels)
    loss.item()  # waits for the device


def _take_turns(calls: list[Callable[[], None]], repeats: int) -> Float64[np.ndarray, "calls 2"]:
    """Return the least seconds of each call on the wall and on the processor, each call first once off the clock.

    Every round starts with another call.
    """
    for call in calls:
        call()
    best = np.full((len(calls), 2), np.inf)
    for repeat in range(repeats):
        for position in range(len(calls)):
            number = (position + repeat) % len(calls)
            on_cpu, start = time.process_time(), time.perf_counter()
            calls[number]()
            took = time.perf_counter() - start, time.process_time() - on_cpu
            best[number] = np.minimum(best[number], took)
    return best


def _peak(task: SupernetTask, images: Tensor, labels: Tensor) -> int:
    """Return the most bytes that a step takes beyond what is allocated before it, and all weights of the task."""
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    _step(task, 1, images, labels)
    weights = sum(p.numel() * p.element_size() for p in task.supernet.parameters())
    return torch.cuda.max_memory_allocated() - before + weights
