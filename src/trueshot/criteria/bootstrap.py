"""How certain is a figure: bootstrap intervals of criteria, intervals of means, differences and shares.

All intervals are two-sided at a confidence ``level`` (0.95: 2.5 % on either side). What cannot be known from the
numbers given, such as the interval of a mean of one value, is None, never zero width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, Shaped
from scipy import special

from trueshot.core.errors import CriteriaError
from trueshot.criteria.columns import Column, Criterion, finite, paired
from trueshot.criteria.correlation import pairwise_accuracy

Labels = Shaped[np.ndarray, "_"]


@dataclass(frozen=True)
class Interval:
    """A confidence interval from ``low`` to ``high``, in the unit of what it is about."""

    low: float
    high: float


def bootstrap(
    criterion: Criterion,
    *,
    predicted: Column,
    true: Column,
    resamples: int = 1000,
    generator: np.random.Generator,
    level: float = 0.95,
    classes: Labels | None = None,
) -> Interval:
    """Return the percentile bootstrap interval of a criterion over the choice of architectures.

    Architectures are drawn with replacement, as many as there are; with ``classes``, whole classes of twins, for twins
    are no independent observations: in NAS-Bench-201 that makes the interval of tau ten times as wide. The interval
    says how far the criterion would vary had as many other architectures been evaluated; it does not cover the seed of
    the supernet. Take care with best and worst rank at K: they rest on single architectures, for which the bootstrap is
    only a rough guide, and divided by n they cannot fall below 1/n, so they tell of sets of this size and not of the
    whole space.

    :func:`~trueshot.criteria.correlation.pairwise_accuracy` leaves out the pairs of a row and its own copy, which
    would always agree; tau-b leaves them out by its definition.

    Args:
        criterion: any criterion of this package; one with a K as ``functools.partial(precision_at_k, k=0.05)``.
        predicted: scores, ``(n,)``, higher is better.
        true: ground truth, ``(n,)``, higher is better.
        resamples: how often to draw, at least 1; the ends are sample quantiles, so use 1,000 and more for 0.95.
        generator: draws the resamples.
        level: confidence, between 0 and 1.
        classes: class of twins of every architecture, ``(n,)``, of any type that sorts.

    Raises:
        CriteriaError: for bad columns, a bad level or number, or when the criterion is undefined on more than half
            of the resamples (which happens when few values differ); fewer are left out.
    """
    intervals = bootstrap_all(
        {"the criterion": criterion},
        predicted=predicted,
        true=true,
        resamples=resamples,
        generator=generator,
        level=level,
        classes=classes,
    )
    return intervals["the criterion"]


def bootstrap_all(
    criteria: Mapping[str, Criterion],
    *,
    predicted: Column,
    true: Column,
    resamples: int = 1000,
    generator: np.random.Generator,
    level: float = 0.95,
    classes: Labels | None = None,
) -> dict[str, Interval]:
    """Return the intervals of several criteria by name, all on the same resamples; see :func:`bootstrap`."""
    a, b = paired(predicted, true)
    _check_level(level)
    values: dict[str, list[float]] = {name: [] for name in criteria}
    for drawn in _resamples(a.size, resamples, generator, classes):
        for name, criterion in criteria.items():
            try:
                values[name].append(_on_resample(criterion, a[drawn], b[drawn], drawn))
            except CriteriaError:
                continue
    return {name: _percentiles(found, name, resamples, a.size, level) for name, found in values.items()}


def bootstrap_difference(
    criterion: Criterion,
    *,
    first: Column,
    second: Column,
    true: Column,
    resamples: int = 1000,
    generator: np.random.Generator,
    level: float = 0.95,
    classes: Labels | None = None,
) -> Interval:
    """Return the interval of a criterion of one ranking minus that of another, both on the same resamples.

    Two rankings of the same architectures vary together, so that their difference is known better than either.

    Args:
        criterion: as for :func:`bootstrap`.
        first: scores of one ranking, ``(n,)``, higher is better; ``second``: those of the other.
        second: see there.
        true: ground truth, ``(n,)``, higher is better.
        resamples: how often to draw.
        generator: draws the resamples.
        level: confidence, between 0 and 1.
        classes: class of twins of every architecture.

    Raises:
        CriteriaError: as :func:`bootstrap`.
    """
    (a, b), (other, _) = paired(first, true), paired(second, true)
    _check_level(level)
    found: list[float] = []
    for drawn in _resamples(a.size, resamples, generator, classes):
        try:
            pair = [_on_resample(criterion, scores[drawn], b[drawn], drawn) for scores in (a, other)]
        except CriteriaError:
            continue
        found.append(pair[0] - pair[1])
    return _percentiles(found, "the difference", resamples, a.size, level)


def _resamples(
    size: int, resamples: int, generator: np.random.Generator, classes: Labels | None
) -> Iterator[Int64[np.ndarray, "_"]]:
    """Yield the positions of the architectures of each resample."""
    if resamples < 1:
        raise CriteriaError(f"a bootstrap of {resamples} resamples cannot be made: ask for at least 1, better 1000")
    if classes is None:
        for _ in range(resamples):
            yield generator.integers(size, size=size)
        return
    if classes.shape != (size,):
        raise CriteriaError(f"classes have the shape {classes.shape} for {size} architectures: give one for each")
    _, class_of, counts = np.unique(classes, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(class_of.reshape(-1), kind="stable"), np.cumsum(counts)[:-1])
    for _ in range(resamples):
        drawn = generator.integers(len(members), size=len(members))
        yield np.concatenate([members[number] for number in drawn]).astype(np.int64)


def _percentiles(found: Sequence[float], name: str, resamples: int, size: int, level: float) -> Interval:
    if 2 * len(found) < resamples:
        raise CriteriaError(
            f"no bootstrap interval: {name} is undefined on {resamples - len(found)} of {resamples} resamples "
            f"of the {size} architectures; give more architectures or do without the bootstrap"
        )
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def mean_interval(values: Column, *, level: float = 0.95) -> Interval | None:
    """Return Student's t interval of the mean of ``values``, such as the accuracies of n networks.

    None for fewer than three values: the spread of one is unknown, and two give intervals that say nothing (a factor of
    12.7 standard errors).

    Raises:
        CriteriaError: when there is no value, one is NaN or infinite, or the level is not between 0 and 1.
    """
    column = finite(values, "values")
    _check_level(level)
    if column.size < 3:
        return None
    error = float(column.std(ddof=1)) / math.sqrt(column.size)
    return _around(float(column.mean()), float(special.stdtrit(column.size - 1, (1 + level) / 2)) * error)


def difference_interval(a: Column, b: Column, *, level: float = 0.95) -> Interval | None:
    """Return Welch's interval of the mean of ``a`` minus the mean of ``b``: unequal spreads, independent samples.

    It is for "searched minus random" with few networks on each side. None when either side has fewer than three values,
    or all values of each side are equal: their spread is unknown.

    Raises:
        CriteriaError: when a side is empty, a value is NaN or infinite, or the level is not between 0 and 1.
    """
    first, second = finite(a, "first values"), finite(b, "second values")
    _check_level(level)
    if min(first.size, second.size) < 3:
        return None
    difference = float(first.mean() - second.mean())
    parts = [float(side.var(ddof=1)) / side.size for side in (first, second)]
    variance = sum(parts)
    if variance == 0:
        return None
    # Shares of the variance, not squares of it, which underflow for accuracies that hardly differ.
    shares = [part / variance for part in parts]
    freedom = 1 / sum(s**2 / (side.size - 1) for s, side in zip(shares, (first, second), strict=True))
    return _around(difference, float(special.stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance))


def paired_difference(pairs: Sequence[tuple[float, Column]], *, level: float = 0.95) -> tuple[float, Interval | None]:
    """Return the mean over pairs of one value less the mean of its group, and Student's t interval of it.

    It is for "searched less random, budget by budget": each searched network stands against random ones of its own
    budget, and values of different budgets are never pooled. The spread is that within the groups, common to all, and
    a searched network counts as spread like one random network: without an effect it is one draw more. The interval
    is ``None`` where no group has two values, or all values of each group are equal.

    Args:
        pairs: a value, and the group that it is compared with.
        level: of the interval.

    Raises:
        CriteriaError: when there is no pair, a group is empty, a value is NaN or infinite, or the level is not between
            0 and 1.
    """
    _check_level(level)
    if not pairs:
        raise CriteriaError("there is no pair to compare: give a value and its group")
    values = finite(np.array([value for value, _ in pairs]), "values")
    groups = [finite(group, "group") for _, group in pairs]
    difference = float(np.mean([value - group.mean() for value, group in zip(values, groups, strict=True)]))
    freedom = sum(group.size - 1 for group in groups)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    if freedom == 0 or squares == 0:
        return difference, None
    error = math.sqrt(squares / freedom * sum(1 + 1 / group.size for group in groups)) / len(groups)
    return difference, _around(difference, float(special.stdtrit(freedom, (1 + level) / 2)) * error)


def proportion_interval(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of a share, such as the accuracy of one network on ``trials`` images.

    It covers the choice of images, not the seed of the training.

    Raises:
        CriteriaError: unless 0 <= successes <= trials, trials > 0 and the level is between 0 and 1.
    """
    _check_level(level)
    if trials < 1 or not 0 <= successes <= trials:
        raise CriteriaError(f"{successes} of {trials} is no share: successes must lie between 0 and a positive total")
    z = float(special.ndtri((1 + level) / 2))
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    # At the ends the exact bound is 0 or 1, which rounding would miss by an ulp.
    return Interval(
        0.0 if successes == 0 else max(0.0, centre - half), 1.0 if successes == trials else min(1.0, centre + half)
    )


def balanced_interval(recalls: Column, counts: Column, *, level: float = 0.95) -> Interval:
    """Return an interval of balanced accuracy, the mean over the classes of the share that is right, over the images.

    Normal, with two right and two wrong images added to each class, as Agresti and Coull do for one share, lest a
    class without an error look certain. Classes without images do not count.

    Args:
        recalls: share of each class that is right.
        counts: images of each class.
        level: confidence, between 0 and 1.

    Raises:
        CriteriaError: when no class has images, or the level is not between 0 and 1.
    """
    _check_level(level)
    seen = counts > 0
    shares, images = finite(recalls[seen], "recalls"), counts[seen]
    smoothed = (shares * images + 2) / (images + 4)
    error = math.sqrt(float((smoothed * (1 - smoothed) / (images + 4)).sum())) / shares.size
    mean, half = float(shares.mean()), float(special.ndtri((1 + level) / 2)) * error
    return Interval(max(0.0, mean - half), min(1.0, mean + half))


def proportion_difference_interval(first: tuple[int, int], second: tuple[int, int], *, level: float = 0.95) -> Interval:
    """Return Newcombe's hybrid score interval of the difference of two shares, each (successes, trials).

    For two single networks, of which :func:`difference_interval` cannot say anything. The shares count as
    independent; on the same test images, where errors of networks coincide, the interval is wider than need be.

    Source: Newcombe, Statistics in Medicine 17 (1998), method 10. Errors are those of :func:`proportion_interval`.
    """
    p, q = (proportion_interval(*share, level=level) for share in (first, second))
    a, b = first[0] / first[1], second[0] / second[1]
    return Interval(a - b - math.hypot(a - p.low, q.high - b), a - b + math.hypot(p.high - a, b - q.low))


def _on_resample(criterion: Criterion, predicted: Column, true: Column, drawn: Int64[np.ndarray, "_"]) -> float:
    if criterion is pairwise_accuracy:
        return pairwise_accuracy(predicted=predicted, true=true, identity=drawn)
    return criterion(predicted=predicted, true=true)


def _around(centre: float, half: float) -> Interval:
    return Interval(centre - half, centre + half)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise CriteriaError(f"confidence level {level} is not between 0 and 1: write 95 % as 0.95")
