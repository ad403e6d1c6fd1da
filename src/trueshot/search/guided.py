"""Search guided by a predictor, which learns from all scores so far and says what to ask for next."""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.errors import ConfigError
from trueshot.core.own import name_of
from trueshot.core.random import Streams
from trueshot.prediction.protocol import Predictor
from trueshot.sampling import Sampler, Uniform
from trueshot.search.bounds import Bounds
from trueshot.search.config import GuidedConfig
from trueshot.search.feasible import Feasible
from trueshot.search.ledger import Ledger
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions, standard_costs

Rows = UInt8[np.ndarray, "_ decisions"]


@final
class Guided:
    """Maximise the score inside hard bounds by asking for what a predictor expects to score best.

    The first architectures are random. Once all of them were told, the predictor is fitted to every score so far, in
    the order of asking, and the best of a pool of new random architectures by its prediction are asked for next, of
    equal predictions the earlier drawn. What was asked for and not told yet does not count.

    Args:
        space: what to search.
        predictor: fitted here, again and again; nobody else fits it meanwhile.
        config: evaluations, first ones, size of the pool.
        costs: of the space, with all that are bounded; the standard ones by default.
        bounds: hard bounds on them.
        seed: of all random numbers; the search is a function of it and of what it was asked and told.
        sampler: distribution of all random architectures before the bounds; uniform by default.

    Raises:
        BudgetError: when no architecture meets the bounds.
    """

    def __init__(
        self,
        space: Space,
        predictor: Predictor,
        *,
        config: GuidedConfig | None = None,
        costs: CostFunctions | None = None,
        bounds: Bounds | None = None,
        seed: int,
        sampler: Sampler | None = None,
    ) -> None:
        self.predictor, self.config = predictor, config or GuidedConfig()
        self._feasible = Feasible(
            costs=costs or standard_costs(space), bounds=bounds or Bounds(), sampler=sampler or Uniform(space)
        )
        self._streams = Streams(seed).child("guided")
        self._ledger = Ledger(len(space.decisions))
        first = min(self.config.first, self.config.evaluations)
        self._first = self._feasible.draw(first, self._streams.numpy("first"))
        self._exhausted = False
        self._learned = False

    @property
    def finished(self) -> bool:
        """Whether all were told, or no new architecture is left inside the bounds."""
        done = self._exhausted or len(self._ledger) >= self.config.evaluations
        return done and not self._ledger.waiting

    def ask(self, n: int) -> Rows:
        """Return up to ``n`` further architectures, at first random ones, then the best of a pool by prediction.

        None while the first are not told whole, or ``at_once`` later ones are not told.
        """
        asked = len(self._ledger)
        if asked < len(self._first):
            return self._ledger.ask(self._first[asked : asked + n])
        allowed = min(n, self.config.evaluations - asked, self.config.at_once - self._ledger.waiting)
        if self._exhausted or allowed <= 0 or (asked == len(self._first) and self._ledger.waiting):
            return self._first[:0]
        size = max(self.config.pool, allowed + 1)
        pool = self._feasible.draw(size, self._streams.numpy("pool", asked), self._ledger.keys)
        self._exhausted = len(pool) <= allowed
        if len(pool) > allowed:
            self._learn()
            order = np.argsort(-self._predicted(pool), kind="stable")
            pool = pool[order[:allowed]]
        return self._ledger.ask(pool)

    def tell(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> None:
        """Take scores of architectures that were asked for.

        Raises:
            ValueError: when an architecture was not asked for, or a score is not finite.
        """
        self._ledger.tell(archs, scores)
        self._learned = False

    def _predicted(self, pool: Rows) -> Float64[np.ndarray, " n"]:
        values = np.asarray(self.predictor(pool), dtype=np.float64)
        if values.shape != (len(pool),) or not np.isfinite(values).all():
            raise ConfigError(
                f"predictor {name_of(self.predictor)} gave {values.shape} values, {np.isfinite(values).sum()} of"
                f" them finite, for {len(pool)} architectures: it must give one finite number for each"
            )
        return values

    def _learn(self) -> None:
        """Fit the predictor to all scores so far, where some are new."""
        if not self._learned:
            told = self._ledger.told()
            self.predictor.fit(told, self._ledger.scores(told))
            self._learned = True
