"""Architectures of a space drawn with equal probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from trueshot.core.errors import ConfigError
from trueshot.spaces.checks import checked_valid

if TYPE_CHECKING:
    from trueshot.spaces.space import Space

_ROUNDS = 1000
"""Rounds of a draw, of which none finds a valid architecture, after which there is taken to be none."""

_MANY = 1024
"""Rows drawn at least in each round after the first."""


def drawn(space: Space, n: int, generator: np.random.Generator) -> UInt8[np.ndarray, "n decisions"]:
    """Draw ``n`` architectures.

    Raises:
        ConfigError: when a thousand rounds find no valid one.
    """
    accepted = _draw(space, n, generator)
    rounds = 0
    while len(accepted) < n:
        found = _draw(space, max(n - len(accepted), _MANY), generator)
        rounds = 0 if len(found) else rounds + 1
        if rounds >= _ROUNDS:
            raise ConfigError(
                f"{_ROUNDS} rounds of {_MANY} combinations of options or more of space {space.name} hold no valid"
                " architecture: let it draw them itself, by its own 'sample'"
            )
        accepted = np.concatenate([accepted, found])
    return accepted[:n]


def _draw(space: Space, n: int, generator: np.random.Generator) -> UInt8[np.ndarray, "m decisions"]:
    """Draw ``n`` combinations of options and return those that are valid."""
    rows = generator.integers(0, space.options, size=(n, len(space.decisions))).astype(np.uint8)
    return rows if space.is_product else rows[checked_valid(space, rows)]
