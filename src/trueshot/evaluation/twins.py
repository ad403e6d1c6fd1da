"""Scores averaged over isomorphic twins: de-isomorphism after the training."""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.errors import ConfigError
from trueshot.core.fingerprint import fingerprint
from trueshot.evaluation.protocol import Evaluator
from trueshot.spaces import Space
from trueshot.spaces.canonical.classes import every, positions


@final
class TwinMean:
    """Scores an architecture by the mean over all members of its class of twins (Surgery paper, "post").

    Twins are one function for matched weights, but use different shared weights, so that their scores differ and their
    mean has less noise. The whole class is scored, members that were not asked for included, each once.

    Args:
        evaluator: scores the members.
        space: small enough to be listed.
        rule: canonical rule that says which architectures are twins; the space's default without one.

    Raises:
        ConfigError: when the space is too large to be listed, or has no such rule.
    """

    def __init__(self, evaluator: Evaluator, space: Space, rule: str | None = None) -> None:
        self.evaluator, self.space = evaluator, space
        self.rule = space.rules[0] if rule is None else rule
        try:
            rows = every(space)
        except ConfigError as error:
            raise ConfigError(
                f"twins scores whole classes, which must be listed; {error}, and leave +twins out"
            ) from error
        _, inverse = np.unique(space.canonical(rows, self.rule), axis=0, return_inverse=True)
        self._rows, self._class = rows, inverse.reshape(-1).astype(np.int64)

    @property
    def digest(self) -> str:
        """Fingerprint of the evaluator and the rule."""
        return fingerprint("twin mean", self.rule, self.evaluator.digest)

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Score every architecture."""
        if not len(archs):
            return np.empty(0, dtype=np.float64)
        asked = self._class[positions(self.space, self.space.check(archs))]
        members = np.flatnonzero(np.isin(self._class, asked))
        scores = self.evaluator(self._rows[members])
        classes, inverse = np.unique(self._class[members], return_inverse=True)
        means = np.bincount(inverse, weights=scores) / np.bincount(inverse)
        result: Float64[np.ndarray, " n"] = means[np.searchsorted(classes, asked)]
        return result
