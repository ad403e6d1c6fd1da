"""Scores made of several, added up by the logarithms of their ranks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.errors import ConfigError
from trueshot.core.fingerprint import fingerprint
from trueshot.evaluation.protocol import Evaluator

Scores = Float64[np.ndarray, " n"]


def log_ranks(scores: Scores, reference: Float64[np.ndarray, " r"]) -> Scores:
    """Return the logarithm of the rank of each score among those of a reference: 0 above all of them.

    It is ``ln((1 + less + equal / 2) / (r + 1))`` for so many of the reference that are less and equal, after AZ-NAS,
    which adds up logarithms of ranks among all architectures. What is NaN counts as minus infinity, the last place.
    """
    values, others = (np.where(np.isnan(part), -np.inf, part) for part in (scores, reference))
    others = np.sort(others)
    less, upto = np.searchsorted(others, values, "left"), np.searchsorted(others, values, "right")
    ranks: Scores = np.log((1 + less + 0.5 * (upto - less)) / (len(others) + 1))
    return ranks


def fuse(scores: Mapping[str, Scores], reference: Mapping[str, Float64[np.ndarray, " r"]]) -> Scores:
    """Return the sum over parts of the logarithms of their ranks among the reference.

    Args:
        scores: of the architectures, by part.
        reference: scores of the reference, by part.

    Raises:
        ConfigError: naming a part that tells no two architectures of the reference apart.
    """
    total = np.zeros(())
    for name, values in scores.items():
        known = reference[name]
        if len(np.unique(known)) < 2:
            raise ConfigError(
                f"part {name} gives all {len(known)} architectures of the reference one score, so that it ranks"
                " nothing: leave it out of --fuse"
            )
        total = total + log_ranks(values, known)
    return total


@final
class Fused:
    """Scores by several evaluators at once (:func:`fuse`).

    The reference is fixed, so that a score is a function of the architecture alone.

    Args:
        parts: evaluators by name.
        reference: architectures that ranks are counted among; scored when the first architecture is.
    """

    def __init__(self, parts: Mapping[str, Evaluator], reference: UInt8[np.ndarray, "r decisions"]) -> None:
        self.parts, self.reference = dict(parts), reference

    @cached_property
    def digest(self) -> str:
        """Fingerprint of the parts, in any order, and of the reference."""
        digests = {name: part.digest for name, part in self.parts.items()}
        return fingerprint("fused 1", digests, np.asarray(self.reference).tolist())

    def each(self, archs: UInt8[np.ndarray, "n decisions"]) -> dict[str, Scores]:
        """Return the scores by each part; the reference plays no part."""
        return {name: part(archs) for name, part in self.parts.items()}

    @cached_property
    def known(self) -> dict[str, Scores]:
        """Scores of the reference by each part."""
        return self.each(self.reference)

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Scores:
        """Score every architecture.

        Raises:
            ConfigError: naming a part that is constant on the reference.
        """
        if not len(archs):
            return np.empty(0, dtype=np.float64)
        return fuse(self.each(archs), self.known)
