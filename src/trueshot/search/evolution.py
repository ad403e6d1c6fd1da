"""Regularised evolution (Real et al., Regularized Evolution for Image Classifier Architecture Search, AAAI 2019)."""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.cache import row_keys
from trueshot.core.random import Streams
from trueshot.sampling import Sampler, Uniform
from trueshot.search.bounds import Bounds
from trueshot.search.config import EvolutionConfig
from trueshot.search.feasible import Feasible
from trueshot.search.ledger import Ledger
from trueshot.search.moves import change_one_gene
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions, standard_costs

Rows = UInt8[np.ndarray, "_ decisions"]


@final
class Evolution:
    """Maximise the score inside hard bounds by a population in which the oldest die.

    The first population is random. Then each child has for its parent the best of a random sample of the population,
    and differs from it in one random gene; once told, it joins the population, which the oldest leaves. A child that
    was asked for before or is out of bounds is drawn anew, parent included; when that keeps failing, the last one out
    of bounds is repaired, and when nothing new comes of it, a random architecture takes its place. Age is counted in
    the order of asking, so that scores may come in any order; children wait until the first population was told.

    Args:
        space: what to search.
        config: evaluations, population, sample.
        costs: of the space, with all that are bounded; the standard ones by default.
        bounds: hard bounds on them.
        seed: of all random numbers; the search is a function of it and of what it was asked and told.
        sampler: distribution of the first population before the bounds; uniform by default.

    Raises:
        BudgetError: when no architecture meets the bounds.
    """

    def __init__(
        self,
        space: Space,
        *,
        config: EvolutionConfig | None = None,
        costs: CostFunctions | None = None,
        bounds: Bounds | None = None,
        seed: int,
        sampler: Sampler | None = None,
    ) -> None:
        self.space, self.config = space, config or EvolutionConfig()
        self._feasible = Feasible(
            costs=costs or standard_costs(space), bounds=bounds or Bounds(), sampler=sampler or Uniform(space)
        )
        self._streams = Streams(seed).child("evolution")
        self._ledger = Ledger(len(space.decisions))
        first = min(self.config.population, self.config.evaluations)
        self._first = self._feasible.draw(first, self._streams.numpy("first"))
        self._exhausted = False

    @property
    def finished(self) -> bool:
        """Whether all were told, or no new architecture is left inside the bounds."""
        done = self._exhausted or len(self._ledger) >= self.config.evaluations
        return done and not self._ledger.waiting

    @property
    def population(self) -> Rows:
        """The living, oldest first: the latest that have scores."""
        return self._ledger.told()[-self.config.population :]

    def ask(self, n: int) -> Rows:
        """Return up to ``n`` further architectures, all of them children of the present population.

        None while the first population is not told whole, or ``at_once`` children are not told.
        """
        asked = len(self._ledger)
        if asked < len(self._first):
            return self._ledger.ask(self._first[asked : asked + n])
        if asked == len(self._first) and self._ledger.waiting:
            return self._first[:0]
        children = [self._first[:0]]
        population = self.population
        scores = self._ledger.scores(population)
        allowed = min(n, self.config.evaluations - asked, self.config.at_once - self._ledger.waiting)
        for _ in range(0 if self._exhausted else allowed):
            child = self._child(population, scores, self._streams.numpy("child", len(self._ledger)))
            if not len(child):
                self._exhausted = True
                break
            children.append(self._ledger.ask(child))
        return np.concatenate(children)

    def tell(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> None:
        """Take scores of architectures that were asked for.

        Raises:
            ValueError: when an architecture was not asked for, or a score is not finite.
        """
        self._ledger.tell(archs, scores)

    def _child(self, population: Rows, scores: Float64[np.ndarray, " living"], rng: np.random.Generator) -> Rows:
        """Return one new architecture inside the bounds, none when no more are found."""
        tries, size = self.config.redraws, min(self.config.sample, len(population))
        entrants = rng.random((tries, len(population))).argsort(axis=1)[:, :size]
        parents = population[entrants[np.arange(tries), scores[entrants].argmax(axis=1)]]
        children = change_one_gene(parents, self.space.options, rng)
        outside = children[:0]
        # The first few mostly suffice, and a cost may take its time.
        for few in np.split(children, [1, 4]):
            inside = self._feasible.inside(few)
            new = self._new(few[inside])
            if len(new):
                return new[:1]
            outside = np.concatenate([outside, few[~inside]])
        new = self._new(self._feasible.repair(outside[-1:], rng, spread=False))
        return new if len(new) else self._feasible.draw(1, rng, self._ledger.keys)

    def _new(self, archs: Rows) -> Rows:
        return archs[[key not in self._ledger.keys for key in row_keys(archs)]]
