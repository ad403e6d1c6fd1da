"""Samplers that reject: steps whose architectures have no convolution that leads anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8

from trueshot.core.errors import ConfigError
from trueshot.sampling.samplers import Remembers, Sampler
from trueshot.spaces import Space

_TRIES = 1000
"""Rounds without a single accepted step after which there is taken to be none."""


@runtime_checkable
class _Prunes(Protocol):
    """A space that says which parts of an architecture lead nowhere, and whose sites follow one decision each."""

    def prune(self, archs: UInt8[np.ndarray, "n decisions"]) -> UInt8[np.ndarray, "n decisions"]:
        """Return the architectures with nothing on such parts."""


def has_live_convolution(space: Space, archs: UInt8[np.ndarray, "n decisions"]) -> Bool[np.ndarray, " n"]:
    """Return for each architecture whether a searched part that is run has a convolution.

    In NAS-Bench-201 13,642 of the 15,625 architectures have one. Skip connections that are convolutions in the supernet
    alone do not count.
    """
    from trueshot.spaces.liveness import convolving_options, runs_convolution

    if not isinstance(space, _Prunes):
        return runs_convolution(space.final(), space.check(archs))
    rows, convolves = space.prune(archs), convolving_options(space.final())
    found: Bool[np.ndarray, " n"] = convolves[np.arange(rows.shape[1]), rows].any(axis=1)
    return found


@final
@dataclass(frozen=True)
class LiveConvolution:
    """Draws from another sampler and rejects steps in which an architecture has no live convolution.

    The Surgery paper's code samples so, although its text does not say it. Whole steps are drawn again, so that what
    holds for a step (strict fairness) still does.
    """

    space: Space
    sampler: Sampler

    @property
    def per_step(self) -> int:
        """As that of the sampler."""
        return self.sampler.per_step

    def restart(self) -> None:
        """Forget what was drawn, where the sampler remembers."""
        if isinstance(self.sampler, Remembers):
            self.sampler.restart()

    def sample(self, n: int, rng: np.random.Generator) -> UInt8[np.ndarray, "n decisions"]:
        """Draw ``n`` architectures.

        Raises:
            ConfigError: when a thousand rounds accept none.
        """
        size, width = self.per_step, len(self.space.decisions)
        missing = -(-n // size)
        accepted: list[np.ndarray] = []
        tries = 0
        while missing > 0:
            drawn = self.sampler.sample(missing * size, rng)
            right = has_live_convolution(self.space, drawn).reshape(missing, size).all(axis=1)
            accepted.append(drawn.reshape(missing, size, width)[right])
            missing -= int(right.sum())
            tries = 0 if right.any() else tries + 1
            if tries > _TRIES:
                raise ConfigError(f"no step of {size} architectures of {self.space.name} has live convolutions only")
        rows = np.concatenate([*accepted, np.empty((0, size, width), dtype=np.uint8)])
        return rows.reshape(-1, width)[:n]
