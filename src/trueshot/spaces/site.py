"""What a space says about one searchable spot of its network."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from trueshot.core.errors import ConfigError

if TYPE_CHECKING:
    import torch

Candidate = Callable[[], "torch.nn.Sequential"]
"""A constructor without arguments: channels and stride are bound already."""

NONE = "none"
"""The name of the option that places nothing."""


@dataclass(frozen=True)
class Chooser:
    """Says which candidate of a site an architecture chooses.

    Attributes:
        genes: positions in the architecture of the decisions that the site follows.
        size: number of candidates.
        choose: maps the architecture to the index of the candidate.
    """

    genes: tuple[int, ...]
    size: int
    choose: Callable[[Sequence[int]], int]

    @classmethod
    def of_gene(cls, gene: int, size: int) -> Chooser:
        """Return the chooser of a site that follows one decision: the option is the candidate."""
        return cls((gene,), size, operator.itemgetter(gene))

    def __call__(self, row: Sequence[int]) -> int:
        """Return the index of the candidate that the architecture ``row`` chooses."""
        return self.choose(row)


@dataclass(frozen=True, kw_only=True)
class Site:
    """One searchable spot.

    A site follows one decision, whose options are its candidates in their order, or several: then ``choose`` says which
    candidate the options of these decisions mean.

    Attributes:
        decision: name of the one decision that this site follows; several sites may follow one decision.
        candidates: in the order of their indices; ``None`` stands for no connection (option ``none``).
        in_channels: width of the input.
        out_channels: width of the output, the same for all candidates.
        stride: how much the resolution falls.
        decisions: names of the decisions that this site follows, in place of ``decision``.
        choose: maps the option of each of ``decisions``, its index, to the index of the candidate.
        key: names the weights that a mixture has here; sites of equal key share them, and then have the same
            candidates. Without it, the name of the decision.

    Raises:
        ConfigError: when the site follows nothing, or does not say how.
    """

    decision: str = ""
    candidates: Mapping[str, Candidate | None]
    in_channels: int
    out_channels: int
    stride: int = 1
    decisions: tuple[str, ...] = ()
    choose: Callable[..., int] | None = None
    key: str = ""

    def __post_init__(self) -> None:
        """Check what the site follows; fill in what follows from it."""
        one = bool(self.decision) and self.choose is None and self.decisions in ((), (self.decision,))
        several = not self.decision and self.choose is not None and bool(self.decisions) and bool(self.key)
        if not one and not several:
            raise ConfigError(
                f"site '{self.key or self.decision}' does not say what it follows: give it 'decision', or else"
                " 'decisions', 'choose' and 'key'"
            )
        if not isinstance(self.candidates, Mapping) or all(built is None for built in self.candidates.values()):
            raise ConfigError(
                f"site '{self.key or self.decision}' has no candidates: give a mapping of names to constructors, one at"
                " least"
            )
        object.__setattr__(self, "decisions", self.decisions or (self.decision,))
        object.__setattr__(self, "key", self.key or self.decision)

    def chooser(self, genes: Mapping[str, int]) -> Chooser:
        """Return which candidate an architecture chooses here, given the position of each decision in it.

        Raises:
            ConfigError: when the site follows a decision that the space does not have.
        """
        unknown = next((name for name in self.decisions if name not in genes), None)
        if unknown is not None:
            raise ConfigError(
                f"site '{self.key}' follows decision '{unknown}', which is none of its space: {', '.join(genes)}"
            )
        positions, size, choose = tuple(genes[name] for name in self.decisions), len(self.candidates), self.choose
        if choose is None:
            return Chooser.of_gene(positions[0], size)

        def chosen(row: Sequence[int]) -> int:
            index = choose(*(row[position] for position in positions))
            if not 0 <= index < size:
                raise ConfigError(f"site '{self.key}' chooses candidate {index}, but has candidates 0 to {size - 1}")
            return index

        return Chooser(positions, size, chosen)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One gene of an architecture: a name and the names of its options, in the order of their indices."""

    name: str
    options: tuple[str, ...]

    @property
    def none(self) -> int | None:
        """Index of the option that places nothing, or ``None`` where something must be placed."""
        return self.options.index(NONE) if NONE in self.options else None


Place = Callable[[Site], "torch.nn.Module | None"]
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


@runtime_checkable
class Blends(Protocol):
    """A placed module that may connect to a degree, as a mixture of candidates of which one is no connection.

    A skeleton whose structure depends on what is connected (loose ends) takes such a connection for there and not
    there: it is computed, and the node before it still counts as one that nobody reads.
    """

    def blends(self, *context: Any) -> bool:
        """Return whether the module connects to a degree only when called with ``context``."""


@runtime_checkable
class Fills(Protocol):
    """A placed module that may make something of a node to which nothing leads, such as a constant vector.

    A skeleton that skips dead parts then runs it on zeros.
    """

    @property
    def fills(self) -> bool:
        """Whether the module is to be run on an empty node."""
