"""What is looked at of a user's own space and costs: all that can be told from a few architectures, before a run."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Integer, Real, UInt8

from trueshot.core.errors import ArchitectureError, ConfigError, TrueshotError
from trueshot.core.own import Own, blaming, checked_numbers, checked_text
from trueshot.spaces.costs import RESERVED, Additive

if TYPE_CHECKING:
    from trueshot.spaces.space import Space

_DRAWN = 3


def checked_rows(rows: Any, space: Space, told: str) -> UInt8[np.ndarray, "n decisions"]:
    """Return architectures that a component gave.

    Args:
        rows: what it gave.
        space: whose architectures they must be.
        told: what the component is and did, for the message, such as ``"sampler Mine drew"``.

    Raises:
        ConfigError: when they are no architectures of the space.
    """
    with blaming(f"{told} what is no batch of architectures", "return an integer array (n, decisions)"):
        try:
            return space.check(rows)
        except ArchitectureError as error:
            raise ConfigError(f"{told} what is no batch of architectures: {error}") from None


def check_space(space: Space, kind: str, *, classes: bool) -> None:
    """Try a user's own space: draw, write, read, cost, and run.

    Args:
        space: the space.
        kind: what the user called it.
        classes: whether it is known which classes its networks are to tell apart.

    Raises:
        ConfigError: naming what is wrong.
    """
    try:
        _try_space(space, kind)
        if classes:
            _try_network(space)
    except TrueshotError as error:
        raise ConfigError(str(error) if kind in str(error) else f"space {kind}: {error}") from error


def _try_space(space: Space, kind: str) -> None:
    from trueshot.spaces.space import Space

    told = f"space {kind}"
    if not isinstance(space, Hashable) or not _hashable(space):
        raise ConfigError(f"{told} is not hashable: make it a frozen dataclass of fields that are, tuples for lists")
    checked_text(space.name, f"'name' of {told}")
    with blaming(f"{told} cannot say its decisions", "see to `assemble`, or to its 'decisions'"):
        count = len(space.options)
    if not count:
        raise ConfigError(f"{told} has nothing to decide: let `assemble` ask place(site) what stands at each site")
    with blaming(f"{told} cannot be drawn from", "see to its decisions, `valid` and `sample`"):
        rows = checked_rows(space.sample(_DRAWN, 0), space, f"{told} drew")
    if len(rows) != _DRAWN:
        raise ConfigError(f"{told} drew {len(rows)} architectures where {_DRAWN} were asked for: see to its `sample`")
    for row in rows:
        with blaming(f"{told} cannot write and read its architectures", "see to its notation"):
            text = checked_text(space.format(row), f"what `format` of {told} gave")
            again = space.parse(text)
            checked_text(space.stream_name(row), f"what `stream_name` of {told} gave")
        if not np.array_equal(again, row):
            raise ConfigError(f"{told} reads '{text}' as another architecture than it wrote: see to its notation")
    for rule in space.rules:
        with blaming(f"{told} has no canonical rule '{rule}' that works", "see to its `canonical_rules`"):
            least = checked_rows(space.canonical(rows, rule), space, f"canonical rule '{rule}' of {told} gave")
        if len(least) != len(rows):
            raise ConfigError(f"canonical rule '{rule}' of {told} gave {len(least)} rows for {len(rows)}: one for each")
    with blaming(f"{told} cannot be costed", "see to what it assembles"):
        space.cost(rows)
        final = space.final()
    if not isinstance(final, Space):
        raise ConfigError(f"`final` of {told} gave {type(final).__name__}: return a space")


def _try_network(space: Space) -> None:
    """Run a network on one image, which costs nothing where it has no values."""
    import torch

    from trueshot.spaces.counting import check_logits
    from trueshot.spaces.meta import on_meta

    told = f"a network of space {space.name} cannot be run on images of {'x'.join(map(str, space.input_shape))}"
    with blaming(told, "see to its channels and sizes"), on_meta(), torch.no_grad():
        logits = space.network(space.sample(1, 0)[0]).eval()(torch.zeros(1, *space.input_shape, device="meta"))
    check_logits(logits, 1, space)


def _hashable(space: Space) -> bool:
    try:
        hash(space)
    except TypeError:
        return False
    return True


def check_name(name: Any, kind: str) -> None:
    """Check the name of a user's own cost.

    Raises:
        ConfigError: when it can be no option, or is a column of the evaluations that is taken.
    """
    if kind == name:
        raise ConfigError(f"cost {name} is there without --cost: leave that out")
    if not isinstance(name, str) or not name.isidentifier() or name in RESERVED:
        raise ConfigError(
            f"cost '{kind}' is called '{name}': choose a name of its own, of letters, digits and _, other than"
            f" {', '.join(RESERVED)}"
        )


class OwnCost(Own):
    """Looks at what a user's own cost gives; equal where the costs are."""

    def __init__(self, kind: str, made: Any, arguments: Mapping[str, Any]) -> None:
        super().__init__(kind, made)
        self.space: Space = arguments["space"]
        check_name(getattr(made, "name", ""), kind)
        self.name, self.title, self.unit = (
            checked_text(getattr(made, name), f"'{name}' of cost {kind}") for name in ("name", "title", "unit")
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnCost) and bool(self.made == other.made)

    def __hash__(self) -> int:
        try:
            return hash(self.made)
        except TypeError as error:
            raise ConfigError(f"cost {self.kind} is not hashable: make its dataclass frozen") from error

    def __call__(self, archs: Integer[np.ndarray, "n decisions"]) -> Real[np.ndarray, " n"]:
        """Return the cost of each architecture, whole numbers as such."""
        told = f"cost {self.kind} gave"
        with blaming(f"cost {self.kind} cannot be computed", "correct its `__call__`"):
            values = self.made(archs.copy())
        numbers = checked_numbers(values, len(archs), told)
        array = np.asarray(values)
        return array if array.dtype.kind in "iuf" else numbers


class _Summed(OwnCost):
    """A cost that may tell its summands."""

    def additive(self) -> Additive | None:
        """Return the summands, or ``None`` where the cost is no such sum."""
        with blaming(f"cost {self.kind} cannot be told as a sum", "correct its `additive`"):
            parts = self.made.additive()
        if parts is None:
            return None
        sizes = [int(size) for size in self.space.options]
        told = f"`additive` of cost {self.kind} gave"
        if not isinstance(parts, Additive) or [np.size(part) for part in parts.options] != sizes:
            what = f"{[np.size(part) for part in parts.options]} costs" if isinstance(parts, Additive) else f"{parts!r}"
            raise ConfigError(
                f"{told} {what} for decisions of {sizes} options: return None, or an Additive of a cost for each"
            )
        for part in (np.array([parts.fixed]), *parts.options):
            checked_numbers(part, np.size(part), told)
        return parts


class _Moving(OwnCost):
    """A cost that can be told of other spaces."""

    def on(self, space: Space) -> OwnCost:
        """Return the same cost of another space."""
        with blaming(f"cost {self.kind} cannot be told of space {space.name}", "correct its `on`"):
            moved = self.made.on(space)
        if not callable(moved) or getattr(moved, "name", None) != self.name:
            raise ConfigError(f"`on` of cost {self.kind} gave {type(moved).__name__}: return the same cost")
        return guarded(self.kind, moved, {"space": space})


class _SummedMoving(_Summed, _Moving):
    """A cost that does both."""


def guarded(kind: str, made: Any, arguments: Mapping[str, Any]) -> OwnCost:
    """Return a user's own cost in its guard."""
    summed, moving = hasattr(made, "additive"), hasattr(made, "on")
    guard = {(True, True): _SummedMoving, (True, False): _Summed, (False, True): _Moving}.get((summed, moving), OwnCost)
    return guard(kind, made, arguments)


def check_cost(cost: OwnCost) -> None:
    """Try a user's own cost on a few architectures: its sum, if it has one, and that each costs the same alone.

    Raises:
        ConfigError: naming what is wrong.
    """
    hash(cost)
    rows = cost.space.sample(_DRAWN, 0)
    together = np.asarray(cost(rows), dtype=np.float64)
    alone = np.concatenate([cost(row[None]) for row in rows]).astype(np.float64)
    if not np.allclose(together, alone):
        raise ConfigError(
            f"cost {cost.kind} gives {together[0]:g}, {together[1]:g} ... for architectures together and {alone[0]:g},"
            f" {alone[1]:g} ... for each alone: let it depend on the architecture only"
        )
    parts = cost.additive() if isinstance(cost, _Summed) else None
    if parts is not None:
        summed = parts.fixed + sum(np.asarray(part)[rows[:, gene]] for gene, part in enumerate(parts.options))
        if not np.allclose(together, np.asarray(summed, dtype=np.float64)):
            raise ConfigError(
                f"cost {cost.kind} gives {together[0]:g} where the sum of its `additive` is"
                f" {np.asarray(summed)[0]:g}: let both be the same, or `additive` return None"
            )
    if isinstance(cost, _Moving):
        cost.on(cost.space.final())(rows)
