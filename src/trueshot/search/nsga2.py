"""NSGA-II by pymoo's ask and tell, with the operators of ST-NAS (section 3.4)."""

from __future__ import annotations

import dataclasses
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
from trueshot.core.errors import ConfigError
from trueshot.core.random import Streams
from trueshot.sampling import Sampler, Uniform
from trueshot.search.bounds import OBJECTIVES, Bounds, Objective
from trueshot.search.feasible import Feasible
from trueshot.spaces import Space

Rows = UInt8[np.ndarray, "_ decisions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class NSGA2Config:
    """The size of the evolution; the default is the paper's, 22 generations of 45, 990 evaluations.

    Attributes:
        population: architectures in a generation and among the survivors.
        generations: including the random first one.
        objective: the cost to minimise beside maximising the score.
        redraws: how often children that are known or out of bounds are drawn anew before random architectures take
            their places.
    """

    population: int = 45
    generations: int = 22
    objective: Objective = "madds"
    redraws: int = 25

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.population < 2 or self.generations < 1 or self.redraws < 1:
            raise ConfigError(
                f"evolution needs a population of 2 or more, a generation and a redraw, not {self.population},"
                f" {self.generations} and {self.redraws}"
            )
        if self.objective not in OBJECTIVES:
            raise ConfigError(f"objective '{self.objective}' is no cost: choose one of {', '.join(OBJECTIVES)}")

    @property
    def evaluations(self) -> int:
        """Evaluations of a whole search."""
        return self.population * self.generations


@final
class NSGA2:
    """Minimise a cost and maximise the score inside hard bounds.

    The first generation is random, each later one children: binary tournaments by rank, then crowding, pick parents;
    single-point crossover gives one child (genes 1 to p of the first parent, the rest of the second); one random gene
    of it changes to another option; and it is drawn anew when it is out of bounds or was asked for before. Survivors
    are picked by non-dominated sorting and crowding distance. When the bounds leave no new architecture, generations
    shrink and the search ends early.

    Args:
        space: what to search.
        config: population, generations, objective.
        bounds: hard bounds on the cost.
        seed: of all random numbers; the search is a function of it and of the scores.
        sampler: distribution of the first generation before the bounds; uniform by default.

    Raises:
        BudgetError: when no architecture meets the bounds.
    """

    def __init__(
        self,
        space: Space,
        *,
        config: NSGA2Config | None = None,
        bounds: Bounds | None = None,
        seed: int,
        sampler: Sampler | None = None,
    ) -> None:
        self.space = space
        self.config = config or NSGA2Config()
        self._feasible = Feasible(space=space, bounds=bounds or Bounds(), sampler=sampler or Uniform(space))
        self._streams = Streams(seed).child("nsga2")
        self._generation = 0
        self._finished = False
        self._known: set[bytes] = set()
        self._asked: Any = None
        first = self._feasible.draw(self.config.population, self._streams.numpy("first"))
        admissible = _Admissible(self._known, self._feasible)
        self._algorithm = _algorithm(space, self.config, first, admissible, self._streams.key("pymoo"))

    @property
    def finished(self) -> bool:
        """Whether all generations are done, or no new architecture is left inside the bounds."""
        return self._finished

    @property
    def population(self) -> Rows:
        """The survivors: parents of the next generation; empty before the first is told."""
        survivors = self._algorithm.pop
        return self._empty() if survivors is None or not len(survivors) else _rows(survivors)

    def ask(self) -> Rows:
        """Return the next generation, the same until it is told."""
        if self._finished:
            return self._empty()
        if self._asked is None:
            proposed = self._propose()
            if not len(proposed):
                self._finished = True
                return self._empty()
            self._asked = proposed
            self._known.update(row_keys(_rows(proposed)))
        return _rows(self._asked)

    def tell(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> None:
        """Take the scores of the generation asked for.

        Raises:
            ValueError: when the architectures are not those asked for, or a score is not finite.
        """
        if self._asked is None or not np.array_equal(archs, self.ask()):
            raise ValueError("tell the architectures that were asked for, in their order")
        if not np.isfinite(scores).all():
            raise ValueError("scores must be finite")
        costs = self.space.cost(archs)
        cost = costs.madds if self.config.objective == "madds" else costs.params
        self._asked.set("F", np.stack([cost.astype(np.float64), -scores], axis=1))
        self._algorithm.tell(infills=self._asked)
        self._asked = None
        self._generation += 1
        self._finished = self._generation >= self.config.generations

    def _propose(self) -> Any:
        children = self._algorithm.ask()
        children = Population.empty() if children is None else children
        # pymoo would stop by itself when no child is new; here random architectures take their places.
        self._algorithm.termination.force_termination = False
        missing = self.config.population - len(children)
        if self._generation and missing:
            known = self._known.union(row_keys(_rows(children)) if len(children) else [])
            more = self._feasible.draw(missing, self._streams.numpy("fill", self._generation), known)
            children = Population.merge(children, Population.new(X=more.astype(np.int64)))
        return children

    def _empty(self) -> Rows:
        return np.zeros((0, len(self.space.decisions)), dtype=np.uint8)


def _rows(population: Any) -> Rows:
    rows: Rows = population.get("X").astype(np.uint8)
    return rows


def _algorithm(space: Space, config: NSGA2Config, first: Rows, admissible: DuplicateElimination, seed: int) -> Any:
    """Set up pymoo's algorithm; its generator is seeded by ``seed``, and it draws from no other."""
    # The hint would go to standard output, which may carry JSON.
    Config.warnings["not_compiled"] = False
    mating = Mating(
        TournamentSelection(func_comp=tournament),
        SinglePoint(),
        OneGene(space.options),
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
    genes = len(space.options)
    return algorithm.setup(Problem(n_var=genes, n_obj=2, xl=np.zeros(genes), xu=space.options - 1, vtype=int))


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
        self._open = np.flatnonzero(options > 1)

    def _do(self, problem: Any, X: np.ndarray, *_: Any, random_state: Any, **__: Any) -> np.ndarray:
        if not len(self._open):
            return X
        mutated, each = X.copy(), np.arange(len(X))
        gene = self._open[random_state.integers(0, len(self._open), size=len(X))]
        step = random_state.integers(1, self._options[gene])
        mutated[each, gene] = (mutated[each, gene] + step) % self._options[gene]
        return mutated


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
