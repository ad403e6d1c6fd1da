"""From a configuration to PyTorch's optimizer, and what a step does with one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from trueshot.core.random import Streams
from trueshot.training.config import Adam, Recipe


@runtime_checkable
class _Exempts(Protocol):
    """A module that keeps some of its own parameters from weight decay."""

    def no_weight_decay(self) -> tuple[str, ...]:
        """Return their names."""


@runtime_checkable
class Stochastic(Protocol):
    """An optimizer that draws random numbers.

    Whoever steps it gives it a fresh generator before each step, so that its draws depend on the step alone and a
    resumed training repeats them.

    Attributes:
        stream: name of the random stream that the generators come from.
        generator: source of the draws, on the device of the parameters.
    """

    stream: str
    generator: torch.Generator


def decay_groups(module: nn.Module, weight_decay: float, *, everything: bool = False) -> list[dict[str, object]]:
    """Split the parameters into those without weight decay (norms, biases) and those with it.

    A module inside may name more of its own parameters that do not decay, by a method ``no_weight_decay``. With
    ``everything`` all others decay, norms and biases too.
    """
    spared = {
        f"{prefix}.{name}" if prefix else name
        for prefix, inner in module.named_modules()
        if isinstance(inner, _Exempts)
        for name in inner.no_weight_decay()
    }
    named = [(name, value) for name, value in module.named_parameters() if value.requires_grad]
    if not everything:
        spared |= {name for name, value in named if value.ndim <= 1 or name.endswith(".bias") or not weight_decay}
    free, kept = ([value for name, value in named if (name in spared) == out] for out in (True, False))
    groups: list[dict[str, object]] = [{"params": free, "weight_decay": 0.0}]
    groups.append({"params": kept, "weight_decay": weight_decay})
    return [group for group in groups if group["params"]]


def make_optimizer(trained: nn.Module | Iterable[Tensor], config: Recipe | Adam) -> torch.optim.Optimizer:
    """Return the optimizer that a configuration asks for.

    Args:
        trained: a module, whose norms and biases do not decay; or parameters, which decay all alike.
        config: a recipe for SGD, or Adam.
    """
    decay = config.weight_decay
    if isinstance(trained, nn.Module):
        groups = decay_groups(trained, decay, everything=isinstance(config, Recipe) and config.decay_all)
    else:
        groups = [{"params": list(trained), "weight_decay": decay}]
    if isinstance(config, Adam):
        return torch.optim.Adam(groups, config.lr, config.betas, foreach=True)
    return torch.optim.SGD(groups, config.lr, config.momentum, nesterov=config.nesterov, foreach=True)


def clip_gradients(parameters: Iterable[Tensor], bound: float | None) -> None:
    """Scale the gradients down, in place, so that their norm is at most ``bound``."""
    if bound is not None:
        torch.nn.utils.clip_grad_norm_(parameters, bound, foreach=True)


def take_step(optimizer: torch.optim.Optimizer, streams: Streams, index: int) -> None:
    """Let the optimizer update the weights in step ``index``; what it draws comes from ``streams``."""
    if isinstance(optimizer, Stochastic):
        optimizer.generator = streams.torch(optimizer.stream, index, device=optimizer.generator.device)
    optimizer.step()
