"""Learning rates: functions of the step, of the length of the plan and of the epochs so far, so that none is saved."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch

from trueshot.training.config import Plateau, Recipe
from trueshot.training.plan import Plan

Schedule = Callable[[int], float]
"""Gives the learning rate of a step, counted from 0."""

_GAIN = 1e-4
"""Relative gain below which a loss counts as no better."""


@runtime_checkable
class WatchesEpochs(Protocol):
    """A schedule, or a task with one, that goes by the figures of the epochs.

    The loop tells a task after each epoch and after a resume; the task passes it on.
    """

    def watch(self, epochs: Sequence[Mapping[str, Any]]) -> None:
        """Take the rows of all complete epochs so far, oldest first."""


def make_schedule(recipe: Recipe, plan: Plan, steps_per_epoch: int) -> Schedule:
    """Return the schedule that the recipe asks for, over the length of the plan."""
    if recipe.plateau is not None:
        return PlateauSchedule(recipe.plateau, lr=recipe.lr, least=recipe.final_lr)
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    return Cosine(plan, lr=recipe.lr, least=recipe.final_lr, warmup=warmup)


class Cosine:
    """Half a cosine from ``lr`` down to ``least`` at the end of the plan; in the first steps it rises linearly from 0.

    Equal to timm's ``CosineLRScheduler`` to the last bit: the cosine starts at step 0, the warm-up covers its first
    part, and beyond the end the rate is ``least``. Where the plan changes its length, the rate goes on as if that had
    been the length from the start.

    Args:
        plan: whose present number of steps is the length.
        lr: learning rate at the start.
        least: at the end.
        warmup: steps of linear rise.
    """

    def __init__(self, plan: Plan, *, lr: float, least: float = 0.0, warmup: int = 0) -> None:
        self.plan, self.lr, self.least, self.warmup = plan, lr, least, warmup

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step < self.warmup:
            return step * (self.lr / self.warmup)
        if step >= self.plan.steps:
            return self.least
        return self.least + 0.5 * (self.lr - self.least) * (1 + math.cos(math.pi * step / self.plan.steps))


class PlateauSchedule:
    """The learning rate of :class:`~trueshot.training.config.Plateau`, by the losses of the epochs so far.

    Args:
        plateau: when the rate falls, and how far.
        lr: at the start.
        least: it falls no further.
    """

    def __init__(self, plateau: Plateau, *, lr: float, least: float = 0.0) -> None:
        self.plateau, self.lr, self.least = plateau, lr, least
        self.rate = lr

    def watch(self, epochs: Sequence[Mapping[str, Any]]) -> None:
        """Find the rate after epochs of these mean losses (``loss``)."""
        rate, best, waited = self.lr, math.inf, 0
        for row in epochs:
            # A gain below a ten-thousandth is none, as PyTorch has it.
            better = row["loss"] < best * (1 - _GAIN)
            best, waited = (row["loss"], 0) if better else (best, waited + 1)
            if waited > self.plateau.patience:
                rate, waited = max(rate * self.plateau.factor, self.least), 0
        self.rate = rate

    def __call__(self, step: int) -> float:
        """Return the present rate, whichever step it is."""
        return self.rate


def set_learning_rate(optimizer: torch.optim.Optimizer, schedule: Schedule | None, step: int) -> float:
    """Set the learning rate of ``step`` for all parameters and return it; without a schedule it stays as it is."""
    if schedule is not None:
        rate = schedule(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
    return float(optimizer.param_groups[0]["lr"])
