"""NSGA-II by pymoo's ask and tell, with the operators of ST-NAS (section 3.4)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, final

import numpy as np
from jaxtyping import Float64, Integer, UInt8
from pymoo.algorithms.moo.nsga2 import NSGA2 as PymooNSGA2
from pymoo.config import Config
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mating import Mating
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.operators.selection.tournament import TournamentSelection

from trueshot.core.cache import row_keys
from trueshot.core.random import Streams
from trueshot.sampling import Sampler, Uniform
from trueshot.search.bounds import Bounds
from trueshot.search.config import NSGA2Config
from trueshot.search.feasible import Feasible
from trueshot.search.ledger import Ledger
from trueshot.search.moves import change_one_gene
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions, standard_costs

Rows = UInt8[np.ndarray, "_ decisions"]


@final
class NSGA2:
    """Minimise any number of costs and maximise the score inside hard bounds.

    The first generation is random, each later one children: binary tournaments by rank, then crowding, pick parents;
    single-point crossover gives one child (genes 1 to p of the first parent, the rest of the second); one random gene
    of it changes to another option; and it is drawn anew when it is out of bounds or was asked for before. Survivors
    are picked by non-dominated sorting and crowding distance. When the bounds leave no new architecture, generations
    shrink and the search ends early. A generation waits until all of the one before were told. When a score is
    replaced, the parents of the next generation are picked anew, from all that was evaluated.

    Args:
        space: what to search.
        config: population, generations, what to minimise.
        costs: of the space, with all that are bounded or minimised; the standard ones by default.
        bounds: hard bounds on them.
        seed: of all random numbers; the search is a function of it and of the scores.
        sampler: distribution of the first generation before the bounds; uniform by default.

    Raises:
        BudgetError: when no architecture meets the bounds.
        ConfigError: when the space has no cost of a name.
    """

    def __init__(
        self,
        space: Space,
        *,
        config: NSGA2Config | None = None,
        costs: CostFunctions | None = None,
        bounds: Bounds | None = None,
        seed: int,
        sampler: Sampler | None = None,
    ) -> None:
        self.config = config or NSGA2Config()
        costs = costs or standard_costs(space)
        self._objectives = costs.only(self.config.minimise)
        self._feasible = Feasible(costs=costs, bounds=bounds or Bounds(), sampler=sampler or Uniform(space))
        self._streams = Streams(seed).child("nsga2")
        self._ledger = Ledger(len(space.decisions))
        self._generation = 0
        self._replaced = False
        first = self._feasible.draw(self.config.population, self._streams.numpy("first"))
        admissible = _Admissible(self._ledger.keys, self._feasible)
        self._algorithm = _algorithm(space.options, self.config, first, admissible, self._streams.key("pymoo"))
        self._current: Any = None
        self._given = 0
        self._finished = False

    @property
    def finished(self) -> bool:
        """Whether all generations were told, or no new architecture is left inside the bounds."""
        return self._finished

    @property
    def population(self) -> Rows:
        """The survivors: parents of the next generation; empty before the first is told."""
        survivors = self._algorithm.pop
        return self._empty() if survivors is None or not len(survivors) else _rows(survivors)

    def ask(self, n: int) -> Rows:
        """Return up to ``n`` further architectures of the generation; none while it waits for their scores."""
        if self._current is None and not self._finished:
            self._current, self._given = self._propose(), 0
            self._finished = not len(self._current)
        asked = self._empty() if self._finished else _rows(self._current)[self._given : self._given + n]
        self._given += len(asked)
        return self._ledger.ask(asked)

    def tell(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> None:
        """Take scores of architectures that were asked for; all of a generation make the next.

        Raises:
            ValueError: when an architecture was not asked for, or a score is not finite.
        """
        replaced = self._ledger.tell(archs, scores)
        current = set() if self._current is None else set(row_keys(_rows(self._current)))
        self._replaced |= bool(replaced - current)
        if self._current is None or self._given < len(self._current) or self._ledger.waiting:
            return
        self._current.set("F", self._values(_rows(self._current)))
        self._algorithm.tell(infills=self._current)
        self._current = None
        self._generation += 1
        self._finished = self._generation >= self.config.generations

    def _values(self, archs: Rows) -> Float64[np.ndarray, "n objectives"]:
        """Return what is minimised: the costs, then the negated score."""
        costs = self._objectives(archs)
        columns = [costs[name].astype(np.float64) for name in self.config.minimise]
        return np.stack([*columns, -self._ledger.scores(archs)], axis=1)

    def _select_anew(self) -> None:
        """Pick the survivors from all that was evaluated, by its latest scores."""
        archs = self._ledger.told()
        everyone = Population.new(X=archs.astype(np.int64), F=self._values(archs))
        self._algorithm.pop = self._algorithm.survival.do(
            self._algorithm.problem,
            everyone,
            n_survive=min(self.config.population, len(everyone)),
            random_state=self._streams.numpy("anew", self._generation),
        )
        self._replaced = False

    def _propose(self) -> Any:
        if self._replaced:
            self._select_anew()
        children = self._algorithm.ask()
        children = Population.empty() if children is None else children
        # pymoo would stop by itself when no child is new; here random architectures take their places.
        self._algorithm.termination.force_termination = False
        missing = self.config.population - len(children)
        if self._generation and missing:
            known = set(self._ledger.keys).union(row_keys(_rows(children)) if len(children) else [])
            more = self._feasible.draw(missing, self._streams.numpy("fill", self._generation), known)
            children = Population.merge(children, Population.new(X=more.astype(np.int64)))
        return children

    def _empty(self) -> Rows:
        return np.zeros((0, self._ledger.decisions), dtype=np.uint8)


def _rows(population: Any) -> Rows:
    rows: Rows = population.get("X").astype(np.uint8)
    return rows


def _algorithm(
    options: Integer[np.ndarray, " decisions"],
    config: NSGA2Config,
    first: Rows,
    admissible: DuplicateElimination,
    seed: int,
) -> Any:
    """Set up pymoo's algorithm; its generator is seeded by ``seed``, and it draws from no other."""
    # The hint would go to standard output, which may carry JSON.
    Config.warnings["not_compiled"] = False
    mating = Mating(
        TournamentSelection(func_comp=tournament),
        SinglePoint(),
        OneGene(options),
        eliminate_duplicates=admissible,
        n_max_iterations=config.redraws,
    )
    algorithm = PymooNSGA2(
        pop_size=config.population,
        sampling=first.astype(np.int64),
        mating=mating,
        eliminate_duplicates=admissible,
        output=None,
        seed=seed,
    )
    algorithm.termination = NoTermination()
    genes, objectives = len(options), len(config.minimise) + 1
    return algorithm.setup(Problem(n_var=genes, n_obj=objectives, xl=np.zeros(genes), xu=options - 1, vtype=int))


def tournament(pop: Any, pairs: Integer[np.ndarray, "n 2"], random_state: Any, **_: Any) -> np.ndarray:
    """Return the winner of each pair, ``(n, 1)``: of lower rank, then of larger crowding distance, then at random."""
    rank, crowding = (values[pairs] for values in pop.get("rank", "crowding"))
    toss = random_state.random(len(pairs)) < 0.5
    second = np.where(crowding[:, 0] == crowding[:, 1], toss, crowding[:, 1] > crowding[:, 0])
    second = np.where(rank[:, 0] == rank[:, 1], second, rank[:, 1] < rank[:, 0])
    return np.where(second, pairs[:, 1], pairs[:, 0])[:, None]


class SinglePoint(Crossover):  # type: ignore[misc]
    """One child of two parents: genes 1 to p of the first and the rest of the second, p uniform in 1 to d - 1."""

    def __init__(self) -> None:
        super().__init__(n_parents=2, n_offsprings=1, prob=1.0)

    def _do(self, problem: Any, X: np.ndarray, *_: Any, random_state: Any, **__: Any) -> np.ndarray:
        _, matings, genes = X.shape
        point = random_state.integers(1, max(genes, 2), size=matings)
        child: np.ndarray = np.where(np.arange(genes) < point[:, None], X[0], X[1])[None]
        return child


class OneGene(Mutation):  # type: ignore[misc]
    """Change one random gene to another of its options, each other option equally likely."""

    def __init__(self, options: Integer[np.ndarray, " decisions"]) -> None:
        super().__init__(prob=1.0)
        self._options = options

    def _do(self, problem: Any, X: np.ndarray, *_: Any, random_state: Any, **__: Any) -> np.ndarray:
        return change_one_gene(X, self._options, random_state)


class _Admissible(DuplicateElimination):  # type: ignore[misc]
    """Drop what was asked for before, what is out of bounds and what stands twice."""

    def __init__(self, known: Collection[bytes], feasible: Feasible) -> None:
        super().__init__()
        self._known, self._feasible = known, feasible

    def do(self, pop: Any, *others: Any, **_: Any) -> Any:
        if not len(pop):
            return pop
        archs = _rows(pop)
        keep = self._feasible.inside(archs)
        seen = {key for other in others if len(other) for key in row_keys(_rows(other))}
        for index, key in enumerate(row_keys(archs)):
            keep[index] &= key not in self._known and key not in seen
            seen.add(key)
        return pop[keep]
