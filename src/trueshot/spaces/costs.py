"""Named costs of architectures: multiply-adds, parameters, and whatever else counts, each a function of its own."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Integer, Real

from trueshot.core.errors import ConfigError, did_you_mean
from trueshot.core.units import format_quantity, parse_quantity

if TYPE_CHECKING:
    from trueshot.spaces.space import Space


RESERVED = ("arch", "digest", "row", "score", "seconds")
"""What no cost is called, for tables of evaluations have a column of each cost and of these."""


@final
class Costs(Mapping[str, np.ndarray]):
    """Costs of a batch of architectures: an array ``(n,)`` by name, read as ``costs["madds"]`` or ``costs.madds``."""

    def __init__(self, /, **columns: np.ndarray) -> None:
        self._columns = columns

    def __getitem__(self, name: str) -> np.ndarray:
        return self._columns[name]

    def __getattr__(self, name: str) -> np.ndarray:
        # Copying asks for special names before there are columns.
        if name.startswith("_") or name not in self._columns:
            raise AttributeError(f"no cost '{name}'")
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"Costs({', '.join(f'{name}={values!r}' for name, values in self.items())})"


@dataclass(frozen=True)
class Additive:
    """A cost that is a sum over the decisions.

    Attributes:
        fixed: the cost outside the decisions.
        options: for each decision the cost of each of its options, in the order of their indices.
    """

    fixed: int | float
    options: tuple[Real[np.ndarray, " _"], ...]


@runtime_checkable
class Cost(Protocol):
    """One cost of the architectures of a space; lower is better. Hashable, pure and independent of the batch.

    Attributes:
        name: an identifier, by which bounds, options and columns name the cost.
        title: what tables and axes call it.
        unit: what its values count: ``ms``, ``bytes`` (written as KB, MB and so on, of 1,000) or a plural.
    """

    @property
    def name(self) -> str:
        """An identifier."""

    @property
    def title(self) -> str:
        """What people call it."""

    @property
    def unit(self) -> str:
        """What its values count."""

    def __call__(self, archs: Integer[np.ndarray, "n decisions"]) -> Real[np.ndarray, " n"]:
        """Return the finite cost of each architecture."""


@runtime_checkable
class MayBeAdditive(Protocol):
    """A cost that may be a sum over the decisions, of which extremes and repairs are exact and fast."""

    def additive(self) -> Additive | None:
        """Return the summands, or ``None`` where the cost is no such sum."""


@runtime_checkable
class MovesOn(Protocol):
    """A cost that can be told of the architectures of any space, such as those of a network off the shelf."""

    def on(self, space: Space) -> Cost:
        """Return the same cost of another space."""


def additive(cost: Cost) -> Additive | None:
    """Return the summands of a cost, ``None`` where it has none or does not tell."""
    return cost.additive() if isinstance(cost, MayBeAdditive) else None


@final
@dataclass(frozen=True)
class Madds:
    """Multiply-adds of one image, by the convention of the space."""

    space: Space
    name = "madds"
    title = "MAdds"
    unit = "MAdds"

    def __call__(self, archs: Integer[np.ndarray, "n decisions"]) -> Real[np.ndarray, " n"]:
        """Count for each architecture."""
        return self.space.cost(archs).madds

    def additive(self) -> Additive | None:
        """Return the summands, in a space that has a table of costs."""
        table = self.space.cost_table
        return None if table is None else Additive(table.fixed_madds, _cut(self.space, table.madds))

    def on(self, space: Space) -> Madds:
        """Return the same cost of another space."""
        return Madds(space)


@final
@dataclass(frozen=True)
class Params:
    """Parameters, BatchNorm and biases included."""

    space: Space
    name = "params"
    title = "parameters"
    unit = "parameters"

    def __call__(self, archs: Integer[np.ndarray, "n decisions"]) -> Real[np.ndarray, " n"]:
        """Count for each architecture."""
        return self.space.cost(archs).params

    def additive(self) -> Additive | None:
        """Return the summands, in a space that has a table of costs."""
        table = self.space.cost_table
        return None if table is None else Additive(table.fixed_params, _cut(self.space, table.params))

    def on(self, space: Space) -> Params:
        """Return the same cost of another space."""
        return Params(space)


def _cut(space: Space, table: Real[np.ndarray, "decisions options"]) -> tuple[Real[np.ndarray, " _"], ...]:
    return tuple(row[:options] for row, options in zip(table, space.options.tolist(), strict=True))


@final
@dataclass(frozen=True)
class CostFunctions:
    """The named costs of a space, in order; called with architectures they return :class:`Costs`.

    Attributes:
        space: whose architectures are costed.
        functions: the costs, each name once.

    Raises:
        ConfigError: when a name is no identifier or stands twice, or a cost is not hashable.
    """

    space: Space
    functions: tuple[Cost, ...]

    def __post_init__(self) -> None:
        """Check the names."""
        for name in self.names:
            if not name.isidentifier():
                raise ConfigError(f"a cost is called '{name}': choose a name of letters, digits and _")
            if self.names.count(name) > 1:
                raise ConfigError(f"two costs are called '{name}': give each once, and a name of its own")
        for cost in self:
            if not isinstance(cost, Hashable):
                raise ConfigError(f"cost {cost.name} is not hashable: make its dataclass frozen")

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(cost.name for cost in self.functions)

    def __iter__(self) -> Iterator[Cost]:
        return iter(self.functions)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Cost:
        """Return one cost.

        Raises:
            ConfigError: when there is none of this name.
        """
        if name not in self.names:
            raise ConfigError(f"{self.space.name} has no cost '{name}'{did_you_mean(name, self.names)}")
        return self.functions[self.names.index(name)]

    def only(self, names: Sequence[str]) -> CostFunctions:
        """Return the costs of these names, in the order of this set."""
        chosen = {self[name].name for name in names}
        return CostFunctions(self.space, tuple(cost for cost in self if cost.name in chosen))

    def on(self, space: Space) -> CostFunctions:
        """Return those costs that can be told of another space too, of that space."""
        return CostFunctions(space, tuple(cost.on(space) for cost in self if isinstance(cost, MovesOn)))

    def __call__(self, archs: Integer[np.ndarray, "n decisions"]) -> Costs:
        """Cost every architecture of the batch.

        Raises:
            ConfigError: when a cost gives anything but one finite number for each.
        """
        columns: dict[str, Any] = {}
        for cost in self:
            values = np.asarray(cost(archs))
            if values.shape != (len(archs),) or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
                raise ConfigError(
                    f"cost {cost.name} must give one finite number for each architecture, not {values.dtype} of shape"
                    f" {values.shape}: {str(values.reshape(-1)[:3])[1:-1]} ..."
                )
            columns[cost.name] = values
        return Costs(**columns)

    def format(self, name: str, value: float) -> str:
        """Write a value of one cost for people, with its unit: ``60M MAdds``, ``350 KB``, ``4.1 ms``."""
        return format_quantity(value, self[name].unit)

    def parse(self, name: str, text: str | int | float) -> int | float:
        """Read a positive value of one cost, such as ``60M``, ``350KB`` or ``4.1 ms``.

        Raises:
            ConfigError: when the text is no such value, or there is no such cost.
        """
        return parse_quantity(text, self[name].unit, f"{name} bound")


def standard_costs(space: Space) -> CostFunctions:
    """Return the costs that every space has: multiply-adds and parameters."""
    return CostFunctions(space, (Madds(space), Params(space)))
