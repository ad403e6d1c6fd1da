"""What a predictor is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8


@runtime_checkable
class Predictor(Protocol):
    """Learns from architectures and their scores, and tells the scores of any; higher is better.

    Fitted, it is an evaluator too. It is a function of its configuration, of the space and of what it was last fitted
    to, so that a search that asks it can be resumed.
    """

    @property
    def digest(self) -> str:
        """Fingerprint of all that predictions depend on: of what it learned too, hence another after each fit."""

    def fit(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> None:
        """Learn from architectures, one at least, and their finite scores; what was learned before is forgotten.

        Raises:
            ValueError: when there is nothing to learn from, or a score is not finite.
        """

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Return a finite score for each architecture, in the unit of those that were learned.

        Raises:
            ValueError: when it was not fitted.
        """
