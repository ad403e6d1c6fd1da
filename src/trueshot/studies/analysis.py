"""What analyses share: criteria of one supernet after another, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np
from jaxtyping import Float64, Int64

from trueshot.core.errors import CriteriaError
from trueshot.core.random import Streams
from trueshot.criteria.bootstrap import Interval, bootstrap
from trueshot.criteria.columns import Criterion
from trueshot.criteria.correlation import kendall_tau
from trueshot.criteria.groups import group_means
from trueshot.criteria.top import best_rank_at_k, precision_at_k
from trueshot.studies.record import Finding

Values = Float64[np.ndarray, " n"]

TAU = "Kendall tau"

CRITERIA: Mapping[str, Criterion] = MappingProxyType(
    {
        "BR@1": partial(best_rank_at_k, k=1),
        "BR@1%": partial(best_rank_at_k, k=0.01),
        "BR@5%": partial(best_rank_at_k, k=0.05),
        "P@5%": partial(precision_at_k, k=0.05),
        "P@50%": partial(precision_at_k, k=0.5),
        TAU: kendall_tau,
    }
)
"""Criteria of the Surgery paper, section 3; BR and P are printed in percent."""


def tau(scores: Values, truth: Values) -> float:
    """Return Kendall's tau of scores with the truth; scores that are all equal rank nothing, which counts as 0."""
    if min(np.ptp(scores), np.ptp(truth)) == 0:
        return 0.0
    return kendall_tau(predicted=scores, true=truth)


def tau_interval(scores: Values, truth: Values, streams: Streams, *, resamples: int = 1000) -> Interval | None:
    """Return the bootstrap interval of :func:`tau` over the choice of architectures, ``None`` where undefined."""
    if min(np.ptp(scores), np.ptp(truth)) == 0:
        return None
    generator = streams.numpy("bootstrap")
    try:
        return bootstrap(kendall_tau, predicted=scores, true=truth, resamples=resamples, generator=generator)
    except CriteriaError:
        return None


def measured(criterion: str, predicted: Values, true: Values) -> float | None:
    """Return a criterion, BR and P in percent; ``None`` where it is undefined, as for a K that selects none."""
    try:
        value = CRITERIA[criterion](predicted=predicted, true=true)
    except CriteriaError:
        return None
    return 100.0 * value if "@" in criterion else value


def by_class(values: Float64[np.ndarray, "s n"], labels: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, "s k"]:
    """Return the mean over each class of twins, for each supernet (post de-isomorphism)."""
    return np.stack([group_means(values=row, labels=labels) for row in values])


def each(criterion: str, scores: Float64[np.ndarray, "s n"], truth: Values) -> tuple[float, ...]:
    """Return a criterion for each supernet, none where it is undefined for one of them."""
    found = [measured(criterion, row, truth) for row in scores]
    return () if None in found else tuple(value for value in found if value is not None)


def criterion_findings(
    what: str,
    scores: Float64[np.ndarray, "s n"],
    truth: Values,
    paper: Mapping[str, float | None],
    *,
    note: str,
    streams: Streams,
    resamples: int,
) -> list[Finding]:
    """Return a finding for each criterion that is defined.

    Of fewer than three supernets, the first one's tau has its bootstrap interval over what is ranked.
    """
    findings = []
    for criterion, published in paper.items():
        if not (values := each(criterion, scores, truth)):
            continue
        interval = None
        if criterion == TAU and len(values) < 3:
            interval = tau_interval(scores[0], truth, streams, resamples=resamples)
        metric = f"{criterion} (%)" if "@" in criterion else criterion
        findings.append(
            Finding(
                what=what,
                metric=metric,
                paper=published,
                values=values,
                interval=interval,
                resampled="classes of architectures",
                note=note,
            )
        )
    return findings


def jackknifed_taus(first: Values, second: Values) -> Values:
    """Return the jackknife's pseudo-values of Kendall's tau-b, one for each architecture; their mean is about tau.

    With n architectures and tau_i without the i-th, n tau - (n - 1) tau_i: Student's interval over them is that of tau
    over the choice of architectures (Tukey).
    """
    a, b = (np.sign(column[:, None] - column[None, :]) for column in (first, second))

    def without(times: float) -> Values:
        # Every pair stands in a matrix twice: once in the row and once in the column of an architecture.
        top, one, other = (matrix.sum() - times * matrix.sum(axis=1) for matrix in (a * b, np.abs(a), np.abs(b)))
        sides = np.sqrt(one * other)
        return np.asarray(np.divide(top, sides, out=np.zeros_like(sides), where=sides > 0), dtype=np.float64)

    n = len(first)
    return np.asarray(n * without(0.0) - (n - 1) * without(2.0), dtype=np.float64)


def spread(values: Sequence[float]) -> tuple[float, ...]:
    """Return how far each value is from the median: what Brown and Forsythe compare spreads by."""
    return tuple(float(gap) for gap in np.abs(np.array(values) - np.median(values)))


def differences(first: Sequence[float], second: Sequence[float]) -> tuple[float, ...]:
    """Return first less second, pair by pair; supernets of one number have one seed."""
    return tuple(a - b for a, b in zip(first, second, strict=True))
