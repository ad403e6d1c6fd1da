"""What is looked at of a user's own sampler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8

from trueshot.core.errors import ConfigError
from trueshot.core.own import Own, blaming
from trueshot.spaces import Space
from trueshot.spaces.own import checked_rows


class OwnSampler(Own):
    """Looks at how many architectures a user's own sampler draws, and at each of them."""

    def __init__(self, kind: str, made: Any, space: Space) -> None:
        super().__init__(kind, made)
        self.space = space
        _ = self.per_step

    @property
    def per_step(self) -> int:
        """Architectures in one optimizer step."""
        with blaming(f"'per_step' of sampler {self.kind} cannot be read", "correct it"):
            count = self.made.per_step
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
            raise ConfigError(f"'per_step' of sampler {self.kind} is {count!r}: let it be a whole number from 1")
        return int(count)

    def sample(self, n: int, rng: np.random.Generator) -> UInt8[np.ndarray, "n decisions"]:
        """Draw ``n`` architectures."""
        with blaming(f"sampler {self.kind} cannot draw", "correct its `sample`"):
            drawn = self.made.sample(n, rng)
        rows = checked_rows(drawn, self.space, f"sampler {self.kind} drew")
        if len(rows) != n:
            raise ConfigError(
                f"sampler {self.kind} drew {len(rows)} architectures where {n} were asked for: correct its `sample`"
            )
        return rows


class _Remembering(OwnSampler):
    """A sampler whose draws depend on those before; it starts anew at once, for a training may have it do so late."""

    def __init__(self, kind: str, made: Any, space: Space) -> None:
        super().__init__(kind, made, space)
        self.restart()

    def restart(self) -> None:
        """Forget all draws."""
        with blaming(f"sampler {self.kind} cannot start anew", "correct its `restart`"):
            self.made.restart()


def guarded(kind: str, made: Any, arguments: Mapping[str, Any]) -> OwnSampler:
    """Return a user's own sampler in its guard."""
    guard = _Remembering if hasattr(made, "restart") else OwnSampler
    return guard(kind, made, arguments["context"].space)
