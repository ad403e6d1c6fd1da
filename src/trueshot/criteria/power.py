"""What a paired comparison can see: its interval, the smallest effect that it would find most of the time, p-values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

from trueshot.core.errors import CriteriaError
from trueshot.criteria.bootstrap import Interval, mean_interval
from trueshot.criteria.columns import Column, finite

LEAST = 3
"""Fewer pairs have no interval: Student's t over two values is wider than anything it could tell."""

LEVEL, POWER = 0.95, 0.8


def paired_interval(differences: Column) -> Interval | None:
    """Return Student's t interval, two-sided at 95 %, of the mean of paired differences; None for fewer than three.

    Raises:
        CriteriaError: when there is no value, or one is NaN or infinite.
    """
    interval = mean_interval(differences, level=LEVEL)
    return interval if differences.size >= LEAST else None


def border_p(differences: Column, border: float) -> float | None:
    """Return the two-sided p-value of Student's test that the mean difference is ``border``; None for fewer than three.

    It is the error at which the interval of the mean just touches the border. Differences that are all equal have no
    spread: their p-value is 1 on the border and 0 elsewhere.

    Raises:
        CriteriaError: when there is no value, or one is NaN or infinite.
    """
    column = finite(differences, "differences")
    if column.size < LEAST:
        return None
    if np.ptp(column) == 0:
        return float(column[0] == border)
    return float(stats.ttest_1samp(column, border).pvalue)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values adjusted for their number, in their order: each at most 1.

    Of m claims, those whose adjusted p-value lies below a level hold together: the probability that one or more of
    them is wrong is at most that level, however they depend on each other.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979): the k-th least is multiplied by m - k + 1, and is no less
    than those before it.
    """
    adjusted, least = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = least
    return tuple(adjusted)


def pairs_needed(effect: float, std: float, *, claims: int = 1) -> int:
    """Return the least number of pairs that see an effect: the inverse of :func:`minimal_detectable_effect`.

    Raises:
        CriteriaError: when the effect is not above zero.
    """
    if not effect > 0:
        raise CriteriaError(f"an effect of {effect} needs no end of pairs: give one above zero")

    def sees(n: int) -> bool:
        found = minimal_detectable_effect(std, n, claims=claims)
        return found is not None and found <= effect

    high = LEAST
    while not sees(high):
        high *= 2
    low = LEAST if high == LEAST else high // 2 + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if sees(middle) else (middle + 1, high)
    return high


def minimal_detectable_effect(std: float, n: int, *, claims: int = 1) -> float | None:
    """Return the least true mean difference whose interval excludes zero four times out of five; None below three.

    For n paired differences that are normal with standard deviation s, the t of a true mean d has n - 1 degrees of
    freedom and the non-centrality d sqrt(n) / s. The effect d is the one at which P(t > t_0.975,n-1) = 0.8 (the other
    tail is below 1e-5 there); it is a little below (t_0.975,n-1 + t_0.8,n-1) s / sqrt(n), the usual approximation.

    Args:
        std: standard deviation of one paired difference, in the unit of the effect.
        n: number of pairs.
        claims: how many comparisons are judged together: the interval then has an error of 5 % over their number, as
            the first of them to be found must have (:func:`holm`).

    Raises:
        CriteriaError: when the deviation is negative or not finite.
    """
    if not (math.isfinite(std) and std >= 0):
        raise CriteriaError(f"a standard deviation of {std} says nothing: give a finite number of 0 or more")
    if n < LEAST:
        return None
    critical = float(stats.t.ppf(1 - (1 - LEVEL) / (2 * claims), n - 1))

    usual = critical + float(stats.t.ppf(POWER, n - 1))
    shift = optimize.brentq(lambda shift: float(stats.nct.sf(critical, n - 1, shift)) - POWER, 0.5 * usual, 2 * usual)
    return std * float(shift) / math.sqrt(n)
