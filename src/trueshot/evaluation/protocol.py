"""What an evaluator is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8


@runtime_checkable
class Evaluator(Protocol):
    """Scores architectures: pure in (weights, row, seed), independent of the order and of what else is scored."""

    @property
    def digest(self) -> str:
        """Fingerprint of all that scores depend on (weights, data, settings): the key of the evaluation cache."""

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Return one finite score for each architecture, higher is better."""
