"""Ridge regression of scores on one-hot decisions (Hoerl and Kennard, Technometrics 12, 1970), in closed form."""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.fingerprint import fingerprint
from trueshot.prediction.config import RidgeConfig
from trueshot.spaces import Space


@final
class Ridge:
    """Predicts a score as an intercept plus one weight for each option that an architecture takes.

    The weights minimise the sum of squared errors plus ``penalty`` times the sum of their squares.

    Args:
        space: of the architectures.
        config: the penalty.
    """

    def __init__(self, space: Space, config: RidgeConfig | None = None) -> None:
        self.space, self.config = space, config or RidgeConfig()
        self._weights: Float64[np.ndarray, " options"] | None = None
        self._intercept = 0.0

    @property
    def digest(self) -> str:
        """Fingerprint of the space, the intercept and the weights."""
        weights = None if self._weights is None else self._weights.tolist()
        return fingerprint("ridge", self.space.name, self._intercept, weights)

    def fit(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> None:
        """Solve the normal equations of the centred one-hot decisions and scores.

        Raises:
            ValueError: when there are no architectures, or a score is not finite.
        """
        if not len(archs):
            raise ValueError("there is no architecture to learn from: give one at least")
        if not np.isfinite(scores).all():
            raise ValueError("scores must be finite")
        inputs = one_hot(self.space, archs)
        centre, mean = inputs.mean(axis=0), scores.mean()
        centred = inputs - centre
        matrix = centred.T @ centred + self.config.penalty * np.eye(len(centre))
        self._weights = np.linalg.solve(matrix, centred.T @ (scores - mean))
        self._intercept = float(mean - centre @ self._weights)

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Add up the weights of the options of each architecture, decision by decision.

        Raises:
            ValueError: when the predictor was not fitted.
        """
        if self._weights is None:
            raise ValueError("the predictor has learned nothing: fit it first")
        scores = np.full(len(archs), self._intercept)
        for first, choices in zip(_firsts(self.space), archs.T, strict=True):
            scores += self._weights[first + choices]
        return scores


def one_hot(space: Space, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, "n options"]:
    """Return a one for each option that an architecture takes, and zeros; the options decision after decision."""
    encoded = np.zeros((len(archs), int(space.options.sum())))
    encoded[np.arange(len(archs))[:, None], _firsts(space) + archs] = 1.0
    return encoded


def _firsts(space: Space) -> np.ndarray:
    """Return the column of the first option of each decision."""
    firsts: np.ndarray = np.cumsum(space.options) - space.options
    return firsts
