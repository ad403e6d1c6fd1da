"""What is looked at of a user's own predictor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.own import Own, blaming, checked_numbers, checked_text


class OwnPredictor(Own):
    """Looks at the digest and at the predictions of a user's own predictor, which sees copies of what it is given."""

    def __init__(self, kind: str, made: Any, arguments: Mapping[str, Any]) -> None:
        super().__init__(kind, made)

    @property
    def digest(self) -> str:
        """Fingerprint of all that predictions depend on."""
        with blaming(f"'digest' of predictor {self.kind} cannot be read", "correct it"):
            digest = self.made.digest
        return checked_text(digest, f"'digest' of predictor {self.kind}")

    def fit(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> None:
        """Learn from architectures and their scores."""
        with blaming(f"predictor {self.kind} cannot learn", "correct its `fit`"):
            self.made.fit(archs.copy(), scores.copy())

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Return a prediction for each architecture."""
        with blaming(f"predictor {self.kind} cannot predict", "correct its `__call__`"):
            predicted = self.made(archs.copy())
        return checked_numbers(predicted, len(archs), f"predictor {self.kind} gave")
