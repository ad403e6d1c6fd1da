"""Where a ranking breaks: criteria inside groups of like cost, and spread inside groups of equal architectures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from trueshot.core.errors import CriteriaError
from trueshot.criteria.columns import Column, Criterion, finite, paired, ranks
from trueshot.criteria.correlation import kendall_tau

Labels = Shaped[np.ndarray, "_"]


@dataclass(frozen=True, kw_only=True)
class CostGroup:
    """One group of architectures of like cost.

    Attributes:
        count: how many architectures are in it.
        cost_low: least cost of them, in the unit given.
        cost_high: greatest cost of them.
        value: the criterion inside the group; None where it is undefined, for example because all scores are equal.
        rank_difference: mean of true rank minus predicted rank, ranks among all architectures; positive: the scores
            over-estimate this group.
    """

    count: int
    cost_low: float
    cost_high: float
    value: float | None
    rank_difference: float


def rank_difference(*, predicted: Column, true: Column) -> Int64[np.ndarray, "_"]:
    """Return true rank minus predicted rank of every architecture, ``(n,)``; rank 1 is the best.

    Positive: the architecture is over-estimated by its score, negative: under-estimated; the sum is zero. Ties are
    ranked by position. Source: Surgery paper, section 3 (r_i - n_i).

    Raises:
        CriteriaError: for bad columns (see :func:`~trueshot.criteria.columns.paired`).
    """
    a, b = paired(predicted, true, least=1)
    difference: Int64[np.ndarray, "_"] = ranks(b) - ranks(a)
    return difference


def cost_groups(*, cost: Column, groups: int = 10) -> Int64[np.ndarray, "_"]:
    """Return the group of every architecture, ``(n,)``: 0 holds the cheapest, ``groups`` - 1 the most expensive.

    Groups are of equal size, the first ones one larger where ``groups`` does not divide n; equal costs are split by
    position where a boundary falls among them.

    Raises:
        CriteriaError: when there are fewer architectures than groups, or a cost is NaN or infinite.
    """
    values = finite(cost, "cost")
    if not 1 <= groups <= values.size:
        raise CriteriaError(f"{groups} cost groups cannot be made of {values.size} architectures: ask for fewer groups")
    result = np.empty(values.size, dtype=np.int64)
    for group, members in enumerate(np.array_split(np.argsort(values, kind="stable"), groups)):
        result[members] = group
    return result


def within_groups(
    *, predicted: Column, true: Column, labels: Labels, criterion: Criterion = kendall_tau
) -> tuple[float | None, ...]:
    """Return the criterion inside every group, in ascending order of the labels.

    Args:
        predicted: scores, ``(n,)``, higher is better.
        true: ground truth, ``(n,)``, higher is better.
        labels: group of every architecture, ``(n,)``, of any type that sorts.
        criterion: any criterion of this package; one with a K as ``functools.partial(precision_at_k, k=0.05)``.

    Returns:
        One value a group; None where the criterion is undefined (too few members, all scores equal).

    Raises:
        CriteriaError: for bad columns or labels of another length.
    """
    a, b = paired(predicted, true, least=1)
    names, group_of = _grouped(labels, a.size)
    by_group = np.argsort(group_of, kind="stable")
    starts = np.searchsorted(group_of[by_group], np.arange(names))
    values: list[float | None] = []
    for members in np.split(by_group, starts[1:]):
        try:
            values.append(criterion(predicted=a[members], true=b[members]))
        except CriteriaError:
            values.append(None)
    return tuple(values)


def by_cost(
    *, predicted: Column, true: Column, cost: Column, groups: int = 10, criterion: Criterion = kendall_tau
) -> tuple[CostGroup, ...]:
    """Return criterion and mean rank difference in groups of like cost, cheapest first.

    This is Fig. 3c of the Surgery paper (ten groups by FLOPs, Kendall's tau).

    Args:
        predicted: scores, ``(n,)``, higher is better.
        true: ground truth, ``(n,)``, higher is better.
        cost: parameters, multiply-adds or any other cost, ``(n,)``.
        groups: number of groups, of equal size.
        criterion: computed inside each group.

    Raises:
        CriteriaError: for bad columns, or fewer architectures than groups.
    """
    difference = rank_difference(predicted=predicted, true=true)
    labels = cost_groups(cost=cost, groups=groups)
    values = within_groups(predicted=predicted, true=true, labels=labels, criterion=criterion)
    result = []
    for group, value in enumerate(values):
        members = labels == group
        result.append(
            CostGroup(
                count=int(members.sum()),
                cost_low=float(cost[members].min()),
                cost_high=float(cost[members].max()),
                value=value,
                rank_difference=float(difference[members].mean()),
            )
        )
    return tuple(result)


def group_means(*, values: Column, labels: Labels) -> Float64[np.ndarray, "_"]:
    """Return the mean of ``values`` in every group, in ascending order of the labels.

    With isomorphic groups as labels it gives the truth of a group and the score after post de-isomorphism (Surgery
    paper, section 4.3): one entry a group.

    Args:
        values: accuracies or scores, ``(n,)``.
        labels: group of every architecture, ``(n,)``, of any type that sorts. From canonical rows ``(n, decisions)``:
            ``np.unique(rows, axis=0, return_inverse=True)[1]``.

    Raises:
        CriteriaError: when a value is NaN or infinite, or labels have another length.
    """
    column = finite(values, "values")
    groups, group_of = _grouped(labels, column.size)
    return np.bincount(group_of, weights=column, minlength=groups) / np.bincount(group_of, minlength=groups)


def class_tau(*, predicted: Column, true: Column, labels: Labels) -> float:
    """Return Kendall's tau of the means of every class, so that each class counts once, however large.

    Twenty classes of twins hold a quarter of NAS-Bench-201, and a criterion over its rows is mostly about these.

    Args:
        predicted: scores, ``(n,)``, higher is better.
        true: ground truth, ``(n,)``, higher is better.
        labels: class of every architecture, as for :func:`group_means`.

    Raises:
        CriteriaError: for bad columns, or means that are all equal.
    """
    paired(predicted, true)
    return kendall_tau(
        predicted=group_means(values=predicted, labels=labels), true=group_means(values=true, labels=labels)
    )


def tau_within(*, predicted: Column, true: Column, labels: Labels) -> float:
    """Return Kendall's tau-b over the pairs inside groups alone, such as those of equal cost.

    Concordant minus discordant pairs of all groups, divided by the geometric mean of the numbers of pairs inside groups
    that are not tied in ``predicted`` and not tied in ``true``.

    Args:
        predicted: scores, ``(n,)``, higher is better.
        true: ground truth, ``(n,)``, higher is better.
        labels: group of every architecture, as for :func:`group_means`.

    Raises:
        CriteriaError: for bad columns, or where all pairs inside groups are tied in one of them.
    """
    a, b = paired(predicted, true)
    groups, group_of = _grouped(labels, a.size)
    order = np.argsort(group_of, kind="stable")
    starts = np.searchsorted(group_of[order], np.arange(groups))
    total, untied_a, untied_b = 0.0, 0, 0
    for members in np.split(order, starts[1:]):
        pairs = members.size * (members.size - 1) // 2
        in_a, in_b = (pairs - _tied(column[members]) for column in (a, b))
        if in_a and in_b:
            tau = kendall_tau(predicted=a[members], true=b[members])
            total += tau * np.sqrt(float(in_a) * float(in_b))
        untied_a += in_a
        untied_b += in_b
    if not untied_a or not untied_b:
        raise CriteriaError("tau inside groups is undefined: all pairs inside groups are tied")
    return float(total / np.sqrt(float(untied_a) * float(untied_b)))


def _tied(values: Float64[np.ndarray, "_"]) -> int:
    """Return the number of pairs of equal values."""
    counts = np.unique(values, return_counts=True)[1].astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def mean_group_std(*, values: Column, labels: Labels, ddof: int = 0) -> float:
    """Return the standard deviation inside a group, averaged over all groups, in the unit of ``values``.

    Groups of one architecture count, with deviation 0 (for ``ddof=1`` as well), as in Table 2 of the Surgery paper:
    0.039 points for the CIFAR-10 truth of the 6,466 groups of NAS-Bench-201.

    Args:
        values: accuracies or scores, ``(n,)``.
        labels: group of every architecture, as for :func:`group_means`.
        ddof: 0 divides by the size of the group, 1 by size - 1.

    Raises:
        CriteriaError: when a value is NaN or infinite, or labels have another length.
    """
    column = finite(values, "values")
    groups, group_of = _grouped(labels, column.size)
    counts = np.bincount(group_of, minlength=groups)
    deviation = column - group_means(values=column, labels=group_of)[group_of]
    squares = np.bincount(group_of, weights=deviation**2, minlength=groups)
    return float(np.sqrt(squares / np.maximum(counts - ddof, 1)).mean())


def mean_group_rank_std(*, values: Column, labels: Labels, ddof: int = 0) -> float:
    """Return :func:`mean_group_std` of the ranks of ``values`` among all architectures (equal values by position)."""
    return mean_group_std(values=ranks(finite(values, "values")), labels=labels, ddof=ddof)


def _grouped(labels: Labels, size: int) -> tuple[int, Int64[np.ndarray, "_"]]:
    """Return the number of groups and the group of every row, numbered in ascending order of the labels."""
    if labels.shape != (size,):
        raise CriteriaError(f"labels have the shape {labels.shape} for {size} architectures: give one label for each")
    names, group_of = np.unique(labels, return_inverse=True)
    return names.size, group_of.astype(np.int64)
