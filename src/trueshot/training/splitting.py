"""Splitting shared weights in the middle of their training: when, and what becomes of the optimizer."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from trueshot.core.errors import ConfigError
from trueshot.sharing import Clone


def split_step(epoch: int, epochs: int, steps_per_epoch: int) -> int:
    """Return the optimizer step before which weights are split: the first after ``epoch`` complete epochs.

    Raises:
        ConfigError: when the training ends before it.
    """
    if not 0 <= epoch < epochs:
        raise ConfigError(
            f"weights cannot be split at epoch {epoch} of a training of {epochs}: choose 0 to {epochs - 1}"
        )
    return epoch * steps_per_epoch


def adopt(optimizer: torch.optim.Optimizer, cloned: Sequence[Clone]) -> None:
    """Give ``optimizer`` the parameters that it does not know yet, each in the group of its source.

    A clone starts with a copy of its source's state (its momentum), or shares the state itself where it says so. Also
    restores that sharing after the state was loaded from a checkpoint.
    """
    group_of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    for source, parameter, shares in cloned:
        if id(parameter) not in group_of:
            group_of[id(parameter)] = group_of[id(source)]
            group_of[id(source)]["params"].append(parameter)
            optimizer.state[parameter] = _copied(optimizer.state[source])
        if shares:
            optimizer.state[parameter] = optimizer.state[source]


def _copied(state: dict[str, object]) -> dict[str, object]:
    return {key: value.clone() if isinstance(value, Tensor) else copy.deepcopy(value) for key, value in state.items()}
