"""The best found after k look-ups: what a ranking is worth to who can train the first few of it for a short time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from trueshot.core.errors import CriteriaError
from trueshot.criteria.columns import Column, finite

LOOK_UPS = tuple(range(1, 101))
"""The numbers of look-ups of a curve."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundCurve:
    """The truth of the best found after each number of look-ups.

    Attributes:
        looks: numbers of look-ups, ascending.
        each: truth of the best found, a row for each draw of the order among equals.
    """

    looks: Int64[np.ndarray, "k"]
    each: Float64[np.ndarray, "draws k"]

    @property
    def median(self) -> Float64[np.ndarray, "k"]:
        """The median over draws."""
        found: Float64[np.ndarray, "k"] = np.median(self.each, axis=0)
        return found

    def quantile(self, share: float) -> Float64[np.ndarray, "k"]:
        """Return what so large a share of the draws does not exceed."""
        found: Float64[np.ndarray, "k"] = np.quantile(self.each, share, axis=0)
        return found


def best_found(
    *,
    predicted: Column,
    short: Column,
    true: Column,
    generator: np.random.Generator,
    looks: Sequence[int] = LOOK_UPS,
    draws: int = 20,
) -> FoundCurve:
    """Return the truth of the best found after k look-ups, for several k.

    The k best by the ranking are looked up, that is, trained for a short time; of these the best by that is taken, and
    its truth counts. Equal scores are ordered at random, and so are equal results of short trainings; a ranking that
    gives all the same score is random search.

    Args:
        predicted: scores of the ranking, ``(n,)``, higher is better.
        short: results of short trainings, ``(n,)``, higher is better.
        true: ground truth, ``(n,)``, higher is better.
        generator: orders equals.
        looks: the numbers k; those above n are left out.
        draws: how often equals are ordered anew.

    Raises:
        CriteriaError: for columns of different lengths, values that are not finite, or no k from 1 to n.
    """
    columns = [finite(values, name) for values, name in ((predicted, "predicted"), (short, "short"), (true, "true"))]
    if len({column.size for column in columns}) != 1:
        sizes = ", ".join(str(column.size) for column in columns)
        raise CriteriaError(f"predicted, short and true have {sizes} values: give one of each for every architecture")
    ranking, looked, truth = columns
    kept = np.array(sorted({k for k in looks if k <= truth.size}), dtype=np.int64)
    if not kept.size or kept[0] < 1 or draws < 1:
        raise CriteriaError(f"{draws} draws of {list(looks)} look-ups among {truth.size} architectures find nothing")
    each = np.empty((draws, kept.size))
    for draw in range(draws):
        chance = generator.random((2, truth.size))
        first = np.lexsort((chance[0], -ranking))[: kept[-1]]
        # The place of each by its short training, from the worst; the best so far is the running maximum.
        by_short = np.lexsort((chance[1][first], looked[first]))
        place = np.empty(first.size, dtype=np.int64)
        place[by_short] = np.arange(first.size)
        best = np.maximum.accumulate(place)[kept - 1]
        each[draw] = truth[first[by_short[best]]]
    return FoundCurve(looks=kept, each=each)
