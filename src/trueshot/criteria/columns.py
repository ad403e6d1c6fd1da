"""What every criterion does first: check its columns of numbers and rank them."""

from __future__ import annotations

from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int64, Real

from trueshot.core.errors import CriteriaError

Column: TypeAlias = Real[np.ndarray, "_"]
"""One number an architecture, integers or floats; computed with as float64."""

_NAMED = 3


@runtime_checkable
class Criterion(Protocol):
    """A measure of how well predicted scores agree with the truth, such as Kendall's tau."""

    def __call__(self, *, predicted: Column, true: Column) -> float:
        """Return the agreement of ``predicted`` with ``true``, both ``(n,)`` and higher is better."""
        ...


def finite(values: Column, name: str, *, least: int = 1) -> Float64[np.ndarray, "_"]:
    """Return ``values`` as float64.

    Args:
        values: numbers, ``(n,)``.
        name: what the numbers are, for the message.
        least: how many of them there must be.

    Raises:
        CriteriaError: when there are fewer than ``least`` values, or when any is NaN or infinite.
    """
    column = values.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(column))
    if bad.size:
        kind = "NaN" if np.isnan(column[bad]).all() else "NaN or infinite"
        where = ", ".join(map(str, bad[:_NAMED])) + (", ..." if bad.size > _NAMED else "")
        raise CriteriaError(
            f"{name}: {bad.size} of {column.size} values {'is' if bad.size == 1 else 'are'} {kind} "
            f"(counting from 0, at {where}): drop these architectures or score them again"
        )
    if column.size < least:
        raise CriteriaError(f"{name}: {column.size} values are too few, at least {least} are needed")
    return column


def paired(
    predicted: Column, true: Column, *, least: int = 2
) -> tuple[Float64[np.ndarray, "n"], Float64[np.ndarray, "n"]]:
    """Return both columns as float64 after the checks that every criterion needs.

    Raises:
        CriteriaError: when the lengths differ, are below ``least``, or a value is NaN or infinite.
    """
    if predicted.size != true.size:
        raise CriteriaError(
            f"predicted has {predicted.size} values and true has {true.size}: give one of each for every architecture"
        )
    return finite(predicted, "predicted", least=least), finite(true, "true", least=least)


def is_constant(values: Float64[np.ndarray, "n"]) -> bool:
    """Whether all values are equal, so that nothing can be ranked by them."""
    return bool(values.min() == values.max())


def refuse_constant(predicted: Float64[np.ndarray, "n"], true: Float64[np.ndarray, "n"], criterion: str) -> None:
    """Raise when a correlation is undefined because a column is constant.

    Raises:
        CriteriaError: naming the column, its one value and ``criterion``.
    """
    for name, column in (("predicted", predicted), ("true", true)):
        if is_constant(column):
            raise CriteriaError(
                f"{criterion} is undefined: all {column.size} values of {name} are {column[0]:.6g}, "
                "so they rank nothing; check what produced them"
            )


def order(values: Column, *, ties: np.random.Generator | None = None) -> Int64[np.ndarray, "_"]:
    """Return the positions of ``values`` from best (highest) to worst, ``(n,)``.

    Args:
        values: higher is better, ``(n,)``.
        ties: breaks ties at random; without it, of equal values the earlier position comes first.
    """
    if ties is None:
        return np.argsort(-values.astype(np.float64), kind="stable").astype(np.int64)
    shuffled = ties.permutation(values.size)
    return shuffled[np.argsort(-values[shuffled].astype(np.float64), kind="stable")].astype(np.int64)


def ranks(values: Column, *, ties: np.random.Generator | None = None) -> Int64[np.ndarray, "_"]:
    """Return the rank of every value, ``(n,)``: 1 is the best (highest), n the worst, each rank once.

    The arguments are those of :func:`order`. This is the rank r and n of the Surgery paper, section 3.
    """
    result = np.empty(values.size, dtype=np.int64)
    result[order(values, ties=ties)] = np.arange(1, values.size + 1)
    return result
