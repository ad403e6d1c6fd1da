"""The one training loop: supernets, SGLD sampling and stand-alone networks all run through it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from trueshot.core.allocator import keep_freed_memory
from trueshot.core.errors import CheckpointError, TrainingError
from trueshot.core.files import write_text
from trueshot.core.observe import SILENT, Observer
from trueshot.training.checkpoints import load_checkpoint, save_checkpoint
from trueshot.training.data.batches import Batches
from trueshot.training.recipe import WatchesLoss

_SETTLED = 5
"""Steps after which freed memory is kept. What the first ones make for good, such as compiled operators, lies close
together then, for large blocks are still mapped by themselves; between large blocks it would tear holes."""


@runtime_checkable
class Task(Protocol):
    """What is trained: one optimizer step, and the state to go on from."""

    def step(self, index: int, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Update the weights; return the mean loss and the number of right answers, detached scalars."""

    def describe(self, index: int) -> str:
        """Say what step ``index`` trained, for an error message."""

    @property
    def learning_rate(self) -> float:
        """Learning rate of the last step."""

    def state_dict(self) -> dict[str, Any]:
        """Return everything that later steps depend on."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long to train and what to keep.

    Attributes:
        phase: name for progress and logs.
        steps: optimizer steps in all.
        checkpoint: file to resume from and save to, ``None`` to keep nothing.
        log: file for one JSON row an epoch, ``None`` for none.
        save_every: seconds between checkpoints; one is always written at the end.
        identity: what the checkpoint must have been made for, for example a digest of the configuration.
    """

    phase: str
    steps: int
    checkpoint: Path | None = None
    log: Path | None = None
    save_every: float = 30.0
    identity: str = ""


@dataclass
class _Progress:
    """What the loop itself carries over a resume."""

    step: int = 0
    loss_sum: float = 0.0
    correct: float = 0.0
    images: int = 0
    steps: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    def add(self, loss: float, correct: float, images: int) -> None:
        self.loss_sum, self.correct = self.loss_sum + loss, self.correct + correct
        self.images, self.steps = self.images + images, self.steps + 1

    def close_epoch(self, learning_rate: float) -> dict[str, Any]:
        row = {
            "epoch": len(self.history) + 1,
            "loss": self.loss_sum / self.steps,
            "accuracy": self.correct / self.images,
            "lr": learning_rate,
            "seconds": self.seconds,
        }
        self.history.append(row)
        self.loss_sum, self.correct, self.images, self.steps = 0.0, 0.0, 0, 0
        return row


def train(
    task: Task,
    batches: Batches,
    plan: Plan,
    *,
    observer: Observer = SILENT,
    on_epoch: Callable[[int], None] | None = None,
) -> list[dict[str, Any]]:
    """Run ``task`` to the end of ``plan``, resuming from its checkpoint where there is one.

    ``on_epoch`` is called with the number of complete epochs, before the checkpoint that says so is written.

    Returns:
        One row for each epoch: ``epoch``, ``loss``, ``accuracy`` (on the training batches), ``lr``, ``seconds`` so far.

    Raises:
        TrainingError: when the loss is not finite, naming the step and what it trained.
    """
    progress = _resume(task, plan)
    _tell(task, progress)
    observer.begin(plan.phase, plan.steps, progress.step, "step")
    clock = saved = time.monotonic()
    pending: _Pending | None = None
    for taken, (images, labels) in enumerate(batches.iterate(progress.step, plan.steps), start=1):
        loss, correct = task.step(progress.step, images, labels)
        # On an accelerator the result of a step is read while the next one runs, so that the device never waits.
        if pending is not None:
            _account(task, progress, pending)
        pending = _Pending(progress.step, loss, correct, len(labels))
        progress.step += 1
        if taken == _SETTLED:
            keep_freed_memory()
        ends_epoch = progress.step % batches.steps_per_epoch == 0 or progress.step == plan.steps
        due = time.monotonic() - saved > plan.save_every
        if ends_epoch or due or loss.device.type == "cpu":
            _account(task, progress, pending)
            pending = None
        observer.advance(plan.phase, progress.step)
        if ends_epoch:
            progress.seconds, clock = progress.seconds + time.monotonic() - clock, time.monotonic()
            row = progress.close_epoch(task.learning_rate)
            _tell(task, progress)
            observer.record(plan.phase, progress.step, row)
            if on_epoch is not None:
                on_epoch(len(progress.history))
        if plan.checkpoint is not None and (due or progress.step == plan.steps):
            progress.seconds, clock = progress.seconds + time.monotonic() - clock, time.monotonic()
            _save(task, plan, progress)
            saved = time.monotonic()
    _write_log(plan, progress.history)
    observer.end(plan.phase)
    return progress.history


@runtime_checkable
class _Scheduled(Protocol):
    """A task with a learning rate schedule."""

    schedule: object


def _tell(task: Task, progress: _Progress) -> None:
    """Let a schedule that goes by the loss know of the epochs so far."""
    if isinstance(task, _Scheduled) and isinstance(task.schedule, WatchesLoss):
        task.schedule.watch([row["loss"] for row in progress.history])


class _Pending(NamedTuple):
    """A step whose result was not read yet."""

    step: int
    loss: Tensor
    correct: Tensor
    images: int


def _account(task: Task, progress: _Progress, pending: _Pending) -> None:
    loss = float(pending.loss)
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss} at step {pending.step} ({task.describe(pending.step)}): lower the learning rate or"
            " set a gradient clip; the checkpoint before it is intact"
        )
    progress.add(loss, float(pending.correct), pending.images)


def _resume(task: Task, plan: Plan) -> _Progress:
    if plan.checkpoint is None or not plan.checkpoint.exists():
        return _Progress()
    content = load_checkpoint(plan.checkpoint)
    if content.get("identity") != plan.identity:
        raise CheckpointError(
            f"{plan.checkpoint} belongs to another configuration: remove it, or repeat the command that made it"
        )
    task.load_state_dict(content["task"])
    return _Progress(**content["progress"])


def _save(task: Task, plan: Plan, progress: _Progress) -> None:
    assert plan.checkpoint is not None
    content = {"identity": plan.identity, "task": task.state_dict(), "progress": dict(vars(progress))}
    save_checkpoint(plan.checkpoint, content)
    _write_log(plan, progress.history)


def _write_log(plan: Plan, history: list[dict[str, Any]]) -> None:
    if plan.log is not None:
        write_text(plan.log, "".join(json.dumps(row) + "\n" for row in history))


@torch.no_grad()
def count_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the number of images whose largest logit is the right class; ``labels`` may be class probabilities."""
    targets = labels if labels.ndim == 1 else labels.argmax(dim=1)
    return (logits.argmax(dim=1) == targets).sum()
