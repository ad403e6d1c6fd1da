"""Random search: the baseline of every other proposer."""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.random import Streams
from trueshot.sampling import Sampler, Uniform
from trueshot.search.bounds import Bounds
from trueshot.search.config import RandomSearchConfig
from trueshot.search.feasible import Feasible
from trueshot.search.ledger import Ledger
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions, standard_costs

_DRAWN = 45
"""Architectures drawn at a time, so that they are the same however many are asked for at once."""

Rows = UInt8[np.ndarray, "_ decisions"]


@final
class RandomSearch:
    """Distinct random architectures inside hard bounds.

    Args:
        space: what to search.
        config: how many architectures in all.
        costs: of the space, with all that are bounded; the standard ones by default.
        bounds: hard bounds on them.
        seed: of all random numbers.
        sampler: distribution before the bounds; uniform by default.

    Raises:
        BudgetError: when no architecture meets the bounds.
    """

    def __init__(
        self,
        space: Space,
        *,
        config: RandomSearchConfig | None = None,
        costs: CostFunctions | None = None,
        bounds: Bounds | None = None,
        seed: int,
        sampler: Sampler | None = None,
    ) -> None:
        self.config = config or RandomSearchConfig()
        self._feasible = Feasible(
            costs=costs or standard_costs(space), bounds=bounds or Bounds(), sampler=sampler or Uniform(space)
        )
        self._streams = Streams(seed).child("random_search")
        self._ledger = Ledger(len(space.decisions))
        self._drawn = self._draw(0)

    @property
    def finished(self) -> bool:
        """Whether all were told, or no new architecture is left inside the bounds."""
        return not self._ledger.waiting and not len(self._drawn)

    def ask(self, n: int) -> Rows:
        """Return up to ``n`` new architectures; it never waits."""
        asked = [self._drawn[:0]]
        while n > 0 and len(self._drawn):
            asked.append(self._ledger.ask(self._drawn[:n]))
            n, self._drawn = n - len(asked[-1]), self._drawn[n:]
            if not len(self._drawn):
                self._drawn = self._draw(-(-len(self._ledger) // _DRAWN))
        return np.concatenate(asked)

    def tell(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> None:
        """Take scores; random search makes no use of them.

        Raises:
            ValueError: when an architecture was not asked for, or a score is not finite.
        """
        self._ledger.tell(archs, scores)

    def _draw(self, number: int) -> Rows:
        left = min(_DRAWN, self.config.evaluations - len(self._ledger))
        return self._feasible.draw(left, self._streams.numpy("batch", number), self._ledger.keys)
