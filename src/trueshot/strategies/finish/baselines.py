"""The random baseline: architectures drawn as the search draws its first, of the cost that is to be compared.

One rule for all strategies. What is found is compared with networks drawn from the initial distribution of the
strategy's proposer or sampler, else uniformly from the valid architectures: a group within 2 % of the found network in
the cost that bounds, and a second group, never pooled with it, within 5 % below the bound.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from trueshot.core.cache import row_keys
from trueshot.sampling import Sampler
from trueshot.sampling.samplers import Remembers
from trueshot.search.bounds import Bounds
from trueshot.spaces.costs import CostFunctions, additive

NEAR = 0.02
"""Share of the found network's cost by which those of the first group may differ from it."""
BELOW = 0.05
"""Share of the bound by which those of the second group may lie below it."""
LEAST = 2
"""Fewer than so many networks within :data:`NEAR` are no baseline."""
DRAWS, WALKED = 100_000, 5_000
"""Architectures drawn at most: where a cost is a sum over decisions, and where each may take its time."""
_CHUNK, _FEW = 5_000, 500


@dataclass(frozen=True)
class Drawn:
    """Architectures of a wanted cost.

    Attributes:
        rows: distinct ones, in the order in which they were drawn.
        draws: how many had to be drawn for them.
    """

    rows: UInt8[np.ndarray, "n decisions"]
    draws: int


def draw_costing(
    costs: CostFunctions,
    sampler: Sampler,
    cost: str,
    within: tuple[float, float],
    n: int,
    rng: np.random.Generator,
    taken: Collection[bytes] = frozenset(),
    bounds: Bounds | None = None,
) -> Drawn:
    """Return the first ``n`` distinct architectures of ``sampler`` whose cost lies in a range; fewer where too rare.

    Args:
        costs: of the space.
        sampler: the distribution.
        cost: name of the cost.
        within: its least and its most, both inclusive.
        n: how many are wanted.
        rng: of all draws.
        taken: rows that are passed over.
        bounds: of other costs, which those that are returned meet too.
    """
    measure, (low, high) = costs[cost], within
    summed = additive(measure) is not None
    most, size = (DRAWS, _CHUNK) if summed else (WALKED, _FEW)
    if isinstance(sampler, Remembers):
        sampler.restart()
    found: dict[bytes, np.ndarray] = {}
    draws = 0
    while draws < most and len(found) < n:
        rows = sampler.sample(size, rng)
        draws += len(rows)
        # Each distinct row is costed once, and first come is first taken.
        distinct, first = np.unique(rows, axis=0, return_index=True)
        values = measure(distinct)
        near = np.flatnonzero((values >= low) & (values <= high))
        if bounds and len(near):
            near = near[bounds.contains(costs.only(list(bounds))(distinct[near]))]
        inside = np.sort(first[near])
        for key, row in zip(row_keys(rows[inside]), rows[inside], strict=True):
            if len(found) < n and key not in taken:
                found.setdefault(key, row)
    return Drawn(np.array(list(found.values()), dtype=np.uint8).reshape(-1, len(costs.space.decisions)), draws)
