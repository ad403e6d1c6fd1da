"""Classes of twins in spaces small enough to be listed whole."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped, UInt8

from trueshot.core.errors import ConfigError
from trueshot.spaces.checks import checked_valid
from trueshot.spaces.listing import LARGEST, combinations
from trueshot.spaces.space import Space


def every(space: Space) -> UInt8[np.ndarray, "n decisions"]:
    """Return all architectures of a space in lexicographic order.

    Raises:
        ConfigError: when there are more than four million combinations of options.
    """
    combined = math.prod(map(int, space.options))
    if combined > LARGEST:
        raise ConfigError(
            f"space {space.name} has {combined:.3g} combinations of options, too many to list: sample it instead"
        )
    rows = combinations(space.options)
    return rows if space.is_product else rows[checked_valid(space, rows)]


def lists_twins(space: Space) -> bool:
    """Return whether a space has twins and is small enough for them to be listed."""
    return space.rules[0] != "literal" and (space.architectures or LARGEST + 1) <= LARGEST


def positions(space: Space, archs: UInt8[np.ndarray, "n decisions"]) -> Int64[np.ndarray, " n"]:
    """Return where rows stand among :func:`every`."""
    strides = np.append(np.cumprod(space.options[:0:-1], dtype=np.int64)[::-1], 1)
    numbers: Int64[np.ndarray, " n"] = archs.astype(np.int64) @ strides
    if space.is_product:
        return numbers
    return np.searchsorted(every(space).astype(np.int64) @ strides, numbers).astype(np.int64)


@dataclass(frozen=True)
class ByCode:
    """The rule by which architectures with equal codes are twins, in a space small enough to be listed whole.

    Attributes:
        code: maps ``(space, archs)`` to one integer for each row.
    """

    code: Callable[[Any, UInt8[np.ndarray, "n decisions"]], Shaped[np.ndarray, " n"]]

    def __call__(self, space: Space, archs: UInt8[np.ndarray, "n decisions"]) -> UInt8[np.ndarray, "n decisions"]:
        """Return for each row the lexicographically least row of its class."""
        rows, least = _least(self, space)
        canonical: UInt8[np.ndarray, "n decisions"] = rows[least[positions(space, archs)]]
        return canonical


@functools.lru_cache(maxsize=32)
def _least(rule: ByCode, space: Space) -> tuple[UInt8[np.ndarray, "n decisions"], Int64[np.ndarray, " n"]]:
    """Return all rows, and for each the position of the least row of its class; computed once in a process."""
    rows = every(space)
    _, first, inverse = np.unique(rule.code(space, rows), return_index=True, return_inverse=True)
    least = first[inverse].astype(np.int64)
    rows.setflags(write=False)
    return rows, least


def unique(space: Space, rule: str | None = None) -> int:
    """Count the classes of a space under a rule (the space's default without one).

    Raises:
        ConfigError: when the space is too large to be listed, or has no such rule.
    """
    if (rule or space.rules[0]) == "literal" and space.architectures is not None:
        return space.architectures
    return len(np.unique(space.canonical(every(space), rule), axis=0))
