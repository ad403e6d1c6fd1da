"""Configurations of the proposers, free of heavy imports.

Each builds its proposer from a context that offers space, costs, bounds, seed and sampler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, field_validator

from trueshot.core.config import Choice, Part, PartConfig
from trueshot.prediction.config import RidgeConfig

if TYPE_CHECKING:
    from trueshot.search.protocol import Proposer


def _given(context: Any) -> dict[str, Any]:
    """Return what every proposer is made from beside the space and its own configuration."""
    return {name: getattr(context, name) for name in ("costs", "bounds", "seed", "sampler")}


class _CountedConfig(PartConfig):
    """The size of a search that is told by its number of evaluations."""

    if TYPE_CHECKING:
        evaluations: int

    def scaled(self, factor: float) -> Self:
        """Return the configuration with a share of the evaluations."""
        return self.replace(evaluations=max(1, round(self.evaluations * min(1.0, factor))))


class NSGA2Config(PartConfig):
    """The size of the evolution; the default is the paper's (ST-NAS), 22 generations of 45, 990 evaluations.

    Attributes:
        population: architectures in a generation and among the survivors.
        generations: including the random first one.
        minimise: names of the costs to minimise beside maximising the score; of any number, also none.
        redraws: how often children that are known or out of bounds are drawn anew before random architectures take
            their places.
    """

    population: int = Field(default=45, ge=2)
    generations: int = Field(default=22, ge=1)
    minimise: tuple[str, ...] = ("madds",)
    redraws: int = Field(default=25, ge=1)

    @field_validator("minimise")
    @classmethod
    def _check_minimised(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for place, name in enumerate(names):
            if name in names[:place]:
                raise ValueError(f"{name} stands there twice: give each cost once")
        return names

    @property
    def evaluations(self) -> int:
        """Evaluations of a whole search."""
        return self.population * self.generations

    def scaled(self, factor: float) -> NSGA2Config:
        """Return the configuration with a share of the generations, two at least where there are so many."""
        least = min(2, self.generations)
        return self.replace(generations=max(least, round(self.generations * min(1.0, factor))))

    def build(self, context: Any, *inside: Any) -> Proposer:
        """Return the proposer.

        Raises:
            BudgetError: when no architecture meets the bounds.
        """
        from trueshot.search.nsga2 import NSGA2

        return NSGA2(context.space, config=self, **_given(context))


class RandomSearchConfig(_CountedConfig):
    """The size of a random search.

    Attributes:
        evaluations: architectures in all; fewer when the bounds leave fewer.
    """

    evaluations: int = Field(default=990, ge=1)

    def build(self, context: Any, *inside: Any) -> Proposer:
        """Return the proposer.

        Raises:
            BudgetError: when no architecture meets the bounds.
        """
        from trueshot.search.random_search import RandomSearch

        return RandomSearch(context.space, config=self, **_given(context))


class EvolutionConfig(_CountedConfig):
    """Regularised evolution, sized for about 1,000 evaluations.

    Published are a population of 100 and a sample of 25, for 20,000 evaluations. Of 990, a hundred random ones would be
    a tenth, and a quarter in a tournament chooses too weakly to get far (``benchmarks/proposers.py`` compares both).

    Attributes:
        evaluations: architectures in all, the random first population included.
        population: architectures that live at a time.
        sample: members of a tournament, whose best becomes a parent; all of the population where it is smaller.
        at_once: most children whose scores are not known: more keep more workers busy, fewer get farther.
        redraws: how often a child that is known or out of bounds is drawn anew before it is repaired.
    """

    evaluations: int = Field(default=990, ge=1)
    population: int = Field(default=50, ge=2)
    sample: int = Field(default=25, ge=1)
    at_once: int = Field(default=8, ge=1)
    redraws: int = Field(default=25, ge=1)

    def build(self, context: Any, *inside: Any) -> Proposer:
        """Return the proposer.

        Raises:
            BudgetError: when no architecture meets the bounds.
        """
        from trueshot.search.evolution import Evolution

        return Evolution(context.space, config=self, **_given(context))


class GuidedConfig(_CountedConfig):
    """A search guided by a predictor that learns from all scores so far.

    Attributes:
        predictor: what learns.
        evaluations: architectures in all, the random first ones included.
        first: random architectures before the predictor is asked.
        pool: new random architectures of which those with the best predictions are asked for.
        at_once: most architectures whose scores are not known, after the first: more keep more workers busy, fewer
            let the predictor learn in between.
    """

    predictor: Annotated[Part, Choice("predictor")] = Part("ridge", RidgeConfig())
    evaluations: int = Field(default=990, ge=1)
    first: int = Field(default=90, ge=1)
    pool: int = Field(default=1000, ge=2)
    at_once: int = Field(default=8, ge=1)

    def build(self, context: Any, *inside: Any) -> Proposer:
        """Return the proposer, with a predictor of its own.

        Raises:
            BudgetError: when no architecture meets the bounds.
        """
        from trueshot.search.guided import Guided

        return Guided(
            context.space,
            self.predictor.build(context),
            config=self,
            **_given(context),
        )
