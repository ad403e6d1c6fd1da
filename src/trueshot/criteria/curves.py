"""Curves over pruning: what is left when the architectures believed (or known) to be bad are removed.

Source: inter-choice dependent weights, section 3.4 and Fig. 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from trueshot.core.errors import CriteriaError
from trueshot.criteria.columns import Column, Criterion, is_constant, order, paired
from trueshot.criteria.correlation import kendall_tau


@dataclass(frozen=True, kw_only=True, eq=False)
class ImprovementCurve:
    """Mean truth of the architectures that are left when those of the lowest scores are removed.

    Attributes:
        remaining: how many architectures are left, descending from all.
        mean: mean truth of them, in the unit of the truth.
        improvement: 0 where ``mean`` is that of all architectures (a random choice), 1 at the truly best
            architecture, one linear scale, so negative where the scores remove the good ones.
    """

    remaining: Int64[np.ndarray, "points"]
    mean: Float64[np.ndarray, "points"]
    improvement: Float64[np.ndarray, "points"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PruningCurve:
    """Correlation among the architectures that are left when the truly worst are removed.

    Attributes:
        remaining: how many architectures are left, descending from all.
        value: the criterion among them; NaN where it is undefined, for example because all that are left have equal
            scores.
    """

    remaining: Int64[np.ndarray, "points"]
    value: Float64[np.ndarray, "points"]


def improvement_curve(*, predicted: Column, true: Column, smallest: int = 10) -> ImprovementCurve:
    """Return the improvement curve: one point for every number of architectures from all down to ``smallest``.

    Of equal scores the later position is removed first.

    Args:
        predicted: scores, ``(n,)``, higher is better.
        true: ground truth, ``(n,)``, higher is better.
        smallest: where the curve ends; below ten it is mostly noise (appendix D of the paper).

    Raises:
        CriteriaError: for bad columns, a constant truth, or ``smallest`` not between 1 and n.
    """
    a, b = paired(predicted, true)
    _check_smallest(smallest, a.size)
    if is_constant(b):
        raise CriteriaError(f"improvement is undefined: all {b.size} values of true are {b[0]:.6g}")
    best_first = b[order(a)]
    left = np.arange(a.size, smallest - 1, -1, dtype=np.int64)
    mean = np.cumsum(best_first)[left - 1] / left
    return ImprovementCurve(remaining=left, mean=mean, improvement=(mean - mean[0]) / (b.max() - mean[0]))


def pruning_curve(
    *, predicted: Column, true: Column, points: int = 100, smallest: int = 10, criterion: Criterion = kendall_tau
) -> PruningCurve:
    """Return the correlation that is left after the truly worst architectures are removed, worst first.

    A ranking that only tells broken architectures from working ones starts high and falls to 0. Of equal truths the
    later position is removed first.

    Args:
        predicted: scores, ``(n,)``, higher is better.
        true: ground truth, ``(n,)``, higher is better.
        points: how many points at most, evenly spaced in the number removed; fewer where n has fewer.
        smallest: architectures left at the last point, at least 2.
        criterion: computed among the architectures that are left.

    Raises:
        CriteriaError: for bad columns, ``points`` below 1, or ``smallest`` not between 2 and n.
    """
    a, b = paired(predicted, true)
    _check_smallest(smallest, a.size, least=2)
    if points < 1:
        raise CriteriaError(f"a curve of {points} points cannot be drawn: ask for at least 1")
    best_first = order(b)
    a, b = a[best_first], b[best_first]
    left = np.unique(np.linspace(smallest, a.size, points).round().astype(np.int64))[::-1] if points > 1 else [a.size]
    values = np.full(len(left), np.nan)
    for point, count in enumerate(left):
        try:
            values[point] = criterion(predicted=a[:count], true=b[:count])
        except CriteriaError:
            continue
    return PruningCurve(remaining=np.array(left, dtype=np.int64), value=values)


def _check_smallest(smallest: int, size: int, *, least: int = 1) -> None:
    """Raise unless a curve of ``size`` architectures can end at ``smallest`` of them."""
    if not least <= smallest <= size:
        raise CriteriaError(f"a curve of {size} architectures cannot end at {smallest}: choose {least} to {size}")
