"""Runs a network level by level: each block on the output of the one before, with a gradient of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from trueshot.spaces.skeletons import Skeleton
from trueshot.spaces.steps import Concatenate


class Block(NamedTuple):
    """The output of a level, and that of the level before it.

    Attributes:
        before: a leaf of the graph that ``after`` was computed by; ``None`` for the first level, the stem.
        after: feature map ``(b, c, h, w)``; without a graph where it does not depend on ``before``.
    """

    before: Tensor | None
    after: Tensor


def blocks(network: Skeleton, images: Tensor, *, differentiable: bool = False) -> Iterator[Block]:
    """Run the backbone and yield its levels in order, each cut off from the graph of those before it.

    A level may read several of those before it; all are cut off, so that a gradient by the last is that of the block
    alone. The head is not run.

    Args:
        network: whose levels are the blocks.
        images: ``(b, c, h, w)``.
        differentiable: whether gradients by the level before are wanted.
    """
    steps, levels = network.steps()[:-1], network.node_names()
    last = {step.target: number for number, step in enumerate(steps)}
    values, before = {0: images}, None
    for number, step in enumerate(steps):
        target = step.target
        with torch.set_grad_enabled(differentiable and before is not None):
            if isinstance(step, Concatenate):
                message = torch.cat([values[source] for source in step.sources], dim=1)
            else:
                message = step.module(values[step.source])
            if message is not None:
                values[target] = values[target] + message if target in values else message
        if last[target] == number and target in levels:
            after = values[target]
            yield Block(before, after)
            before = after.detach().requires_grad_(differentiable)
            with torch.set_grad_enabled(differentiable):
                # A leaf may not be written into, and the first module of a block may do so.
                values[target] = before.clone() if differentiable else before
