"""Random architectures inside hard bounds, none of them twice."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from trueshot.core.cache import row_keys
from trueshot.core.errors import BudgetError
from trueshot.sampling import Sampler
from trueshot.search.bounds import OBJECTIVES, Bounds, cost_range, option_costs
from trueshot.spaces import Space

_LISTED = 20_000
_DRAWS = 512
_ROUNDS = 8
_HOPELESS = 0.01
_REPAIRS = 10

Rows = UInt8[np.ndarray, "_ decisions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Feasible:
    """Draws new architectures of a space that lie inside bounds.

    First by rejection from the sampler. Where it hardly ever meets the bounds, its architectures are repaired: while
    one is too dear, a gene (the dearer, the likelier) falls to a cheaper option; while too cheap, one rises. Each
    repair aims at a cost of its own between the bounds, so that repaired architectures spread over the costs rather
    than crowd below the maximum. Where the bounds leave no more than 20,000 architectures, these are listed, and a
    draw misses none of them.

    Attributes:
        space: what to draw from.
        bounds: which costs are allowed.
        sampler: the distribution to draw from before rejection and repair.

    Raises:
        BudgetError: for bounds that :meth:`Bounds.check` refuses.
    """

    space: Space
    bounds: Bounds
    sampler: Sampler

    def __post_init__(self) -> None:
        """Check the bounds."""
        self.bounds.check(self.space)

    def draw(self, n: int, rng: np.random.Generator, known: Collection[bytes] = frozenset()) -> Rows:
        """Draw up to ``n`` distinct architectures that are not among the ``known`` rows; fewer when no more are found.

        Raises:
            BudgetError: when nothing is known yet and the bounds leave no architecture.
        """
        listed = self._listed
        if listed is not None:
            if not len(listed):
                raise BudgetError(f"no architecture of {self.space.name} meets {self.bounds} together: widen a bound")
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
            raise BudgetError(f"found no architecture of {self.space.name} that meets {self.bounds}: widen a bound")
        return np.array(list(found.values()), dtype=np.uint8).reshape(-1, len(self.space.decisions))

    def inside(self, archs: Rows) -> Bool[np.ndarray, " _"]:
        """Return which architectures lie inside the bounds."""
        return self.bounds.contains(self.space.cost(archs))

    def repair(self, archs: Rows, rng: np.random.Generator) -> Rows:
        """Change genes until the architectures lie inside the bounds; return those where that succeeded."""
        costs, low, high = self._tables, self.bounds.low, self.bounds.high
        floor, ceiling = np.array([cost_range(self.space, objective) for objective in OBJECTIVES]).T
        low, high = np.maximum(low, floor), np.minimum(high, ceiling)
        aim = low + (rng.random((len(archs), 2)) * (high - low)).astype(np.int64)
        aim[:, high == ceiling] = ceiling[high == ceiling]
        archs, genes = archs.copy(), np.arange(archs.shape[1])
        fixed = np.array([option_costs(self.space, objective)[0] for objective in OBJECTIVES])
        for _ in range(8 * archs.shape[1]):
            each = costs[:, genes, archs].astype(np.int64)
            total = each.sum(axis=2).T + fixed
            wrong = np.concatenate([total > aim, total < low], axis=1)
            rows = np.flatnonzero(wrong.any(axis=1))
            if not len(rows):
                break
            kind = wrong[rows].argmax(axis=1)
            _step(archs, rows, costs[kind % 2], np.where(kind < 2, 1, -1), rng)
        repaired: Rows = archs[self.inside(archs)]
        return repaired

    def _reject(
        self, found: dict[bytes, np.ndarray], n: int, rng: np.random.Generator, known: Collection[bytes]
    ) -> None:
        for _ in range(_ROUNDS):
            drawn = self.sampler.sample(max(_DRAWS, n), rng)
            inside = self.inside(drawn)
            self._keep(found, n, drawn[inside], known)
            if len(found) >= n or inside.mean() < _HOPELESS:
                break

    @staticmethod
    def _keep(found: dict[bytes, np.ndarray], n: int, archs: Rows, known: Collection[bytes]) -> None:
        for key, row in zip(row_keys(archs), archs, strict=True):
            if len(found) < n and key not in known:
                found.setdefault(key, row)

    @functools.cached_property
    def _tables(self) -> Int64[np.ndarray, "2 decisions options"]:
        """Cost of every option by objective; -1 beyond the last option."""
        filled = np.full((2, len(self.space.options), int(self.space.options.max())), -1, dtype=np.int64)
        for index, objective in enumerate(OBJECTIVES):
            for gene, row in enumerate(option_costs(self.space, objective)[1]):
                filled[index, gene, : len(row)] = row
        return filled

    @functools.cached_property
    def _listed(self) -> Rows | None:
        """All architectures inside the bounds, or ``None`` when they are more than the limit.

        Genes are decided one after another, all partial rows at once; a partial row stays while its cheapest and
        dearest completions leave the bounds within reach, the genes of the widest range of cost first.
        """
        costs = [np.array(pair) for pair in zip(*(option_costs(self.space, o)[1] for o in OBJECTIVES), strict=True)]
        fixed = np.array([option_costs(self.space, objective)[0] for objective in OBJECTIVES])
        order = np.argsort([-float(np.ptp(pair, axis=1).max()) for pair in costs], kind="stable")
        rows = np.zeros((1, len(costs)), dtype=np.uint8)
        totals = fixed[None] + 0
        for position, gene in enumerate(order):
            options = costs[gene].shape[1]
            rows = np.repeat(rows, options, axis=0)
            rows[:, gene] = np.tile(np.arange(options), len(totals))
            totals = (totals[:, None] + costs[gene].T[None]).reshape(-1, 2)
            rest = [costs[other] for other in order[position + 1 :]]
            least = np.array([sum(pair[k].min() for pair in rest) for k in range(2)])
            most = np.array([sum(pair[k].max() for pair in rest) for k in range(2)])
            within = ((totals + least <= self.bounds.high) & (totals + most >= self.bounds.low)).all(axis=1)
            rows, totals = rows[within], totals[within]
            if len(rows) > _LISTED:
                return None
        return rows


def _step(
    archs: Rows,
    rows: Int64[np.ndarray, " bad"],
    costs: Int64[np.ndarray, "bad decisions options"],
    sign: Int64[np.ndarray, " bad"],
    rng: np.random.Generator,
) -> None:
    """Change one gene of each row in place to an option that is cheaper (sign 1) or dearer (sign -1)."""
    exists = costs >= 0
    signed = np.where(exists, costs * sign[:, None, None], np.iinfo(np.int64).max)
    current = np.take_along_axis(signed, archs[rows].astype(np.int64)[:, :, None], axis=2)[:, :, 0]
    excess = (current - signed.min(axis=2)).cumsum(axis=1)
    pick = rng.random(len(rows)) * excess[:, -1]
    gene = np.minimum((excess <= pick[:, None]).sum(axis=1), archs.shape[1] - 1)
    at = np.arange(len(rows))
    better = signed[at, gene] < current[at, gene][:, None]
    choice = np.where(better, rng.random(better.shape), -1.0).argmax(axis=1)
    archs[rows, gene] = np.where(better.any(axis=1), choice, archs[rows, gene])
