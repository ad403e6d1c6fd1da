"""Evaluation at given weights: snapshots of one supernet, in memory or in files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from trueshot.core.errors import CheckpointError
from trueshot.evaluation.protocol import Evaluator
from trueshot.sharing import Supernet
from trueshot.sharing.splitting import recall, split_state
from trueshot.training.snapshots import load_snapshot

Weights = Mapping[str, Tensor] | Path
"""The state of a supernet, or the file of a snapshot; a file is read whenever it is needed and never kept."""


def read_weights(weights: Weights) -> Mapping[str, Tensor]:
    """Return the state, from its file if need be.

    Raises:
        CheckpointError: when the file is absent, corrupt or holds no state of a supernet.
    """
    return load_snapshot(weights) if isinstance(weights, Path) else weights


@contextmanager
@torch.no_grad()
def installed(supernet: Supernet, weights: Weights) -> Iterator[None]:
    """Give the supernet other weights and running statistics inside the block, its own again after it.

    Weights from before a split fit the split supernet too: every set is then the one that there was.

    Raises:
        CheckpointError: when they are not those of such a supernet.
    """
    state, own = read_weights(weights), supernet.state_dict()
    if own.keys() != state.keys():
        state = split_state(supernet, state)
    wrong = [name for name in own.keys() | state.keys() if name not in own or name not in state]
    wrong = wrong or [name for name, value in own.items() if state[name].shape != value.shape]
    if wrong:
        source = weights if isinstance(weights, Path) else "the state"
        raise CheckpointError(f"{source} is of another supernet ({min(wrong)} differs): give a snapshot of this one")
    targets = list(own.values())
    kept = [value.clone() for value in targets]
    try:
        torch._foreach_copy_(targets, [state[name] for name in own])
        recall(supernet)
        yield
    finally:
        torch._foreach_copy_(targets, kept)
        recall(supernet)


@final
class WithWeights:
    """An evaluator of a supernet, at given weights instead of those that the supernet has.

    Its digest is that of the evaluator when the supernet has these weights. Files are taken not to change.
    """

    def __init__(self, evaluator: Evaluator, supernet: Supernet, weights: Weights) -> None:
        self.evaluator, self.supernet, self.weights = evaluator, supernet, weights

    @cached_property
    def digest(self) -> str:
        """Fingerprint of these weights and of all else that the scores depend on."""
        with installed(self.supernet, self.weights):
            return self.evaluator.digest

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Score all architectures; the weights are read once."""
        with installed(self.supernet, self.weights):
            return self.evaluator(archs)
