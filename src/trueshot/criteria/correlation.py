"""Agreement over all architectures: Pearson, Spearman, Kendall and NAO's pairwise accuracy."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from trueshot.core.errors import CriteriaError
from trueshot.criteria.columns import Column, paired, ranks, refuse_constant


def pearson(*, predicted: Column, true: Column) -> float:
    """Return Pearson's linear correlation, from -1 to 1.

    Args:
        predicted: scores, ``(n,)``, higher is better.
        true: ground truth, ``(n,)``, higher is better.

    Raises:
        CriteriaError: for bad columns (see :func:`~trueshot.criteria.columns.paired`) or a constant one.
    """
    a, b = paired(predicted, true)
    refuse_constant(a, b, "Pearson's correlation")
    return _cosine(a, b)


def spearman(*, predicted: Column, true: Column) -> float:
    """Return Spearman's rank correlation, from -1 to 1: Pearson's correlation of the ranks, ties at their mean rank.

    Arguments and errors are those of :func:`pearson`.
    """
    a, b = paired(predicted, true)
    refuse_constant(a, b, "Spearman's correlation")
    return _cosine(_mean_ranks(a), _mean_ranks(b))


def kendall_tau(*, predicted: Column, true: Column) -> float:
    """Return Kendall's tau-b, from -1 to 1, in O(n log n).

    Concordant minus discordant pairs, divided by the geometric mean of the numbers of pairs that are not tied in
    ``predicted`` and not tied in ``true``. Without ties it is the formula of the Surgery paper, section 3, which
    divides by all pairs.

    Arguments and errors are those of :func:`pearson`.
    """
    a, b = paired(predicted, true)
    refuse_constant(a, b, "Kendall's tau")
    return _tau(a, b)


def pairwise_accuracy(*, predicted: Column, true: Column, identity: Shaped[np.ndarray, "_"] | None = None) -> float:
    """Return the share of pairs put in the right order, from 0 to 1, as NAO defines it, in O(n log n).

    A pair i < j counts when (a_i >= a_j and b_i >= b_j) or (a_i < a_j and b_i < b_j); all n(n-1)/2 pairs are in the
    denominator (Luo et al., NAO, as used by NAO-V2, section 3). By this definition a tie acts as "the earlier
    position is better", so with many ties the value depends on the order of the rows. Without ties it equals
    (1 + tau) / 2. Constant scores are allowed: they rank by position.

    Args:
        predicted: scores, ``(n,)``, higher is better.
        true: ground truth, ``(n,)``, higher is better.
        identity: ``(n,)``; pairs of equal identity are left out of numerator and denominator. It serves resampling,
            where a row may occur twice and would always agree with its copy, so rows of one identity must be equal
            in both columns.

    Raises:
        CriteriaError: for bad columns (see :func:`~trueshot.criteria.columns.paired`), or when no pair is left.
    """
    a, b = paired(predicted, true)
    # Ties broken by position make both columns permutations on which NAO's two cases are "same strict order".
    tau = _tau(ranks(a), ranks(b))
    pairs = a.size * (a.size - 1) // 2
    agreeing = round((1.0 + tau) / 2.0 * pairs)
    copies = 0 if identity is None else _pairs_within(np.unique(identity, return_counts=True)[1].astype(np.int64))
    if pairs == copies:
        raise CriteriaError("pairwise accuracy is undefined: all rows are copies of one architecture")
    return (agreeing - copies) / (pairs - copies)


def _tau(a: Shaped[np.ndarray, " n"], b: Shaped[np.ndarray, " n"]) -> float:
    # Importing it takes a third of the time of PyTorch, and many commands rank nothing.
    from scipy import stats

    return float(stats.kendalltau(a, b).statistic)


def _mean_ranks(column: Column) -> Column:
    from scipy import stats

    ranked: Column = stats.rankdata(column)
    return ranked


def _pairs_within(counts: Int64[np.ndarray, "groups"]) -> int:
    """Return the number of pairs whose two members are in one group."""
    return int((counts * (counts - 1) // 2).sum())


def _cosine(a: Float64[np.ndarray, "n"], b: Float64[np.ndarray, "n"]) -> float:
    """Return the correlation of two columns that are not constant, scaled first so that no square overflows."""
    directions = []
    for column in (a, b):
        column = column / np.abs(column).max()
        column = column - column.mean()
        column = column / np.abs(column).max()
        directions.append(column / np.sqrt((column * column).sum()))
    # No BLAS product: waking its threads costs a hundred times the sum when the cores are busy.
    return float(np.clip((directions[0] * directions[1]).sum(), -1.0, 1.0))
