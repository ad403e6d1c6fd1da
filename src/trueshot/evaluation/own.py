"""What is looked at of a user's own evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.own import Own, blaming, checked_numbers, checked_text
from trueshot.spaces import Space


class OwnEvaluator(Own):
    """Looks at the digest and at the scores of a user's own evaluator, which sees a copy of the architectures."""

    def __init__(self, kind: str, made: Any, arguments: Mapping[str, Any]) -> None:
        super().__init__(kind, made)
        self.space: Space = arguments["context"].space

    @property
    def digest(self) -> str:
        """Fingerprint of all that scores depend on."""
        with blaming(f"'digest' of evaluator {self.kind} cannot be read", "correct it"):
            digest = self.made.digest
        return checked_text(digest, f"'digest' of evaluator {self.kind}")

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Return a score for each architecture."""
        with blaming(f"evaluator {self.kind} cannot score", "correct its `__call__`"):
            scores = self.made(archs.copy())
        told = f"evaluator {self.kind} gave"
        return checked_numbers(scores, len(archs), told, lambda index: self.space.format(archs[index]))


def try_evaluator(evaluator: Any, archs: UInt8[np.ndarray, "n decisions"]) -> None:
    """Have an evaluator score a few architectures, and read its digest.

    Raises:
        ConfigError: when it cannot.
    """
    checked_text(evaluator.digest, "a digest")
    evaluator(archs)
