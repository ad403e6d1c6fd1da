"""How far a training is: what the loop itself carries over a resume."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping

from torch import Tensor

from trueshot.core.errors import CheckpointError, TrainingError
from trueshot.core.files import write_text
from trueshot.training.checkpoints import load_checkpoint, save_checkpoint
from trueshot.training.plan import Change, Pace, Plan
from trueshot.training.task import Metric, Row, Task


class Progress:
    """Complete steps, the rows of complete epochs, and what has been summed up of the present one.

    Attributes:
        step: complete steps.
        history: a row for each complete epoch.
    """

    def __init__(self) -> None:
        self.step = 0
        self.history: list[Row] = []
        self._sums: dict[str, tuple[float, int]] = {}
        self._seconds, self._clock = 0.0, time.monotonic()
        self._unread: tuple[int, Mapping[str, Metric]] | None = None

    @classmethod
    def of(cls, task: Task, plan: Plan) -> Progress:
        """Restore task and plan from the plan's checkpoint, where there is one.

        Raises:
            CheckpointError: when it is of another configuration or version.
        """
        progress, changes = cls(), []
        if plan.checkpoint is not None and plan.checkpoint.exists():
            content = load_checkpoint(plan.checkpoint)
            if content.get("identity") != plan.identity:
                raise CheckpointError(
                    f"{plan.checkpoint} belongs to another configuration: remove it, or repeat the command that made it"
                )
            kept = content["progress"]
            if "sums" not in kept:
                raise CheckpointError(f"{plan.checkpoint} was written by an earlier version of trueshot: remove it")
            task.load_state_dict(content["task"])
            progress.step, progress.history, progress._seconds = kept["step"], kept["history"], kept["seconds"]
            progress._sums = {name: (total, weight) for name, (total, weight) in kept["sums"].items()}
            changes = [Change(*change) for change in kept["changes"]]
        plan.resume(progress.step, changes)
        progress._clock = time.monotonic()
        return progress

    def save(self, task: Task, plan: Plan) -> None:
        """Write the checkpoint and the log of the plan, as far as it has them."""
        if plan.checkpoint is not None:
            kept = {
                "step": self.step,
                "history": self.history,
                "seconds": self.pace(plan).seconds,
                "sums": {name: list(pair) for name, pair in self._sums.items()},
                "changes": [list(change) for change in plan.changes],
            }
            save_checkpoint(plan.checkpoint, {"identity": plan.identity, "task": task.state_dict(), "progress": kept})
        self.write_log(plan)

    def write_log(self, plan: Plan) -> None:
        """Write the rows of all complete epochs."""
        if plan.log is not None:
            write_text(plan.log, "".join(json.dumps(row) + "\n" for row in self.history))

    def pace(self, plan: Plan) -> Pace:
        """Return how far the training is, and the seconds that it has taken."""
        now = time.monotonic()
        self._seconds, self._clock = self._seconds + now - self._clock, now
        return Pace(self.step, plan.steps, self._seconds)

    def take(self, task: Task, metrics: Mapping[str, Metric]) -> None:
        """Count a step, whose figures are read later, for on an accelerator that waits for the device.

        What the step before has left unread is read now.
        """
        self.read(task)
        self._unread = self.step, metrics
        self.step += 1

    def read(self, task: Task) -> None:
        """Add the figures of the last step to the epoch, if that was not done before.

        Raises:
            TrainingError: when one is not finite, naming the step and what it trained.
        """
        if self._unread is None:
            return
        step, metrics = self._unread
        self._unread = None
        for name, metric in metrics.items():
            value = float(metric.value)
            if not math.isfinite(value):
                raise TrainingError(
                    f"the {name} is {value} at step {step} ({task.describe(step)}): lower the learning rate or set a"
                    " gradient clip; the checkpoint before it is intact"
                )
            total, weight = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, weight + metric.weight

    def close_epoch(self, task: Task, plan: Plan) -> Row:
        """Add the row of the epoch that has just ended to the history, and return it."""
        epoch = len(self.history) + 1
        means = {name: total / weight for name, (total, weight) in self._sums.items()}
        row = {"epoch": epoch, **means, **(task.end_epoch(epoch) or {}), "seconds": self.pace(plan).seconds}
        self.history.append(row)
        self._sums = {}
        return row


def on_accelerator(metrics: Mapping[str, Metric]) -> bool:
    """Whether reading the figures would wait for a device."""
    return any(isinstance(m.value, Tensor) and m.value.device.type != "cpu" for m in metrics.values())
