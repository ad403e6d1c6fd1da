"""Spaces scaled in width to a cost, so that networks can be compared at equal cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from trueshot.core.errors import ConfigError
from trueshot.spaces.space import Space

S = TypeVar("S", bound=Space)

_STEP = 10_000
"""Widths are multiplied by whole multiples of one over this."""

_WIDEST = 1000
"""No space is made wider than so many times."""


def scale_width(
    space: S,
    cost: Callable[[S], float],
    target: float,
    *,
    tolerance: float = 0.02,
    divisors: Sequence[int] = (8, 4, 2, 1),
) -> S:
    """Return ``space`` at the width whose cost is closest to ``target``, from above or below.

    Widths are multiplied in steps of 1/10,000, with channels divisible by the first of ``divisors``. Only where no
    width comes within ``tolerance`` are the others tried, which narrow networks need.

    Args:
        space: one that says which widths it multiplies (:meth:`~trueshot.spaces.Space.scaled`).
        cost: what a scaled space costs, for instance the MAdds of one of its architectures; it never falls as the width
            grows.
        target: the cost wanted.
        tolerance: a fraction of the target.
        divisors: of the channels.

    Raises:
        ConfigError: when the space does not say which widths it multiplies, or stays below the target at any width.
    """
    best, least = space, float("inf")
    for divisor in divisors:
        found, distance = _closest(space, cost, target, divisor)
        if distance < least:
            best, least = found, distance
        if least <= tolerance * target:
            break
    return best


def _closest(space: S, cost: Callable[[S], float], target: float, divisor: int) -> tuple[S, float]:
    """Bisect over the multiplier; return the closest space and the distance of its cost."""

    def at(step: int) -> tuple[S, float]:
        scaled = cast(S, space.scaled(step / _STEP, divisor))
        return scaled, cost(scaled)

    low, high = 1, _STEP
    while at(high)[1] < target:
        low, high = high, 2 * high
        if high > _WIDEST * _STEP:
            raise ConfigError(
                f"space {space.name} costs less than {target:g} at {_WIDEST} times its width: choose a lower target"
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at(middle)[1] <= target else (low, middle)
    distances = [(scaled, abs(value - target)) for scaled, value in (at(low), at(high))]
    return min(distances, key=lambda found: found[1])
