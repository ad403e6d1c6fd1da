"""De-isomorphic samplers: every class of twins is equally likely, whatever its size (Surgery paper, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, final

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from trueshot.core.errors import ConfigError
from trueshot.sampling.rejection import has_live_convolution
from trueshot.sampling.samplers import Sampler
from trueshot.spaces import Space
from trueshot.spaces.canonical.classes import every

Member = Literal["representative", "random"]


@final
@dataclass(frozen=True)
class Deisomorphic:
    """Draws a class of twins uniformly, then a member of it; the space is listed whole.

    Attributes:
        space: small enough to be listed.
        rule: canonical rule that says which architectures are twins; the space's default without one.
        member: ``representative`` always takes the lexicographically least member, ``random`` any with equal chances.
        require_live_conv: leave out architectures without a live convolution first; a class of which some members are
            left is drawn as often as any other. In NAS-Bench-201 6,321 of the 6,466 classes of rule ``nb201`` are left.
        per_step: architectures in a step.

    Raises:
        ConfigError: when the space is too large, or has no such rule.
    """

    space: Space
    rule: str | None = None
    member: Member = "representative"
    require_live_conv: bool = False
    per_step: int = 1

    @property
    def classes(self) -> int:
        """Number of classes that are drawn from."""
        return len(self._classes[1]) - 1

    @cached_property
    def _classes(self) -> tuple[UInt8[np.ndarray, "n decisions"], Int64[np.ndarray, " bounds"]]:
        """Return all architectures, class by class and in order within each, and where each class begins and ends."""
        rows = every(self.space)
        if self.require_live_conv:
            rows = rows[has_live_convolution(self.space, rows)]
        _, inverse = np.unique(self.space.canonical(rows, self.rule), axis=0, return_inverse=True)
        order = np.argsort(inverse.reshape(-1), kind="stable")
        bounds = np.append(0, np.cumsum(np.bincount(inverse.reshape(-1))))
        return rows[order], bounds.astype(np.int64)

    def sample(self, n: int, rng: np.random.Generator) -> UInt8[np.ndarray, "n decisions"]:
        """Draw ``n`` architectures."""
        rows, bounds = self._classes
        drawn = rng.integers(0, self.classes, size=n)
        first, last = bounds[drawn], bounds[drawn + 1]
        return rows[first if self.member == "representative" else rng.integers(first, last)]


@final
class LazyDeisomorphic:
    """Draws from another sampler and keeps one member of each class: the first that was met, for spaces of any size.

    An architecture is accepted when its class is new, and it then represents the class, or when it is that
    representative; else the next is drawn. Classes are equally likely in the limit, once all were met; before that
    large ones are favoured, as in the published code.

    The sampler remembers. Equal calls after :meth:`restart` give equal architectures.

    Args:
        space: which says what twins are, by ``rule`` (its default without one).
        sampler: drawn from one by one, whatever its own steps are.
        rule: canonical rule.
        per_step: architectures in a step.
    """

    def __init__(self, space: Space, sampler: Sampler, *, rule: str | None = None, per_step: int = 1) -> None:
        space.canonical(np.empty((0, len(space.decisions)), dtype=np.uint8), rule)
        self.space, self.sampler, self.rule, self.per_step = space, sampler, rule, per_step
        self._met: dict[bytes, bytes] = {}

    def restart(self) -> None:
        """Forget all classes."""
        self._met.clear()

    def sample(self, n: int, rng: np.random.Generator) -> UInt8[np.ndarray, "n decisions"]:
        """Draw the next ``n`` architectures."""
        accepted: list[np.ndarray] = []
        missing = n
        while missing > 0:
            drawn = self.sampler.sample(missing, rng)
            right = self._accept(drawn)
            accepted.append(drawn[right])
            missing -= int(right.sum())
        return np.concatenate([*accepted, np.empty((0, len(self.space.decisions)), dtype=np.uint8)])

    def _accept(self, drawn: UInt8[np.ndarray, "n decisions"]) -> Bool[np.ndarray, " n"]:
        canonical = self.space.canonical(drawn, self.rule)
        right = np.empty(len(drawn), dtype=bool)
        for position, (row, code) in enumerate(zip(drawn, canonical, strict=True)):
            text = row.tobytes()
            right[position] = self._met.setdefault(code.tobytes(), text) == text
        return right


@final
class FixedPool:
    """Draws uniformly from a given list of architectures, repeats in it counted as often.

    Args:
        space: of the architectures.
        archs: the list.
        per_step: architectures in a step.

    Raises:
        ArchitectureError: when a row is none of the space.
        ConfigError: when the list is empty.
    """

    def __init__(self, space: Space, archs: UInt8[np.ndarray, "n decisions"], *, per_step: int = 1) -> None:
        self.space, self.archs, self.per_step = space, space.check(archs), per_step
        if not len(self.archs):
            raise ConfigError(f"the pool of architectures of {space.name} is empty: give at least one")

    def sample(self, n: int, rng: np.random.Generator) -> UInt8[np.ndarray, "n decisions"]:
        """Draw ``n`` architectures."""
        return self.archs[rng.integers(0, len(self.archs), size=n)]
