"""Listing and repairing architectures under bounds on additive costs."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int64, Real, UInt8

from trueshot.search.bounds import Bounds
from trueshot.spaces import Space
from trueshot.spaces.costs import Additive, CostFunctions, additive, standard_costs

_LISTED = 20_000
_SLACK = 1e-9
"""Share of a total by which sums of fractions may differ with the order of the summands."""

Rows = UInt8[np.ndarray, "_ decisions"]


class Tables:
    """The costs of all options of all decisions, for costs that are sums over the decisions.

    The costs that every space has are always among them: what is drawn under a bound on these does not depend on which
    further costs are known.

    Args:
        space: whose architectures are costed.
        parts: the summands of each cost by its name, of one or more.
        bounds: on these costs.
    """

    def __init__(self, space: Space, parts: Mapping[str, Additive], bounds: Bounds) -> None:
        self.space, self.names = space, list(parts)
        self.fixed = np.array([cost.fixed for cost in parts.values()])
        self.options = [np.stack(gene) for gene in zip(*(cost.options for cost in parts.values()), strict=True)]
        self.exact = all(array.dtype.kind in "iu" for array in (self.fixed, *self.options))
        self.low, self.high = np.array([bounds.range_of(name) for name in parts]).T

    @classmethod
    def under(cls, costs: CostFunctions, bounds: Bounds) -> Tables | None:
        """Return the tables that serve bounds, or ``None`` where a cost that is bounded is no sum."""
        standard = standard_costs(costs.space).names
        known = [cost for cost in costs if cost.name in bounds or cost.name in standard]
        parts = {cost.name: found for cost in known if (found := additive(cost)) is not None}
        return cls(costs.space, parts, bounds) if parts and set(bounds) <= set(parts) else None

    @functools.cached_property
    def _padded(self) -> Real[np.ndarray, "costs decisions options"]:
        """Cost of every option; -1 beyond the last option, where ``_exists`` is false."""
        filled = np.full((len(self.names), len(self.options), int(self.space.options.max())), -1, self._type)
        for gene, table in enumerate(self.options):
            filled[:, gene, : table.shape[1]] = table
        return filled

    @functools.cached_property
    def _exists(self) -> Bool[np.ndarray, "decisions options"]:
        exists: np.ndarray = np.arange(int(self.space.options.max())) < self.space.options[:, None]
        return exists

    @property
    def _type(self) -> type[np.number]:
        return np.int64 if self.exact else np.float64

    def listed(self) -> Rows | None:
        """Return all rows inside the bounds, or ``None`` when they are more than 20,000.

        Genes are decided one after another, all partial rows at once, the genes of the widest range of cost first; a
        partial row stays while its cheapest and its most expensive completion leave the bounds within reach.
        """
        slack = 0.0 if self.exact else _SLACK
        order = np.argsort([-float(np.ptp(table, axis=1).max()) for table in self.options], kind="stable")
        rows = np.zeros((1, len(self.options)), dtype=np.uint8)
        totals = self.fixed[None] + 0
        for position, gene in enumerate(order):
            options = self.options[gene].shape[1]
            rows = np.repeat(rows, options, axis=0)
            rows[:, gene] = np.tile(np.arange(options), len(totals))
            totals = (totals[:, None] + self.options[gene].T[None]).reshape(-1, len(self.names))
            rest = [self.options[other] for other in order[position + 1 :]]
            least = sum((table.min(axis=1) for table in rest), np.zeros_like(self.fixed))
            most = sum((table.max(axis=1) for table in rest), np.zeros_like(self.fixed))
            below = totals + least <= self.high + slack * np.abs(totals)
            within = (below & (totals + most >= self.low - slack * np.abs(totals))).all(axis=1)
            rows, totals = rows[within], totals[within]
            if len(rows) > _LISTED:
                return None
        return rows

    def repair(self, archs: Rows, rng: np.random.Generator, *, spread: bool) -> Rows:
        """Change genes until the costs lie inside the bounds, or no more change is allowed.

        While a row is too expensive, a gene (the more expensive, the likelier) falls to a cheaper option; while too
        cheap, one rises.

        Args:
            archs: one row each; a copy is changed.
            rng: of all draws.
            spread: whether each row aims at a cost of its own between the bounds, so that repaired rows spread over
                the costs, or at the nearest bound, so that as little as may be is changed.
        """
        costs, archs, genes = self._padded, archs.copy(), np.arange(archs.shape[1])
        low, aim = self._aims(len(archs), rng, spread)
        for _ in range(8 * archs.shape[1]):
            total = costs[:, genes, archs].sum(axis=2).T + self.fixed
            wrong = np.concatenate([total > aim, total < low], axis=1)
            rows = np.flatnonzero(wrong.any(axis=1))
            if not len(rows):
                break
            kind = wrong[rows].argmax(axis=1)
            sign = np.where(kind < len(costs), 1, -1)
            self._step(archs, rows, costs[kind % len(costs)], sign, rng)
        return archs

    def _aims(
        self, n: int, rng: np.random.Generator, spread: bool
    ) -> tuple[Real[np.ndarray, " costs"], Real[np.ndarray, "n costs"]]:
        """Return the least that each cost must be, and for each row the most that it should be."""
        floor = self.fixed + sum(table.min(axis=1) for table in self.options)
        ceiling = self.fixed + sum(table.max(axis=1) for table in self.options)
        low, high = np.maximum(self.low, floor), np.minimum(self.high, ceiling)
        if not spread:
            return low, np.broadcast_to(high, (n, len(high)))
        low, high = (np.ceil(low), np.floor(high)) if self.exact else (low, high)
        aim = low.astype(self._type) + (rng.random((n, len(high))) * (high - low)).astype(self._type)
        aim[:, high == ceiling] = ceiling[high == ceiling]
        return low, aim

    def _step(
        self,
        archs: Rows,
        rows: Int64[np.ndarray, " bad"],
        costs: Real[np.ndarray, "bad decisions options"],
        sign: Int64[np.ndarray, " bad"],
        rng: np.random.Generator,
    ) -> None:
        """Change one gene of each row in place to an option that is cheaper (sign 1) or more expensive (sign -1)."""
        beyond = np.iinfo(np.int64).max if self.exact else math.inf
        signed = np.where(self._exists, costs * sign[:, None, None], beyond)
        current = np.take_along_axis(signed, archs[rows].astype(np.int64)[:, :, None], axis=2)[:, :, 0]
        excess = (current - signed.min(axis=2)).cumsum(axis=1)
        pick = rng.random(len(rows)) * excess[:, -1]
        gene = np.minimum((excess <= pick[:, None]).sum(axis=1), archs.shape[1] - 1)
        at = np.arange(len(rows))
        better = signed[at, gene] < current[at, gene][:, None]
        choice = np.where(better, rng.random(better.shape), -1.0).argmax(axis=1)
        archs[rows, gene] = np.where(better.any(axis=1), choice, archs[rows, gene])
