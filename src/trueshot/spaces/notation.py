"""How an architecture is written: the names of its options, joined to a string and split again."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from trueshot.core.errors import ArchitectureError

if TYPE_CHECKING:
    from trueshot.spaces.space import Space


@runtime_checkable
class Notation(Protocol):
    """Joins option names, one a decision, to the string of an architecture and splits it again.

    Attributes:
        parts: what the parts of a string are called in messages.
    """

    @property
    def parts(self) -> str:
        """What the parts of a string are called in messages."""

    def join(self, names: Sequence[str]) -> str:
        """Write the names, in the order of the decisions."""

    def split(self, text: str) -> list[str]:
        """Read the names; their number and spelling are for the space to check.

        Raises:
            ArchitectureError: when the string does not have the form of this notation.
        """


@dataclass(frozen=True)
class Dashed:
    """Names joined by ``-``: ``E3K3-E6K5``."""

    parts: str = "parts between '-'"

    def join(self, names: Sequence[str]) -> str:
        """Write the names."""
        return "-".join(names)

    def split(self, text: str) -> list[str]:
        """Read the names; an empty string holds none."""
        return [word.strip() for word in text.strip().split("-")] if text.strip() else []


@dataclass(frozen=True)
class CellString:
    """The string of NAS-Bench-201: ``|op~0|+|op~0|op~1|+...``, for each node the operations on its incoming edges.

    Nodes are joined by ``+``; ``op~j`` is the operation on the edge from node j, in ascending order of j.
    """

    parts: str = "operations"

    def join(self, names: Sequence[str]) -> str:
        """Write the names."""
        queue = iter(names)
        nodes: list[str] = []
        left = len(names)
        while left > 0:
            incoming = len(nodes) + 1
            nodes.append("|" + "".join(f"{next(queue)}~{source}|" for source in range(incoming)))
            left -= incoming
        return "+".join(nodes)

    def split(self, text: str) -> list[str]:
        """Read the names."""
        names: list[str] = []
        for incoming, node in enumerate(text.strip().split("+"), start=1):
            part = node.strip()
            edges = part[1:-1].split("|")
            if len(part) < 2 or part[0] != "|" or part[-1] != "|" or len(edges) != incoming:
                raise ArchitectureError(
                    f"node {incoming} of '{text}' reads '{part}': write its {incoming} incoming edge(s) as"
                    f" {'|' + ''.join(f'op~{source}|' for source in range(incoming))}"
                )
            for source, edge in enumerate(edges):
                name, _, number = edge.partition("~")
                if number.strip() != str(source):
                    raise ArchitectureError(
                        f"position {len(names) + 1} of '{text}': '{edge}' should end in ~{source}, the node it comes"
                        " from"
                    )
                names.append(name.strip())
        return names


def written(space: Space, row: UInt8[np.ndarray, " decisions"]) -> str:
    """Write an architecture of a space, checked before."""
    return space.notation.join([d.options[int(choice)] for d, choice in zip(space.decisions, row, strict=True)])


def parsed(space: Space, text: str) -> UInt8[np.ndarray, " decisions"]:
    """Read an architecture of a space.

    Raises:
        ArchitectureError: naming the position that is wrong and what may stand there, or the architecture where every
            option is right but not their combination.
    """
    checked: UInt8[np.ndarray, " decisions"] = parsed_all(space, [text])[0]
    return checked


def parsed_all(space: Space, texts: Sequence[str]) -> UInt8[np.ndarray, "n decisions"]:
    """Read architectures of a space; all that is checked of rows is checked once for all of them.

    Raises:
        ArchitectureError: as :func:`parsed`, for the first that is wrong.
    """
    known = _positions(space)
    rows = np.empty((len(texts), len(known)), dtype=np.uint8)
    for place, text in enumerate(texts):
        words = space.notation.split(text)
        if len(words) != len(known):
            raise _misread(space, words)
        try:
            rows[place] = [options[word.strip().lower()] for options, word in zip(known, words, strict=True)]
        except KeyError:
            raise _misread(space, words) from None
    return space.check(rows)


@functools.lru_cache(maxsize=64)
def _positions(space: Space) -> tuple[dict[str, int], ...]:
    """Return for each decision the place of each of its options, by its name in small letters."""
    # Of names that differ in capitals only the first is meant.
    return tuple(
        {option.lower(): place for place, option in reversed(list(enumerate(decision.options)))}
        for decision in space.decisions
    )


def _misread(space: Space, words: Sequence[str]) -> ArchitectureError:
    """Return the error that names the first word which is no option."""
    genes = len(space.decisions)
    # A missing part counts as an empty one, so that the first position that is wrong is always named.
    padded = [*words, *[""] * (genes - len(words))]
    for gene, (word, decision, options) in enumerate(zip(padded, space.decisions, _positions(space), strict=False)):
        word = word.strip()
        if word.lower() not in options:
            found = f"'{word}' is" if gene < len(words) else "the architecture ends before it, it is"
            return ArchitectureError(
                f"{space.name} architecture, position {gene + 1} of {genes} (decision {decision.name}): {found}"
                f" not one of {', '.join(decision.options)}"
            )
    return ArchitectureError(
        f"{space.name} architecture, position {genes + 1}: '{words[genes]}' is one too many;"
        f" an architecture has {genes} {space.notation.parts}"
    )
