"""What the training loop trains: a task, its named streams of batches, and the figures that a step gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from torch import Tensor

TRAIN = "train"
"""Name of the one stream of a plain task."""

Row = dict[str, Any]
"""Figures and words of an epoch: plain numbers and text, as JSON has them."""


class Metric(NamedTuple):
    """A figure of one step, which the loop averages over an epoch.

    Attributes:
        value: a detached scalar; of a metric per item the sum over the items of the step.
        per: whether the epoch's figure is the mean over its steps or over all of its items.
        items: number of items that the value sums over; of no account for a metric per step.
    """

    value: Tensor | float
    per: Literal["item", "step"] = "step"
    items: int = 1

    @property
    def weight(self) -> int:
        """By how much the value counts."""
        return self.items if self.per == "item" else 1


@runtime_checkable
class Stream(Protocol):
    """Batches of any kind that depend on the number of the step alone, so that a resumed run needs no saved state."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the stream's data."""

    def iterate(self, start_step: int, stop_step: int) -> Iterator[Any]:
        """Yield the batches of steps ``start_step`` up to but not including ``stop_step``.

        Step ``t`` is batch ``t % steps_per_epoch`` of the stream's own pass ``t // steps_per_epoch``.
        """


@runtime_checkable
class Task(Protocol):
    """What is trained: one step, and the state to go on from."""

    def step(self, index: int, batches: Mapping[str, Any]) -> Mapping[str, Metric]:
        """Update the weights on one batch of each stream; return figures by name, which must be finite."""

    def end_epoch(self, epoch: int) -> Row | None:
        """Return further columns for the row of an epoch, counted from 1; they may be text."""

    def describe(self, index: int) -> str:
        """Say what step ``index`` trained, for an error message."""

    def state_dict(self) -> dict[str, Any]:
        """Return everything that later steps depend on: tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""


class KeepsParts:
    """What a task has that is no more than its parts, such as weights and optimizers: its state is theirs, in order.

    Attributes:
        parts: whatever has a ``state_dict``.
    """

    parts: tuple[Any, ...] = ()

    def describe(self, index: int) -> str:
        """Name the kind of task."""
        return type(self).__name__

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each part."""
        return {str(number): part.state_dict() for number, part in enumerate(self.parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of each part."""
        for number, part in enumerate(self.parts):
            part.load_state_dict(state[str(number)])
