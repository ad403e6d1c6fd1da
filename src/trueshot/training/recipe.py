"""What supernet and stand-alone training share: the configuration of an optimizer and its schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from timm.optim import param_groups_weight_decay
from timm.scheduler import CosineLRScheduler
from torch import Tensor, nn

from trueshot.core.errors import ConfigError

_GAIN = 1e-4
"""Relative gain below which a loss counts as no better."""


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """A learning rate that falls whenever the training loss no longer does (PyTorch's ReduceLROnPlateau).

    Attributes:
        factor: the learning rate is multiplied by, above 0 and below 1.
        patience: complete epochs without a new least mean training loss that are borne; after one more the rate falls.
    """

    factor: float = 0.5
    patience: int = 30

    def __post_init__(self) -> None:
        """Check the values."""
        for name, right in {"factor": 0 < self.factor < 1, "patience": self.patience >= 0}.items():
            if not right:
                raise ConfigError(f"training option plateau.{name} = {getattr(self, name)} is out of range")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Stochastic gradient descent with a falling learning rate, and what regularises it.

    Attributes:
        epochs: passes over the training images.
        batch_size: images in a step.
        lr: learning rate at the start; ``final_lr`` at the end; ``warmup_epochs`` of linear rise before.
        plateau: the rate falls in steps, by the training loss, down to ``final_lr`` at the least and without a warm-up;
            ``None`` for a cosine.
        momentum: of SGD; ``nesterov`` as in PyTorch.
        weight_decay: on convolution and linear weights, not on norms and biases.
        label_smoothing: probability mass spread over the other classes.
        clip: bound on the gradient norm, ``None`` for none.
        ema_decay: decay of the averaged weights that are used at the end, ``None`` for the last weights. It is warmed
            up as ``min(ema_decay, (1 + step) / (10 + step))``.
        dropout: probability of each feature in front of the classifier to be dropped in training, in supernets and
            networks alike.
    """

    epochs: int
    batch_size: int = 128
    lr: float = 0.1
    final_lr: float = 0.0
    warmup_epochs: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    clip: float | None = None
    ema_decay: float | None = None
    plateau: Plateau | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        checks = {
            "epochs": (self.epochs >= 1, "at least 1"),
            "batch_size": (self.batch_size >= 2, "at least 2"),
            "lr": (self.lr > 0, "above 0"),
            "final_lr": (0 <= self.final_lr <= self.lr, f"from 0 to lr ({self.lr})"),
            "warmup_epochs": (0 <= self.warmup_epochs < self.epochs, f"from 0 to less than epochs ({self.epochs})"),
            "momentum": (0 <= self.momentum < 1, "from 0 to less than 1"),
            "weight_decay": (self.weight_decay >= 0, "at least 0"),
            "label_smoothing": (0 <= self.label_smoothing < 1, "from 0 to less than 1"),
            "clip": (self.clip is None or self.clip > 0, "above 0 or none"),
            "ema_decay": (self.ema_decay is None or 0 < self.ema_decay < 1, "between 0 and 1, or none"),
            "dropout": (0 <= self.dropout < 1, "from 0 to less than 1"),
        }
        for name, (right, allowed) in checks.items():
            if not right:
                raise ConfigError(f"training option {name} = {getattr(self, name)} is out of range: choose {allowed}")
        if self.nesterov and self.momentum == 0:
            raise ConfigError("training option nesterov needs a momentum above 0")
        if self.plateau is not None and self.warmup_epochs > 0:
            raise ConfigError(
                "training option warmup_epochs goes with a cosine, not with plateau: set one of them only"
            )


@runtime_checkable
class _Exempts(Protocol):
    """A module that keeps some of its own parameters from weight decay."""

    def no_weight_decay(self) -> tuple[str, ...]:
        """Return their names."""


def decay_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Split the parameters into those without weight decay (norms, biases) and those with it, by timm's rule.

    A module inside may name more of its own parameters that do not decay, by a method ``no_weight_decay``.
    """
    exempt = [
        f"{prefix}.{name}" if prefix else name
        for prefix, inner in module.named_modules()
        if isinstance(inner, _Exempts)
        for name in inner.no_weight_decay()
    ]
    groups: list[dict[str, object]] = param_groups_weight_decay(module, weight_decay, no_weight_decay_list=exempt)
    return groups


def make_sgd(module: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """Return PyTorch's SGD for ``recipe``, weight decay not on norms and biases."""
    groups = decay_groups(module, recipe.weight_decay)
    return torch.optim.SGD(groups, recipe.lr, recipe.momentum, nesterov=recipe.nesterov, foreach=True)


@runtime_checkable
class Schedule(Protocol):
    """Sets the learning rate of an optimizer."""

    def step_update(self, num_updates: int) -> object:
        """Set the learning rate of step ``num_updates``, counted from 0."""


@runtime_checkable
class WatchesLoss(Protocol):
    """A schedule that goes by the training loss; the loop tells it after each epoch, and after a resume."""

    def watch(self, losses: Sequence[float]) -> None:
        """Take the mean losses of all complete epochs so far, oldest first."""


def make_schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, steps_per_epoch: int) -> Schedule:
    """Return the schedule that the recipe asks for."""
    if recipe.plateau is not None:
        return PlateauSchedule(optimizer, recipe.plateau, lr=recipe.lr, least=recipe.final_lr)
    return cosine(optimizer, recipe, steps_per_epoch)


def cosine(optimizer: torch.optim.Optimizer, recipe: Recipe, steps_per_epoch: int) -> CosineLRScheduler:
    """Return timm's cosine schedule in steps: a pure function of the step, so that nothing of it need be saved."""
    return CosineLRScheduler(
        optimizer,
        t_initial=recipe.epochs * steps_per_epoch,
        lr_min=recipe.final_lr,
        warmup_t=round(recipe.warmup_epochs * steps_per_epoch),
        warmup_prefix=False,
        t_in_epochs=False,
    )


class PlateauSchedule:
    """The learning rate of :class:`Plateau`: a pure function of the losses so far, so that nothing of it is saved.

    Args:
        optimizer: whose rate is set.
        plateau: when it falls, and how far.
        lr: at the start.
        least: it falls no further.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, plateau: Plateau, *, lr: float, least: float = 0.0) -> None:
        self.optimizer, self.plateau, self.lr, self.least = optimizer, plateau, lr, least
        self.rate = lr

    def watch(self, losses: Sequence[float]) -> None:
        """Find the rate after epochs of these mean losses."""
        rate, best, waited = self.lr, math.inf, 0
        for loss in losses:
            # A gain below a ten-thousandth is none, as PyTorch has it.
            better = loss < best * (1 - _GAIN)
            best, waited = (loss, 0) if better else (best, waited + 1)
            if waited > self.plateau.patience:
                rate, waited = max(rate * self.plateau.factor, self.least), 0
        self.rate = rate

    def step_update(self, num_updates: int) -> None:
        """Set the rate, whichever step it is."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate


def clip_gradients(parameters: Iterable[Tensor], bound: float | None) -> None:
    """Scale the gradients down, in place, so that their norm is at most ``bound``."""
    if bound is not None:
        torch.nn.utils.clip_grad_norm_(parameters, bound, foreach=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, scheduler: Schedule | None, step: int) -> float:
    """Set the learning rate of ``step`` and return it."""
    if scheduler is not None:
        scheduler.step_update(step)
    return float(optimizer.param_groups[0]["lr"])
