"""All criteria of one ranking at once, as plain numbers for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import numpy as np

from trueshot.core.errors import CriteriaError
from trueshot.criteria.bootstrap import Labels, bootstrap_all, proportion_interval
from trueshot.criteria.columns import Column, Criterion, paired
from trueshot.criteria.correlation import kendall_tau, pairwise_accuracy, pearson, spearman
from trueshot.criteria.top import best_rank_at_k, precision_at_k, top_count

DEFAULT_KS: tuple[float, ...] = (0.01, 0.05, 0.5)

Figure: TypeAlias = float | dict[str, float]
"""A value, or ``value``, ``low`` and ``high`` with a bootstrap."""


def summarise(
    *,
    predicted: Column,
    true: Column,
    ks: Sequence[float | int] | None = None,
    bootstrap: int | None = None,
    generator: np.random.Generator | None = None,
    level: float = 0.95,
    classes: Labels | None = None,
) -> dict[str, Figure | dict[str, Figure]]:
    """Return every criterion of a ranking.

    Args:
        predicted: scores, ``(n,)``, higher is better.
        true: ground truth, ``(n,)``, higher is better.
        ks: the K of P@K and BR@K: floats are fractions, integers absolute numbers. By default 0.01, 0.05 and 0.5
            without those that select no architecture of so few; a K given here that selects none is an error.
        bootstrap: number of resamples for intervals over the architectures; None for plain values.
        generator: draws the resamples; needed with ``bootstrap`` and only then.
        level: confidence of the intervals.
        classes: class of twins of every architecture, ``(n,)``; intervals then draw classes instead of architectures.

    Returns:
        Keys ``kendall_tau``, ``spearman``, ``pearson``, ``pairwise_accuracy`` and, as objects by K written as text,
        ``p_at_k`` and ``br_at_k``. Each figure is an unrounded number, with ``bootstrap`` an object of ``value``,
        ``low`` and ``high``. The interval of P@K, a share of K architectures, is Wilson's, so that none of 156 is not
        certainly none. BR@K is a rank divided by n; see the functions of the same names.

    Raises:
        CriteriaError: for columns of different length, NaN or infinite values, constant columns, a K that selects no
            architecture, or a bootstrap without a generator.
    """
    a, b = paired(predicted, true)
    chosen = [k for k in DEFAULT_KS if k * a.size >= 1] if ks is None else ks
    criteria = _criteria(chosen)
    figures: dict[str, Figure] = {name: criterion(predicted=a, true=b) for name, criterion in criteria.items()}
    if bootstrap is not None:
        if generator is None:
            raise CriteriaError("a bootstrap needs a random generator: pass one, or leave the bootstrap out")
        intervals = bootstrap_all(
            {name: criterion for name, criterion in criteria.items() if not name.startswith("P@")},
            predicted=a,
            true=b,
            resamples=bootstrap,
            generator=generator,
            level=level,
            classes=classes,
        )
        for k in chosen:
            count, share = top_count(k, a.size), figures[f"P@{k}"]
            assert isinstance(share, float)
            intervals[f"P@{k}"] = proportion_interval(round(share * count), count, level=level)
        figures = {
            name: {"value": value, "low": intervals[name].low, "high": intervals[name].high}
            for name, value in figures.items()
            if isinstance(value, float)
        }
    return {
        **{name: figures[name] for name in _OVERALL},
        "p_at_k": {str(k): figures[f"P@{k}"] for k in chosen},
        "br_at_k": {str(k): figures[f"BR@{k}"] for k in chosen},
    }


_OVERALL: dict[str, Criterion] = {
    "kendall_tau": kendall_tau,
    "spearman": spearman,
    "pearson": pearson,
    "pairwise_accuracy": pairwise_accuracy,
}


def _criteria(ks: Sequence[float | int]) -> dict[str, Criterion]:
    """Return the criteria to compute, by a name that is unique among them."""
    return {
        **_OVERALL,
        **{f"P@{k}": partial(precision_at_k, k=k) for k in ks},
        **{f"BR@{k}": partial(best_rank_at_k, k=k) for k in ks},
    }
