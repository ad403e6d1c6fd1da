"""Snapshots of shared weights: files, and their mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from trueshot.core.errors import CheckpointError
from trueshot.training.checkpoints import load_checkpoint, save_checkpoint


def mean_parameters(states: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Average states entry by entry (ST-NAS, Eq. 11), summed in float64; one state at a time is held.

    Floating-point buffers, the BatchNorm statistics, are averaged as well; integer buffers come from the last state.

    Raises:
        CheckpointError: when there is no state, or the states differ in names or shapes.
    """
    sums: dict[str, Tensor] = {}
    last: Mapping[str, Tensor] = {}
    count = 0
    for count, state in enumerate(states, start=1):
        if count > 1 and {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in last.items()}:
            raise CheckpointError(f"state {count} has other weights than those before it: average one supernet's only")
        for name, value in state.items():
            if value.is_floating_point():
                total = sums.get(name)
                sums[name] = value.detach().double().clone() if total is None else total.add_(value.detach())
        last = state
    if count == 0:
        raise CheckpointError("there are no states to average: take at least one snapshot of the weights")
    return {
        name: (sums[name] / count).to(value.dtype) if name in sums else value.detach().clone()
        for name, value in last.items()
    }


def save_snapshot(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write the state of a supernet (``supernet.state_dict()``) to ``path`` atomically.

    Raises:
        RunError: when it cannot be written.
    """
    save_checkpoint(path, {"model": dict(state)})


def load_snapshot(path: Path, *, device: str | torch.device = "cpu") -> dict[str, Tensor]:
    """Read the state of a supernet from a snapshot, or from the checkpoint of its training.

    Raises:
        CheckpointError: when the file is absent, foreign or corrupt, or holds no such state.
    """
    content = load_checkpoint(path, device=device)
    task = content.get("task")
    state = task.get("model") if isinstance(task, dict) else content.get("model")
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no weights of a supernet: give a snapshot or checkpoint of its training")
    return state
