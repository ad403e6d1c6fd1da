"""Do several supernets, trained alike but for the seed, agree with each other?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Real

from trueshot.core.errors import CriteriaError
from trueshot.criteria.correlation import kendall_tau, pearson, spearman


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Correlations between two score vectors, or their means over several pairs of them."""

    kendall_tau: float
    pearson: float
    spearman: float


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """Agreement between every two of several score vectors.

    Attributes:
        mean: mean over the pairs, what Table 2 of the inter-choice paper prints.
        pairs: agreement of the vectors (i, j), i < j, by that pair.
    """

    mean: Agreement
    pairs: dict[tuple[int, int], Agreement]


def self_consistency(*, scores: Real[np.ndarray, "vectors n"]) -> Consistency:
    """Return how far several score vectors of the same architectures agree.

    Source: inter-choice dependent weights, section 4.3 (three supernets, 250 random architectures).

    Args:
        scores: one row a supernet (or an evaluator), one column an architecture.

    Raises:
        CriteriaError: when there are fewer than two rows, or a correlation is undefined; the message names the rows.
    """
    if scores.shape[0] < 2:
        raise CriteriaError("self-consistency needs at least two score vectors, of supernets of different seeds")
    pairs = {}
    for i, j in itertools.combinations(range(scores.shape[0]), 2):
        a, b = scores[i], scores[j]
        try:
            pairs[i, j] = Agreement(
                kendall_tau=kendall_tau(predicted=a, true=b),
                pearson=pearson(predicted=a, true=b),
                spearman=spearman(predicted=a, true=b),
            )
        except CriteriaError as error:
            raise CriteriaError(f"score vectors {i} (as predicted) and {j} (as true): {error}") from error
    mean = Agreement(
        kendall_tau=float(np.mean([pair.kendall_tau for pair in pairs.values()])),
        pearson=float(np.mean([pair.pearson for pair in pairs.values()])),
        spearman=float(np.mean([pair.spearman for pair in pairs.values()])),
    )
    return Consistency(mean=mean, pairs=pairs)
