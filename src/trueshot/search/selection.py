"""Picking results of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64, Int64, Real, UInt8

from trueshot.core.cache import row_keys
from trueshot.criteria.pareto import non_dominated


def best_under(
    budgets: Sequence[int | float],
    archs: UInt8[np.ndarray, "n decisions"],
    scores: Float64[np.ndarray, " n"],
    costs: Real[np.ndarray, " n"],
) -> tuple[int | None, ...]:
    """Return for each budget the position of the best architecture that costs at most as much (ST-NAS, section 4).

    No architecture wins twice: budgets are served from the smallest up, and one whose best is taken gets its next best.
    Of equal scores the cheaper wins, of equal costs too the earlier.

    Args:
        budgets: bounds on the cost, inclusive, in any order.
        archs: what was evaluated; may hold an architecture more than once.
        scores: higher is better.
        costs: the cost that the budgets bound, such as ``costs["madds"]``.

    Returns:
        Positions in the order of ``budgets``, ``None`` where no architecture is left under a budget.
    """
    order = np.lexsort((costs, -scores))
    keys = row_keys(archs)
    taken: set[bytes] = set()
    winners: dict[int, int] = {}
    for index in np.argsort(np.asarray(budgets), kind="stable").tolist():
        for position in order[costs[order] <= budgets[index]].tolist():
            if keys[position] not in taken:
                taken.add(keys[position])
                winners[index] = position
                break
    return tuple(winners.get(index) for index in range(len(budgets)))


def front(
    archs: UInt8[np.ndarray, "n decisions"],
    scores: Float64[np.ndarray, " n"],
    costs: Mapping[str, Real[np.ndarray, " n"]],
) -> Int64[np.ndarray, " _"]:
    """Return the positions of the Pareto front, an architecture that stands twice once, the cheapest first.

    Args:
        archs: what was evaluated.
        scores: higher is better.
        costs: by name, lower is better; one or more, the first of which orders the front.

    Raises:
        CriteriaError: when a score or a cost is not finite.
    """
    columns = [np.asarray(values, dtype=np.float64) for values in costs.values()]
    positions = np.flatnonzero(non_dominated(np.stack([*columns, -scores], axis=1)))
    positions = positions[np.argsort(columns[0][positions], kind="stable")].astype(np.int64)
    keys = row_keys(archs[positions])
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    return positions[sorted(first.values())]
