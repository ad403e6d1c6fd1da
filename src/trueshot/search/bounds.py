"""Hard bounds on the costs of architectures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import final

import numpy as np
from jaxtyping import Bool

from trueshot.core.errors import BudgetError
from trueshot.core.units import format_count
from trueshot.search.extremes import extremes
from trueshot.spaces.costs import CostFunctions, Costs

Number = int | float


@final
class Bounds(Mapping[str, tuple[Number | None, Number | None]]):
    """The least and the most that an architecture may cost, by the name of the cost; both inclusive.

    Args:
        limits: for each cost the least and the most, ``None`` for no bound.

    Raises:
        BudgetError: when a least is above its most, or a bound is not a number.
    """

    def __init__(self, limits: Mapping[str, tuple[Number | None, Number | None]] | None = None) -> None:
        self._limits = {name: pair for name, pair in (limits or {}).items() if pair != (None, None)}
        for name, (least, most) in self._limits.items():
            if any(bound is not None and math.isnan(bound) for bound in (least, most)):
                raise BudgetError(f"a bound on {name} is not a number: give one")
            if least is not None and most is not None and least > most:
                raise BudgetError(
                    f"min_{name} {format_count(least)} is above max_{name} {format_count(most)}: swap them"
                )

    @classmethod
    def of(
        cls,
        *,
        least: Mapping[str, Number] | None = None,
        most: Mapping[str, Number] | None = None,
        **named: Number | None,
    ) -> Bounds:
        """Return bounds from all that is least and all that is most, or from ``max_NAME=`` and ``min_NAME=``."""
        low, high = dict(least or {}), dict(most or {})
        for key, value in named.items():
            side, _, name = key.partition("_")
            if side not in ("max", "min") or not name:
                raise TypeError(f"name a bound max_NAME or min_NAME, not {key}")
            if value is not None:
                (high if side == "max" else low)[name] = value
        return cls({name: (low.get(name), high.get(name)) for name in dict.fromkeys([*high, *low])})

    def __getitem__(self, name: str) -> tuple[Number | None, Number | None]:
        return self._limits[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._limits)

    def __len__(self) -> int:
        return len(self._limits)

    def __str__(self) -> str:
        sides = {"max": 1, "min": 0}
        named = [(f"{side}_{name}", pair[at]) for name, pair in self.items() for side, at in sides.items()]
        return ", ".join(f"{name} {format_count(value)}" for name, value in named if value is not None) or "no bounds"

    def __repr__(self) -> str:
        return f"Bounds({self._limits})"

    def range_of(self, name: str) -> tuple[float, float]:
        """Return the least and the most of a cost, infinite where it is not bounded."""
        least, most = self.get(name, (None, None))
        return -math.inf if least is None else least, math.inf if most is None else most

    def contains(self, costs: Costs) -> Bool[np.ndarray, " n"]:
        """Return which architectures of a batch lie inside, given at least the costs that are bounded."""
        inside: np.ndarray = np.ones(len(next(iter(costs.values()))), dtype=bool)
        for name in self:
            low, high = self.range_of(name)
            inside &= (costs[name] >= low) & (costs[name] <= high)
        return inside

    def check(self, costs: CostFunctions) -> None:
        """Check each bound against the cheapest and the most expensive architecture.

        The range of an additive cost is exact; that of another is what a search found, and is said to be so.

        Raises:
            BudgetError: with the range that holds, when a most is below the cheapest or above the most expensive
                architecture, or a least above the most expensive.
            ConfigError: when the space has no cost of a bound's name.
        """
        for name, (least, most) in self.items():
            reach = extremes(costs, name)
            for bound, side in ((most, "max"), (least, "min")):
                if bound is not None and side == "max" and bound < reach.low:
                    raise self._unreachable(costs, f"max_{name}", bound, "below the cheapest")
                if bound is not None and bound > reach.high:
                    raise self._unreachable(costs, f"{side}_{name}", bound, "above the most expensive")

    @staticmethod
    def _unreachable(costs: CostFunctions, key: str, bound: Number, where: str) -> BudgetError:
        name = key[4:]
        reach, unit = extremes(costs, name), costs[name].unit
        low, high = costs.format(name, reach.low), costs.format(name, reach.high)
        found, about = ("", "") if reach.exact else (" found", "about ")
        return BudgetError(
            f"{key} {bound} is {where} architecture{found} of {costs.space.name}: choose {about}{reach.low} to"
            f" {reach.high} {unit} ({low} to {high})"
        )
