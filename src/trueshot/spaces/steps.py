"""What a skeleton computes, as data: a list of steps that apply a module, add, or concatenate.

Running a network and sharing the work of many networks (:mod:`trueshot.evaluation.sweep`) read the same list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn


class Step(NamedTuple):
    """Apply ``module`` to the value of node ``source`` and add the result to that of node ``target``.

    A node that nothing was added to yet takes the result itself; a module that returns ``None`` adds nothing.
    ``placed`` modules are handed the context.
    """

    module: nn.Module
    source: int
    target: int
    placed: bool = False


class Concatenate(NamedTuple):
    """Join the channels of the values of the nodes ``sources``, in this order, and add the result to node ``target``.

    The sources have one resolution, and each has a value. A node that nothing was added to yet takes the result itself.
    """

    sources: tuple[int, ...]
    target: int


AnyStep = Step | Concatenate
"""What a skeleton's computation is made of."""


@runtime_checkable
class Stepwise(Protocol):
    """A skeleton whose computation is a list of steps."""

    def steps(self, *context: Any) -> Sequence[AnyStep]:
        """Return the steps of a call with ``context``, sources first; node 0 holds the images, the last target logits.

        Whether a step is there may depend on the context; what it computes depends on its module, on what a placed
        module makes of the context, and on the value of its source.
        """


def node_values(steps: Iterable[AnyStep], x: Tensor, context: tuple[Any, ...]) -> dict[int, Tensor]:
    """Run the steps on images ``(n, c, h, w)`` and return the value of every node that has one."""
    values = {0: x}
    for step in steps:
        if isinstance(step, Concatenate):
            message = torch.cat([values[source] for source in step.sources], dim=1)
        else:
            module, source, _, placed = step
            message = module(values[source], *context) if placed else module(values[source])
        if message is not None:
            target = step.target
            values[target] = values[target] + message if target in values else message
    return values


def run(steps: Sequence[AnyStep], x: Tensor, context: tuple[Any, ...]) -> Tensor:
    """Run the steps on images ``(n, c, h, w)`` and return the value of the last target."""
    return node_values(steps, x, context)[steps[-1].target]
