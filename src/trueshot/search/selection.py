"""Picking results of a search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64, Integer, UInt8

from trueshot.core.cache import row_keys
from trueshot.criteria.pareto import pareto_front


def best_under(
    budgets: Sequence[int],
    archs: UInt8[np.ndarray, "n decisions"],
    scores: Float64[np.ndarray, " n"],
    costs: Integer[np.ndarray, " n"],
) -> tuple[int | None, ...]:
    """Return for each budget the position of the best architecture that costs at most as much (ST-NAS, section 4).

    No architecture wins twice: budgets are served from the smallest up, and one whose best is taken gets its next best.
    Of equal scores the cheaper wins, of equal costs too the earlier.

    Args:
        budgets: bounds on the cost, inclusive, in any order.
        archs: what was evaluated; may hold an architecture more than once.
        scores: higher is better.
        costs: MAdds or parameters, whichever the budgets bound.

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
    archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"], costs: Integer[np.ndarray, " n"]
) -> Int64[np.ndarray, " _"]:
    """Return the positions of the Pareto front, cheapest first, an architecture that stands twice once.

    Args:
        archs: what was evaluated.
        scores: higher is better.
        costs: lower is better.

    Raises:
        CriteriaError: when a score is not finite.
    """
    positions = pareto_front(cost=costs, score=scores)
    keys = row_keys(archs[positions])
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    return positions[sorted(first.values())]
