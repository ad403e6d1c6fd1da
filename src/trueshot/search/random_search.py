"""Random search: the baseline of every other proposer."""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.cache import row_keys
from trueshot.core.errors import ConfigError
from trueshot.core.random import Streams
from trueshot.sampling import Sampler, Uniform
from trueshot.search.bounds import Bounds
from trueshot.search.feasible import Feasible
from trueshot.spaces import Space

Rows = UInt8[np.ndarray, "_ decisions"]


@final
class RandomSearch:
    """Distinct random architectures inside hard bounds.

    Args:
        space: what to search.
        evaluations: how many architectures in all; fewer when the bounds leave fewer.
        batch: how many to ask for at once.
        bounds: hard bounds on the cost.
        seed: of all random numbers.
        sampler: distribution before the bounds; uniform by default.

    Raises:
        BudgetError: when no architecture meets the bounds.
    """

    def __init__(
        self,
        space: Space,
        *,
        evaluations: int = 990,
        batch: int = 45,
        bounds: Bounds | None = None,
        seed: int,
        sampler: Sampler | None = None,
    ) -> None:
        if evaluations < 1 or batch < 1:
            raise ConfigError(f"random search needs an evaluation and a batch of 1 or more, not {evaluations}, {batch}")
        self._feasible = Feasible(space=space, bounds=bounds or Bounds(), sampler=sampler or Uniform(space))
        self._streams = Streams(seed).child("random_search")
        self._left, self._batch, self._round = evaluations, batch, 0
        self._known: set[bytes] = set()
        self._asked: Rows | None = None

    @property
    def finished(self) -> bool:
        """Whether all were evaluated, or no new architecture is left inside the bounds."""
        return self._left == 0

    def ask(self) -> Rows:
        """Return the next batch, the same until it is told."""
        if self._asked is None:
            rng = self._streams.numpy("batch", self._round)
            self._asked = self._feasible.draw(min(self._batch, self._left), rng, self._known)
            self._known.update(row_keys(self._asked))
            self._left = self._left if len(self._asked) else 0
        return self._asked

    def tell(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> None:
        """Take the scores of the batch asked for; random search makes no use of them.

        Raises:
            ValueError: when the architectures are not those asked for, or a score is not finite.
        """
        if self._asked is None or not np.array_equal(archs, self._asked):
            raise ValueError("tell the architectures that were asked for, in their order")
        if not np.isfinite(scores).all():
            raise ValueError("scores must be finite")
        self._left -= len(archs)
        self._round += 1
        self._asked = None
