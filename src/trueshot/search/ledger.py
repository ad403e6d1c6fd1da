"""What a proposer has asked for, and what it was told of it."""

from __future__ import annotations

from collections.abc import KeysView
from typing import final

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.cache import row_keys


@final
class Ledger:
    """Architectures in the order in which they were asked for, with the latest score of each that was told."""

    def __init__(self, decisions: int) -> None:
        self.decisions = decisions
        self._scores: dict[bytes, float | None] = {}
        self._open = 0

    def __len__(self) -> int:
        return len(self._scores)

    @property
    def keys(self) -> KeysView[bytes]:
        """The bytes of the rows that were asked for."""
        return self._scores.keys()

    @property
    def waiting(self) -> int:
        """How many were asked for and not yet told."""
        return self._open

    def ask(self, archs: UInt8[np.ndarray, "n decisions"]) -> UInt8[np.ndarray, "n decisions"]:
        """Write down and return what is asked for, rows that are not in the ledger."""
        for key in row_keys(archs):
            assert key not in self._scores
            self._scores[key] = None
        self._open += len(archs)
        return archs

    def tell(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> set[bytes]:
        """Write down scores; return the bytes of the rows whose earlier score was another.

        Raises:
            ValueError: when an architecture was not asked for, or a score is not finite.
        """
        keys = row_keys(archs)
        if not self._scores.keys() >= set(keys):
            raise ValueError("tell scores of architectures that were asked for only")
        if not np.isfinite(scores).all():
            raise ValueError("scores must be finite")
        replaced = set()
        for key, score in zip(keys, scores.tolist(), strict=True):
            earlier = self._scores[key]
            if earlier not in (None, score):
                replaced.add(key)
            self._open -= earlier is None
            self._scores[key] = score
        return replaced

    def scores(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Return the latest scores of architectures that were told, NaN for the others."""
        found = (self._scores.get(key) for key in row_keys(archs))
        return np.array([np.nan if score is None else score for score in found], dtype=np.float64)

    def told(self) -> UInt8[np.ndarray, "_ decisions"]:
        """Return the architectures that have scores, in the order in which they were asked for."""
        rows = [np.frombuffer(key, dtype=np.uint8) for key, score in self._scores.items() if score is not None]
        return np.array(rows, dtype=np.uint8).reshape(-1, self.decisions)
