"""Criteria of the best few: precision at K, best and worst rank at K (Surgery paper, section 3).

M is the number of architectures, rank 1 the best. K is a fraction of them (a float in (0, 1], then k = floor(K M)) or
an absolute number (an int from 1 to M, then k = K): ``k=1`` is the single best-scored architecture, ``k=1.0`` is all.
"""

from __future__ import annotations

import math

import numpy as np

from trueshot.core.errors import CriteriaError
from trueshot.criteria.columns import Column, order, paired, ranks


def top_count(k: float | int, architectures: int) -> int:
    """Return how many architectures are the top K of ``architectures``.

    Args:
        k: a float is a fraction in (0, 1], an int an absolute number; floor(0.29 * 100) is 29, as on paper.
        architectures: M.

    Raises:
        CriteriaError: when that is none, or more than there are.
    """
    if isinstance(k, float):
        if not 0 < k <= 1:
            raise CriteriaError(f"K = {k} is no fraction: give a float above 0 and at most 1, or an integer number")
        # Rounding first, because 0.29 * 100 is 28.999999999999996 in binary.
        count = math.floor(round(k * architectures, 9))
        if count < 1:
            raise CriteriaError(
                f"K = {k:g} is too small for {architectures} architectures: it selects none; "
                f"use at least {1 / max(architectures, 1):.3g}"
            )
        return count
    if not 1 <= k <= architectures:
        raise CriteriaError(f"K = {k} is not between 1 and the {architectures} architectures")
    return k


def precision_at_k(
    *, predicted: Column, true: Column, k: float | int, ties: np.random.Generator | None = None
) -> float:
    """Return P@K, from 0 to 1: the share of the k best-scored architectures that are among the k truly best.

    The denominator is k, for both sets have k members; so it is the same with ``predicted`` and ``true`` swapped.
    A random ranking has the expectation k/M, which is K but for the rounding of k.

    Args:
        predicted: scores, ``(M,)``, higher is better.
        true: ground truth, ``(M,)``, higher is better.
        k: fraction (float) or absolute number (int), see :func:`top_count`.
        ties: breaks ties at random; without it, of equal values the earlier position is better.

    Raises:
        CriteriaError: for bad columns or a K that selects no architecture.
    """
    a, b = paired(predicted, true, least=1)
    count = top_count(k, a.size)
    chosen = order(a, ties=ties)[:count]
    return float((ranks(b, ties=ties)[chosen] <= count).sum()) / count


def best_rank_at_k(
    *,
    predicted: Column,
    true: Column,
    k: float | int,
    relative: bool = True,
    ties: np.random.Generator | None = None,
) -> float:
    """Return BR@K: the best true rank among the k best-scored architectures; smaller is better.

    Divided by M, so in (0, 1] and 1/M at best; with ``relative=False`` the plain rank, from 1 to M. (Table 3 of the
    Surgery paper prints rank / M, Table A2 plain ranks at absolute K.) A random ranking has the expectation
    (M + 1) / ((k + 1) M). Swapping ``predicted`` and ``true`` gives another number, the best score rank among the
    truly best, which is not BR@K.

    Args:
        predicted: scores, ``(M,)``, higher is better.
        true: ground truth, ``(M,)``, higher is better.
        k: fraction (float) or absolute number (int), see :func:`top_count`.
        relative: whether to divide the rank by M.
        ties: breaks ties at random; without it, of equal values the earlier position is better.

    Raises:
        CriteriaError: for bad columns or a K that selects no architecture.
    """
    a, b = paired(predicted, true, least=1)
    chosen = order(a, ties=ties)[: top_count(k, a.size)]
    rank = float(ranks(b, ties=ties)[chosen].min())
    return rank / a.size if relative else rank


def worst_rank_at_k(
    *,
    predicted: Column,
    true: Column,
    k: float | int,
    relative: bool = True,
    ties: np.random.Generator | None = None,
) -> float:
    """Return WR@K: the worst true rank among the k best-scored architectures; smaller is better.

    Divided by M, so in (0, 1] and k/M at best; with ``relative=False`` the plain rank, from k to M. Arguments and
    errors are those of :func:`best_rank_at_k`.
    """
    a, b = paired(predicted, true, least=1)
    chosen = order(a, ties=ties)[: top_count(k, a.size)]
    rank = float(ranks(b, ties=ties)[chosen].max())
    return rank / a.size if relative else rank
