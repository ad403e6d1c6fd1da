"""Random architectures inside hard bounds, none of them twice."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from trueshot.core.cache import row_keys
from trueshot.core.errors import BudgetError
from trueshot.sampling import Sampler
from trueshot.search.bounds import Bounds
from trueshot.search.extremes import cost_range
from trueshot.search.moves import change_one_gene, valid_rows
from trueshot.search.tables import Tables
from trueshot.spaces.costs import CostFunctions

_DRAWS, _TRIED = 512, 64
"""Architectures drawn at a time for rejection: by tables of costs, and where each cost may take its time."""

_ROUNDS = 8
_HOPELESS = 0.01
_REPAIRS = 10
_MOVES = 8
"""Changes for each gene that a repair by trial tries outside the bounds; inside, it tries one for each gene."""

Rows = UInt8[np.ndarray, "_ decisions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Feasible:
    """Draws new architectures of a space that lie inside bounds on any of its costs.

    First by rejection from the sampler. Where it hardly ever meets the bounds, its architectures are repaired, each
    towards a cost of its own between the bounds, so that repaired architectures spread over the costs rather than crowd
    below the maximum. Where all costs that are bounded are sums over the decisions, repairs read the tables of their
    summands, and no more than 20,000 architectures inside are listed, so that a draw misses none of them. Under any
    other bound, random changes of one gene are kept while they bring the costs no farther from their aim.

    Attributes:
        costs: of the space to draw from.
        bounds: which costs are allowed.
        sampler: the distribution to draw from before rejection and repair.

    Raises:
        BudgetError: for bounds that :meth:`Bounds.check` refuses.
    """

    costs: CostFunctions
    bounds: Bounds
    sampler: Sampler

    def __post_init__(self) -> None:
        """Check the bounds."""
        self.bounds.check(self.costs)

    def draw(self, n: int, rng: np.random.Generator, known: Collection[bytes] = frozenset()) -> Rows:
        """Draw up to ``n`` distinct architectures that are not among the ``known`` rows; fewer when no more are found.

        Raises:
            BudgetError: when nothing is known yet and the bounds leave no architecture.
        """
        space, listed = self.costs.space, self._listed
        if listed is not None:
            if not len(listed):
                raise BudgetError(f"no architecture of {space.name} meets {self.bounds} together: widen a bound")
            fresh = listed[[key not in known for key in row_keys(listed)]]
            if len(fresh) <= n:
                return rng.permutation(fresh)
        found: dict[bytes, UInt8[np.ndarray, " decisions"]] = {}
        self._reject(found, n, rng, known)
        if listed is not None:
            self._keep(found, n, rng.permutation(fresh), known)
        else:
            for _ in range(_REPAIRS):
                if len(found) >= n:
                    break
                self._keep(found, n, self.repair(self.sampler.sample(2 * n, rng), rng), known)
        if not found and not len(known):
            raise BudgetError(f"found no architecture of {space.name} that meets {self.bounds}: widen a bound")
        return np.array(list(found.values()), dtype=np.uint8).reshape(-1, len(space.decisions))

    def inside(self, archs: Rows) -> Bool[np.ndarray, " _"]:
        """Return which rows are architectures of the space and lie inside the bounds."""
        inside = valid_rows(self.costs.space, archs)
        if len(self.bounds) and inside.any():
            inside[inside] = self.bounds.contains(self._bounded(archs[inside]))
        return inside

    def repair(self, archs: Rows, rng: np.random.Generator, *, spread: bool = True) -> Rows:
        """Change genes until the architectures lie inside the bounds; return those where that succeeded.

        Args:
            archs: valid architectures.
            rng: of all draws.
            spread: whether each aims at a cost of its own between the bounds; else it changes no more than it must.
        """
        tables = self._tables
        changed = self._climb(archs, rng, spread) if tables is None else tables.repair(archs, rng, spread=spread)
        repaired: Rows = changed[self.inside(changed)]
        return repaired

    @functools.cached_property
    def _bounded(self) -> CostFunctions:
        return self.costs.only(list(self.bounds))

    @functools.cached_property
    def _tables(self) -> Tables | None:
        return Tables.under(self.costs, self.bounds)

    @functools.cached_property
    def _listed(self) -> Rows | None:
        rows = None if self._tables is None else self._tables.listed()
        return None if rows is None else rows[self.inside(rows)]

    def _reject(
        self, found: dict[bytes, np.ndarray], n: int, rng: np.random.Generator, known: Collection[bytes]
    ) -> None:
        size = max(_TRIED if self._tables is None else _DRAWS, n)
        for _ in range(_ROUNDS):
            drawn = self.sampler.sample(size, rng)
            inside = self.inside(drawn)
            self._keep(found, n, drawn[inside], known)
            if len(found) >= n or inside.mean() < _HOPELESS:
                break

    @staticmethod
    def _keep(found: dict[bytes, np.ndarray], n: int, archs: Rows, known: Collection[bytes]) -> None:
        for key, row in zip(row_keys(archs), archs, strict=True):
            if len(found) < n and key not in known:
                found.setdefault(key, row)

    def _climb(self, archs: Rows, rng: np.random.Generator, spread: bool) -> Rows:
        """Repair by trial: change one gene of every row at a time, and keep what is valid and no farther off.

        A row that has entered the bounds never leaves them on its way to its aim.
        """
        space, archs = self.costs.space, archs.copy()
        reach = np.array([cost_range(self.costs, name) for name in self._bounded.names], dtype=np.float64)
        limits = np.array([self.bounds.range_of(name) for name in self._bounded.names])
        low, high = np.maximum(limits[:, 0], reach[:, 0]), np.minimum(limits[:, 1], reach[:, 1])
        width = np.maximum(reach[:, 1] - reach[:, 0], np.finfo(np.float64).tiny)
        shape = (len(archs), len(low))
        aim = low + (rng.random(shape) if spread else np.ones(shape)) * (high - low)
        aim[:, high == reach[:, 1]] = high[high == reach[:, 1]]

        def distance(rows: Rows, aim: Float64[np.ndarray, "rows costs"]) -> Float64[np.ndarray, "rows 2"]:
            """Return how far each row is outside the bounds, then how far above its aim, in shares of the range."""
            costs = np.stack([*self._bounded(rows).values()], axis=1)
            outside = np.maximum(np.maximum(costs - limits[:, 1], limits[:, 0] - costs), 0.0) / width
            above = np.maximum(np.maximum(costs - aim, low - costs), 0.0) / width
            return np.stack([outside.sum(axis=1), above.sum(axis=1)], axis=1)

        now, left = distance(archs, aim), np.full(len(archs), _MOVES * archs.shape[1])
        while True:
            left = np.where(now[:, 0] == 0, np.minimum(left, archs.shape[1]), left) - 1
            open_rows = np.flatnonzero(now.any(axis=1) & (left >= 0))
            if not len(open_rows):
                break
            tried = change_one_gene(archs[open_rows], space.options, rng)
            valid = valid_rows(space, tried)
            rows, tried = open_rows[valid], tried[valid]
            then = distance(tried, aim[rows])
            better = (then[:, 0] < now[rows, 0]) | ((then[:, 0] == now[rows, 0]) & (then[:, 1] <= now[rows, 1]))
            archs[rows[better]], now[rows[better]] = tried[better], then[better]
        return archs
