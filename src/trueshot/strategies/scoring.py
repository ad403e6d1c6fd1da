"""Scoring many architectures by a supernet, one after another where they share work."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from trueshot.core.executor import Tell
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.sweep import planned
from trueshot.sharing import Supernet
from trueshot.spaces.steps import Stepwise

Scores = Float64[np.ndarray, " n"]

CHUNK = 500
"""Architectures between two visits to the cache."""


@dataclass
class Scorer:
    """Scores in an order in which neighbours share work, and tells how far it is."""

    supernet: Supernet
    tell: Tell
    done: int = field(default=0)

    def score(self, evaluator: Evaluator, archs: UInt8[np.ndarray, "n decisions"]) -> Scores:
        """Return the scores; architectures that share work are scored one after another."""
        scores = np.empty(len(archs), dtype=np.float64)
        if not len(archs):
            return scores
        for part in np.array_split(self._order(archs), -(-len(archs) // CHUNK)):
            scores[part] = evaluator(archs[part])
            self.done += len(part)
            self.tell(self.done)
        return scores

    def _order(self, archs: UInt8[np.ndarray, "n decisions"]) -> Int64[np.ndarray, " n"]:
        if not isinstance(self.supernet.body, Stepwise):
            return np.arange(len(archs))
        _, found = planned(self.supernet, [tuple(row) for row in archs.tolist()])
        return np.concatenate([np.array(where, dtype=np.int64) for where in found.values()])
