"""What a space says about one searchable spot of its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import nn

Candidate = Callable[[], nn.Sequential]
"""A constructor without arguments: channels and stride are bound already."""

NONE = "none"
"""The name of the option that places nothing."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """One searchable spot.

    Attributes:
        decision: name of the decision that this site follows; several sites may follow one decision.
        candidates: the options in the order of their indices; ``None`` stands for no connection (option ``none``).
        in_channels: width of the input.
        out_channels: width of the output, the same for all candidates.
        stride: how much the resolution falls.
    """

    decision: str
    candidates: Mapping[str, Candidate | None]
    in_channels: int
    out_channels: int
    stride: int = 1


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One gene of an architecture: a name and the names of its options, in the order of their indices."""

    name: str
    options: tuple[str, ...]

    @property
    def none(self) -> int | None:
        """Index of the option that places nothing, or ``None`` where something must be placed."""
        return self.options.index(NONE) if NONE in self.options else None


Place = Callable[[Site], nn.Module | None]
"""Decides what stands at a site: a module called as ``module(x, *context)``, or ``None`` for nothing.

``context`` is whatever the assembled network was called with after the images: nothing for a stand-alone network, the
architecture for a supernet, the weights of the mixture for a differentiable one.
"""


@runtime_checkable
class MayBeAbsent(Protocol):
    """A placed module that stands for no connection under some contexts; without this method it always connects.

    A skeleton that skips dead parts asks before it computes, so that what leads nowhere is not run at all.
    """

    def absent(self, *context: Any) -> bool:
        """Return whether the module contributes nothing when called with ``context``."""
