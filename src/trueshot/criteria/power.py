"""What a paired comparison can see: its interval, and the smallest effect that it would find most of the time."""

from __future__ import annotations

import math

from scipy import optimize, stats

from trueshot.core.errors import CriteriaError
from trueshot.criteria.bootstrap import Interval, mean_interval
from trueshot.criteria.columns import Column

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


def minimal_detectable_effect(std: float, n: int) -> float | None:
    """Return the least true mean difference whose interval excludes zero four times out of five; None below three.

    For n paired differences that are normal with standard deviation s, the t of a true mean d has n - 1 degrees of
    freedom and the non-centrality d sqrt(n) / s. The effect d is the one at which P(t > t_0.975,n-1) = 0.8 (the other
    tail is below 1e-5 there); it is a little below (t_0.975,n-1 + t_0.8,n-1) s / sqrt(n), the usual approximation.

    Args:
        std: standard deviation of one paired difference, in the unit of the effect.
        n: number of pairs.

    Raises:
        CriteriaError: when the deviation is negative or not finite.
    """
    if not (math.isfinite(std) and std >= 0):
        raise CriteriaError(f"a standard deviation of {std} says nothing: give a finite number of 0 or more")
    if n < LEAST:
        return None
    critical = float(stats.t.ppf((1 + LEVEL) / 2, n - 1))

    usual = critical + float(stats.t.ppf(POWER, n - 1))
    shift = optimize.brentq(lambda shift: float(stats.nct.sf(critical, n - 1, shift)) - POWER, 0.5 * usual, 1.1 * usual)
    return std * float(shift) / math.sqrt(n)
