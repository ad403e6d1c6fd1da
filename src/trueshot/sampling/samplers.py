"""Samplers: which architectures a training step uses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from trueshot.core.errors import BudgetError, ConfigError
from trueshot.core.units import format_count
from trueshot.spaces import Space


@runtime_checkable
class Sampler(Protocol):
    """Draws architectures for training.

    Attributes:
        per_step: how many architectures belong to one optimizer step; their gradients are averaged.
    """

    @property
    def per_step(self) -> int:
        """Architectures in one optimizer step."""

    def sample(self, n: int, rng: np.random.Generator) -> UInt8[np.ndarray, "n decisions"]:
        """Draw ``n`` architectures; consecutive groups of ``per_step`` belong to one step."""


@runtime_checkable
class Remembers(Protocol):
    """A sampler whose draws depend on those before; a resumed training draws the earlier ones again."""

    def restart(self) -> None:
        """Forget all draws."""


@dataclass(frozen=True)
class Uniform:
    """Every architecture equally likely (ST-NAS, Eq. 2 and 3; SPOS): all options of a decision, where all are valid."""

    space: Space
    per_step: int = 1

    def sample(self, n: int, rng: np.random.Generator) -> UInt8[np.ndarray, "n decisions"]:
        """Draw ``n`` architectures."""
        return self.space.sample(n, rng)


@dataclass(frozen=True)
class StrictlyFair:
    """Every candidate of every decision once in a step (FairNAS): one permutation of the options for each decision.

    A step takes as many architectures as the largest decision has options. A decision with fewer options fills up from
    further permutations, so that its options appear at least once and differ by at most one in their number.

    Raises:
        ConfigError: for a space that forbids combinations of options.
    """

    space: Space

    def __post_init__(self) -> None:
        """Check the space."""
        check_product(self.space, "strictly fair sampling")

    @property
    def per_step(self) -> int:
        """Options of the largest decision."""
        return int(max(self.space.options, default=1))

    def sample(self, n: int, rng: np.random.Generator) -> UInt8[np.ndarray, "n decisions"]:
        """Draw ``n`` architectures in groups of ``per_step``; a last group may be cut short."""
        size = self.per_step
        groups = -(-n // size)
        drawn = np.empty((groups, size, len(self.space.decisions)), dtype=np.uint8)
        for options in np.unique(self.space.options):
            genes = np.flatnonzero(self.space.options == options)
            rounds = -(-size // options)
            order = rng.random((groups, len(genes), rounds, options)).argsort(axis=-1)
            entries = order.reshape(groups, len(genes), rounds * options)[:, :, :size]
            # The permutations are shuffled along the step, else the repeats would always fall on its last networks.
            along = rng.random(entries.shape).argsort(axis=-1) if rounds > 1 else None
            entries = entries if along is None else np.take_along_axis(entries, along, axis=-1)
            drawn[:, :, genes] = entries.transpose(0, 2, 1)
        return drawn.reshape(groups * size, drawn.shape[-1])[:n]


@dataclass(frozen=True)
class Matched:
    """Uniform but for branches, which are dropped with ``p_drop`` (ST-NAS, Eq. 5).

    Decisions with the option ``none`` take it with probability ``p_drop`` and each other option with
    ``(1 - p_drop) / others``; decisions without it are uniform.

    Attributes:
        space: some edges of it can be dropped.
        p_drop: the probability.
        per_step: architectures in a step.
        floored: whether no branch is dropped more rarely than uniform sampling drops it (Eq. 3): so a topology is
            trained even where ``p_drop`` is zero.
    """

    space: Space
    p_drop: float
    per_step: int = 1
    floored: bool = False

    def __post_init__(self) -> None:
        """Check the space and the probability."""
        check_product(self.space, "sampling with p_drop")
        if not self.space.droppable.any():
            raise ConfigError(f"space {self.space.name} has no edge that can be dropped: sample it uniformly")
        if not 0.0 <= self.p_drop <= 1.0:
            raise ConfigError(f"p_drop {self.p_drop} is no probability: choose it between 0 and 1")

    @classmethod
    def to_target(cls, space: Space, madds: float) -> Matched:
        """Solve ``p_drop`` so that the expected MAdds equal ``madds`` (ST-NAS, Eq. 4; closed form).

        Raises:
            BudgetError: with the reachable range when no ``p_drop`` in [0, 1] meets the target, or when the space has
                no branches.
            ConfigError: when costs of the space are no sums over decisions.
        """
        if not space.droppable.any():
            raise BudgetError(
                f"space {space.name} has no edge that can be dropped, so that its expected MAdds cannot be matched to a"
                " target: sample it uniformly"
            )
        always, branches = expected_parts(space)
        # Branches that cost nothing leave one reachable value, whatever is dropped.
        p_drop = 1.0 - (madds - always) / branches if branches > 0 else float(madds != always) * 2.0
        if not -1e-9 <= p_drop <= 1.0 + 1e-9:
            raise BudgetError(
                f"no p_drop gives {format_count(madds)} expected MAdds in space {space.name}: choose a target between"
                f" {format_count(always)} and {format_count(always + branches)}"
            )
        return cls(space, float(np.clip(p_drop, 0.0, 1.0)))

    @classmethod
    def within(cls, space: Space, most: float | None, *, most_dropped: float) -> Matched:
        """Return the sampler whose expected MAdds come as near to a bound as a limited ``p_drop`` allows.

        Nobody asked for exactly this target, so that no branch is dropped more rarely than in uniform sampling: else a
        bound above the mean, or none, would train the shared weights with all branches there, always.

        Args:
            space: has edges that can be dropped.
            most: the bound; without one, the MAdds of the most expensive architecture.
            most_dropped: bound on ``p_drop``.
        """
        always, branches = expected_parts(space)
        if branches == 0:
            return cls(space, 0.0, floored=True)
        target = most
        if target is None:
            ends = space.bounds("madds")
            assert ends is not None
            target = ends[1]
        return cls(space, float(np.clip(1.0 - (target - always) / branches, 0.0, most_dropped)), floored=True)

    @property
    def expected_madds(self) -> float:
        """Expected MAdds of a sampled architecture, exact."""
        always, branches = expected_parts(self.space)
        if not self.floored:
            return always + (1.0 - self.p_drop) * branches
        table = self.space.cost_table
        assert table is not None
        mean = table.madds.sum(axis=1) / (self.space.options - self.space.droppable)
        drops = self.space.droppable.astype(bool)
        return float(always + ((1.0 - self.dropped) * mean)[drops].sum())

    @cached_property
    def dropped(self) -> np.ndarray:
        """Probability with which each decision drops its edge, ``(decisions,)``; zero where it cannot."""
        least = 1.0 / self.space.options if self.floored else 0.0
        return np.where(self.space.droppable.astype(bool), np.maximum(self.p_drop, least), 0.0)

    @property
    def drops_nothing(self) -> bool:
        """Whether all branches are always there, so that no topology is sampled."""
        return not (self.dropped > 0).any()

    @cached_property
    def _none(self) -> np.ndarray:
        return np.array([-1 if decision.none is None else decision.none for decision in self.space.decisions])

    def sample(self, n: int, rng: np.random.Generator) -> UInt8[np.ndarray, "n decisions"]:
        """Draw ``n`` architectures."""
        none = self._none
        others = self.space.options - (none >= 0)
        drawn = rng.integers(0, others, size=(n, len(none)))
        drawn += (none >= 0) & (drawn >= none)
        dropped = (rng.random(drawn.shape) < self.dropped) & (none >= 0)
        return np.where(dropped, none, drawn).astype(np.uint8)


def check_product(space: Space, what: str) -> None:
    """Check that a space allows every combination of options.

    Raises:
        ConfigError: saying what needs it.
    """
    if not space.is_product:
        raise ConfigError(
            f"{what} chooses each option by itself, but space {space.name} forbids some combinations: sample uniformly"
        )


def expected_parts(space: Space) -> tuple[float, float]:
    """Return the expected MAdds of all that always stands, and of the branches if all were present.

    The first is F + S, the second B of the closed form ``E = F + S + (1 - p_drop) B``.

    Raises:
        ConfigError: when costs of the space are no sums over decisions.
    """
    table = space.cost_table
    if table is None:
        raise ConfigError(
            f"p_drop cannot be matched in space {space.name}, whose costs are no sums over decisions: sample it"
            " uniformly"
        )
    mean = table.madds.sum(axis=1) / (space.options - space.droppable)
    drops = space.droppable.astype(bool)
    return float(table.fixed_madds + mean[~drops].sum()), float(mean[drops].sum())
