"""How long-running work tells of its progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Observer(Protocol):
    """Told of the progress of each phase of a run; it never influences the run."""

    def begin(self, phase: str, total: int, done: int, unit: str) -> None:
        """A phase of ``total`` units starts; ``done`` of them were done before the run was resumed.

        A phase that begins again before its end has ``total`` units from now on.
        """

    def advance(self, phase: str, done: int) -> None:
        """``done`` units of the phase are done now."""

    def record(self, phase: str, step: int, row: dict[str, Any]) -> None:
        """A row of figures and texts at ``step``, for example one epoch's loss and accuracy; any names may come."""

    def end(self, phase: str) -> None:
        """The phase is complete."""

    def say(self, message: str) -> None:
        """A line for the user."""


@dataclass(frozen=True)
class Observers:
    """Tells several observers, in order; none makes a silent run."""

    members: Sequence[Observer] = ()

    def begin(self, phase: str, total: int, done: int, unit: str) -> None:
        """Pass on."""
        for member in self.members:
            member.begin(phase, total, done, unit)

    def advance(self, phase: str, done: int) -> None:
        """Pass on."""
        for member in self.members:
            member.advance(phase, done)

    def record(self, phase: str, step: int, row: dict[str, Any]) -> None:
        """Pass on."""
        for member in self.members:
            member.record(phase, step, row)

    def end(self, phase: str) -> None:
        """Pass on."""
        for member in self.members:
            member.end(phase)

    def say(self, message: str) -> None:
        """Pass on."""
        for member in self.members:
            member.say(message)


SILENT = Observers()
"""Tells nobody."""
