"""Hard bounds on the cost of architectures."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from trueshot.core.errors import BudgetError
from trueshot.core.units import format_count
from trueshot.spaces import Space
from trueshot.spaces.counting import Costs

Objective = Literal["madds", "params"]
"""A cost to minimise: multiply-adds of one image, or parameters."""

OBJECTIVES: tuple[Objective, ...] = ("madds", "params")
_NO_MAXIMUM = np.iinfo(np.int64).max


def option_costs(space: Space, objective: Objective) -> tuple[int, list[Int64[np.ndarray, " _"]]]:
    """Return the cost outside the decisions, and for each decision the cost of every option."""
    table = space.cost_table
    fixed, costs = (table.fixed_madds, table.madds) if objective == "madds" else (table.fixed_params, table.params)
    return fixed, [row[:options] for row, options in zip(costs, space.options.tolist(), strict=True)]


def cheapest(space: Space, objective: Objective = "madds") -> UInt8[np.ndarray, " decisions"]:
    """Return the architecture of least cost; of equal options the first."""
    return np.array([row.argmin() for row in option_costs(space, objective)[1]], dtype=np.uint8)


def dearest(space: Space, objective: Objective = "madds") -> UInt8[np.ndarray, " decisions"]:
    """Return the architecture of highest cost; of equal options the first."""
    return np.array([row.argmax() for row in option_costs(space, objective)[1]], dtype=np.uint8)


def cost_range(space: Space, objective: Objective) -> tuple[int, int]:
    """Return the costs of the cheapest and of the dearest architecture."""
    fixed, options = option_costs(space, objective)
    return fixed + sum(int(row.min()) for row in options), fixed + sum(int(row.max()) for row in options)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounds:
    """What an architecture may cost, inclusive; ``None`` is no bound.

    Attributes:
        max_madds: most multiply-adds of one image; ``min_madds`` the fewest.
        max_params: most parameters; ``min_params`` the fewest.
    """

    max_madds: int | None = None
    min_madds: int | None = None
    max_params: int | None = None
    min_params: int | None = None

    def __post_init__(self) -> None:
        """Check that each least is at most its most."""
        for objective, least, most in zip(OBJECTIVES, self.low.tolist(), self.high.tolist(), strict=True):
            if least > most:
                raise BudgetError(
                    f"min_{objective} {format_count(least)} is above max_{objective} {format_count(most)}: swap them"
                )

    @property
    def low(self) -> Int64[np.ndarray, " 2"]:
        """Least MAdds and parameters, 0 without a bound."""
        return np.array([self.min_madds or 0, self.min_params or 0], dtype=np.int64)

    @property
    def high(self) -> Int64[np.ndarray, " 2"]:
        """Most MAdds and parameters, the largest integer without a bound."""
        given = (self.max_madds, self.max_params)
        return np.array([_NO_MAXIMUM if most is None else most for most in given], dtype=np.int64)

    def __str__(self) -> str:
        named = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        return ", ".join(f"{name} {format_count(value)}" for name, value in named if value is not None) or "no bounds"

    def contains(self, costs: Costs) -> Bool[np.ndarray, " n"]:
        """Return which architectures of a batch lie inside."""
        both = np.stack([costs.madds, costs.params], axis=1)
        inside: np.ndarray = np.logical_and.reduce((both >= self.low) & (both <= self.high), axis=1)
        return inside

    def check(self, space: Space) -> None:
        """Check each bound against the cheapest and the dearest architecture.

        Raises:
            BudgetError: with the range that holds, when a maximum is below the cheapest or above the dearest
                architecture, or a minimum above the dearest.
        """
        for objective in OBJECTIVES:
            least, most = cost_range(space, objective)
            what = "MAdds" if objective == "madds" else "parameters"
            valid = f"choose {least} to {most} {what} ({format_count(least)} to {format_count(most)})"
            for name in (f"max_{objective}", f"min_{objective}"):
                bound = getattr(self, name)
                if bound is None:
                    continue
                if name.startswith("max") and bound < least:
                    raise BudgetError(f"{name} {bound} is below the cheapest architecture of {space.name}: {valid}")
                if bound > most:
                    raise BudgetError(f"{name} {bound} is above the dearest architecture of {space.name}: {valid}")
