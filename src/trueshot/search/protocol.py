"""How a search talks: it asks for evaluations and is told their scores."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8


@runtime_checkable
class Proposer(Protocol):
    """Proposes architectures to evaluate; a deterministic function of its seed and of the scores it was told.

    Being deterministic is what makes a killed search resumable: the same seed asks for the same architectures, whose
    scores come from the evaluation cache.
    """

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask for."""

    def ask(self) -> UInt8[np.ndarray, "n decisions"]:
        """Return the next architectures to evaluate, ``(0, decisions)`` when finished.

        Asking again before telling returns the same architectures.
        """

    def tell(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> None:
        """Take the scores (higher is better) of the architectures asked for, in the order of :meth:`ask`.

        Raises:
            ValueError: when they are not those asked for, or a score is not finite.
        """
