"""The cheapest and the most expensive architecture of a space."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from trueshot.search.moves import options_of_gene, valid_rows
from trueshot.spaces.costs import Additive, CostFunctions, additive

_SAMPLED = 64
"""Random architectures among which a descent starts."""

_PASSES = 20

Row = UInt8[np.ndarray, " decisions"]


@dataclass(frozen=True)
class Extremes:
    """The ends of the range of a cost.

    Attributes:
        cheapest: an architecture of least cost, ``most_expensive`` one of highest.
        low: the least cost; ``high``: the highest.
        exact: whether no architecture lies beyond; else the ends are the best that a search found.
    """

    cheapest: Row
    most_expensive: Row
    low: int | float
    high: int | float
    exact: bool


@functools.lru_cache(maxsize=256)
def extremes(costs: CostFunctions, name: str) -> Extremes:
    """Return the cheapest and the most expensive architecture under one cost.

    Exact where the cost is additive: each gene at its cheapest option, of equal options the first. Elsewhere the best
    of some random architectures goes down (up), gene after gene to the best option, until no gene helps; the same in
    every process.

    Raises:
        ConfigError: when the space has no such cost.
    """
    one, space = costs.only([name]), costs.space
    parts = additive(costs[name])
    ends = None if parts is None else np.stack([_additive_end(parts, sign) for sign in (1, -1)])
    exact = ends is not None and bool(valid_rows(space, ends).all())
    if ends is None or not exact:
        ends = np.stack([_descend(one, sign) for sign in (1, -1)])
    low, high = one(ends)[name].tolist()
    return Extremes(ends[0], ends[1], low, high, exact)


def cost_range(costs: CostFunctions, name: str) -> tuple[int | float, int | float]:
    """Return the least and the highest cost, as :func:`extremes` finds them."""
    found = extremes(costs, name)
    return found.low, found.high


def _additive_end(parts: Additive, sign: int) -> Row:
    return np.array([(sign * options).argmin() for options in parts.options], dtype=np.uint8)


def _descend(costs: CostFunctions, sign: int) -> Row:
    """Return an architecture whose cost (negated where ``sign`` is -1) no change of one gene lowers."""
    space, rng = costs.space, np.random.default_rng(0)

    def signed(archs: np.ndarray) -> np.ndarray:
        (values,) = costs(archs).values()
        return sign * values

    sampled = space.sample(_SAMPLED, rng)
    values = signed(sampled)
    row: Row = sampled[values.argmin()].copy()
    value = values.min()
    for _ in range(_PASSES):
        before = value
        for gene in rng.permutation(len(row)).tolist():
            rows = options_of_gene(row, gene, int(space.options[gene]))
            rows = rows[valid_rows(space, rows)]
            values = signed(rows)
            if values.min() < value:
                row, value = rows[values.argmin()], values.min()
        if value == before:
            break
    return row
