import numpy as np
import pytest

from trueshot.core.errors import CriteriaError
from trueshot.criteria.consistency import self_consistency
from trueshot.criteria.correlation import kendall_tau, pearson, spearman


def test_mean_over_the_three_pairs():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=50) + generator.normal(size=(3, 50))
    consistency = self_consistency(scores=scores)
    assert list(consistency.pairs) == [(0, 1), (0, 2), (1, 2)]
    for name, criterion in (("kendall_tau", kendall_tau), ("pearson", pearson), ("spearman", spearman)):
        values = [criterion(predicted=scores[i], true=scores[j]) for i, j in consistency.pairs]
        assert [getattr(pair, name) for pair in consistency.pairs.values()] == values
        assert getattr(consistency.mean, name) == pytest.approx(np.mean(values))


def test_twins_agree_fully():
    mean = self_consistency(scores=np.tile(np.arange(9.0), (2, 1))).mean
    assert (mean.kendall_tau, mean.pearson, mean.spearman) == pytest.approx((1, 1, 1))


def test_bad_input():
    with pytest.raises(CriteriaError, match="at least two score vectors"):
        self_consistency(scores=np.zeros((1, 5)))
    scores = np.stack([np.arange(4.0), np.arange(4.0), np.full(4, 2.0)])
    with pytest.raises(CriteriaError, match=r"score vectors 0 .* and 2 .*undefined"):
        self_consistency(scores=scores)
