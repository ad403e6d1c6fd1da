"""The one training loop: supernets, SGLD sampling and stand-alone networks all run through it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trueshot.core.allocator import keep_freed_memory
from trueshot.core.errors import TrainingError
from trueshot.core.observe import SILENT, Observer
from trueshot.training.plan import Plan, Revise
from trueshot.training.progress import Progress, on_accelerator
from trueshot.training.schedules import WatchesEpochs
from trueshot.training.task import Row, Stream, Task

_SETTLED = 5
"""Steps after which freed memory is kept. What the first ones make for good, such as compiled operators, lies close
together then, for large blocks are still mapped by themselves; between large blocks it would tear holes."""


def train(
    task: Task,
    streams: Mapping[str, Stream],
    plan: Plan,
    *,
    observer: Observer = SILENT,
    on_epoch: Callable[[int], None] | None = None,
    revise: Revise | None = None,
    until: int | None = None,
) -> list[Row]:
    """Run ``task`` to the end of ``plan``, resuming from its checkpoint where there is one.

    Args:
        task: what is trained.
        streams: batches by name, one of each for every step. An epoch is one pass over the longest stream; a shorter
            one goes on from its own start.
        plan: how long, and what to keep.
        observer: told of the progress; a phase that begins again has another number of steps.
        on_epoch: called with the number of complete epochs, before the checkpoint that says so is written.
        revise: may change the number of steps after each of them; a resumed training repeats the changes that were
            made, and asks again only beyond them.
        until: complete steps after which to pause, with a checkpoint from which a later call goes on; by default the
            end of the plan. Nothing is trained where so many are done.

    Returns:
        One row for each epoch: ``epoch``, the means of the task's metrics, what the task adds, ``seconds`` so far.

    Raises:
        TrainingError: when a metric is not finite, naming the step and what it trained.
        CheckpointError: when the checkpoint is of another configuration.
        ValueError: when the plan may be revised and keeps a checkpoint, but no log to repeat the changes from.
    """
    if revise is not None and plan.checkpoint is not None and plan.log is None:
        raise ValueError("a plan that may be revised needs a log beside its checkpoint")
    progress = Progress.of(task, plan)
    steps_per_epoch = max(stream.steps_per_epoch for stream in streams.values())
    if until is not None and progress.step >= min(until, plan.steps):
        return progress.history
    _show_epochs(task, progress)
    observer.begin(plan.phase, plan.steps, progress.step, "step")
    saved = time.monotonic()
    for taken, batches in enumerate(_batches(streams, progress.step, plan, until), start=1):
        metrics = task.step(progress.step, batches)
        progress.take(task, metrics)
        if taken == _SETTLED:
            keep_freed_memory()
        if plan.advance(progress.pace(plan), revise):
            observer.begin(plan.phase, plan.steps, progress.step, "step")
        ends_epoch = progress.step % steps_per_epoch == 0 or progress.step == plan.steps
        due = time.monotonic() - saved > plan.save_every or progress.step == until
        if ends_epoch or due or not on_accelerator(metrics):
            progress.read(task)
        observer.advance(plan.phase, progress.step)
        if ends_epoch:
            row = progress.close_epoch(task, plan)
            _show_epochs(task, progress)
            observer.record(plan.phase, progress.step, row)
            if on_epoch is not None:
                on_epoch(len(progress.history))
        if plan.checkpoint is not None and (due or progress.step == plan.steps):
            progress.save(task, plan)
            saved = time.monotonic()
    progress.write_log(plan)
    observer.end(plan.phase)
    return progress.history


def _show_epochs(task: Task, progress: Progress) -> None:
    """Let a schedule that goes by the figures of the epochs know of those so far."""
    if isinstance(task, WatchesEpochs):
        task.watch(progress.history)


def _batches(
    streams: Mapping[str, Stream], step: int, plan: Plan, until: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the batches of each step to the end of the plan, which may move meanwhile, or to the pause before it."""

    def end() -> int:
        return plan.steps if until is None else min(until, plan.steps)

    while step < end():
        first, stop = step, end()
        for batches in zip(*(stream.iterate(first, stop) for stream in streams.values()), strict=True):
            yield dict(zip(streams, batches, strict=True))
            step += 1
            if step >= end():
                return
        if step == first:
            raise TrainingError(f"{plan.phase}: there is no batch for step {step}: a stream must not end before it")
