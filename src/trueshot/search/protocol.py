"""How a search talks: it asks for evaluations and is told their scores."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8


@runtime_checkable
class Proposer(Protocol):
    """Proposes architectures to evaluate; a function of its seed and of what it was asked and told, in order.

    That is what makes a killed search resumable: asked and told the same again, it stands where it stood.
    """

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask for, and all that was asked for has been told."""

    def ask(self, n: int) -> UInt8[np.ndarray, "_ decisions"]:
        """Return up to ``n`` further architectures to evaluate.

        None, shape ``(0, decisions)``, when finished, or while it waits for scores of what it asked for before.
        """

    def tell(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> None:
        """Take the scores, higher is better, of any architectures that were asked for, in any order.

        The score of an architecture that is told again replaces the earlier one.

        Raises:
            ValueError: when one was not asked for, or a score is not finite.
        """
