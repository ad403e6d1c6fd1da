import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from trueshot.core.errors import CriteriaError
from trueshot.criteria.correlation import kendall_tau, pairwise_accuracy, pearson, spearman

CORRELATIONS = [pearson, spearman, kendall_tau]

pairs_with_ties = st.integers(2, 25).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-3, 3), min_size=n, max_size=n)] * 2)
)


def slow_tau_b(a, b):
    concordance = untied_a = untied_b = 0
    for i in range(len(a)):
        for j in range(i):
            x, y = np.sign(a[i] - a[j]), np.sign(b[i] - b[j])
            concordance += x * y
            untied_a += x != 0
            untied_b += y != 0
    return concordance / math.sqrt(untied_a * untied_b)


def slow_pairwise(a, b, identity=None):
    """NAO's loop: i < j, ties as they fall; pairs of one identity left out."""
    agreeing = total = 0
    for i in range(len(a)):
        for j in range(i + 1, len(a)):
            if identity is not None and identity[i] == identity[j]:
                continue
            total += 1
            agreeing += (a[i] >= a[j] and b[i] >= b[j]) or (a[i] < a[j] and b[i] < b[j])
    return agreeing / total


@pytest.mark.parametrize("criterion", CORRELATIONS)
def test_perfect_and_reversed(criterion):
    true = np.linspace(10, 95, 40)
    assert criterion(predicted=2 * true - 7, true=true) == pytest.approx(1, abs=1e-12)
    assert criterion(predicted=-true, true=true) == pytest.approx(-1, abs=1e-12)


def test_only_pearson_sees_the_scale():
    true = np.linspace(0, 1, 50)
    predicted = np.exp(20 * true)
    assert spearman(predicted=predicted, true=true) == pytest.approx(1)
    assert kendall_tau(predicted=predicted, true=true) == pytest.approx(1)
    assert pearson(predicted=predicted, true=true) < 0.6


def test_random_is_near_zero_and_half():
    generator = np.random.default_rng(3)
    predicted, true = generator.normal(size=(2, 4000))
    for criterion in CORRELATIONS:
        assert abs(criterion(predicted=predicted, true=true)) < 0.06
    assert pairwise_accuracy(predicted=predicted, true=true) == pytest.approx(0.5, abs=0.03)


@given(pairs_with_ties)
def test_correlations_match_oracles(columns):
    a, b = (np.array(column, dtype=float) for column in columns)
    assume(np.ptp(a) > 0 and np.ptp(b) > 0)
    assert kendall_tau(predicted=a, true=b) == pytest.approx(slow_tau_b(a, b), abs=1e-12)
    assert pearson(predicted=a, true=b) == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-12)
    ranked = [stats.rankdata(column) for column in (a, b)]
    assert spearman(predicted=a, true=b) == pytest.approx(np.corrcoef(*ranked)[0, 1], abs=1e-12)


@given(pairs_with_ties, st.data())
def test_pairwise_accuracy_matches_the_loop(columns, data):
    a, b = (np.array(column, dtype=float) for column in columns)
    assert pairwise_accuracy(predicted=a, true=b) == slow_pairwise(a, b)
    drawn = np.array(data.draw(st.lists(st.integers(0, a.size - 1), min_size=2, max_size=30)))
    assume(len(set(drawn.tolist())) > 1)
    ours = pairwise_accuracy(predicted=a[drawn], true=b[drawn], identity=drawn)
    assert ours == slow_pairwise(a[drawn], b[drawn], drawn)


def test_pairwise_accuracy_on_many_rows_with_ties():
    generator = np.random.default_rng(0)
    true = generator.integers(0, 40, size=700)
    predicted = true + generator.integers(-15, 15, size=700)
    assert pairwise_accuracy(predicted=predicted, true=true) == slow_pairwise(predicted.tolist(), true.tolist())


def test_pairwise_accuracy_is_a_share_of_all_pairs():
    # The figures NAO-V2 prints for 50 architectures are multiples of 1/1225.
    for printed, agreeing in ((0.435918, 534), (0.573061, 702), (0.6, 735)):
        true = np.arange(50.0)
        predicted = permutation_with_concordant_pairs(50, agreeing)
        assert pairwise_accuracy(predicted=predicted, true=true) == agreeing / 1225
        assert agreeing / 1225 == pytest.approx(printed, abs=5e-7)


def permutation_with_concordant_pairs(n, concordant):
    """Insert n - 1, n - 2, ... each behind which as many larger values stand as concordant pairs are still needed."""
    values = []
    for value in range(n - 1, -1, -1):
        before = len(values) - min(concordant, len(values))
        concordant -= len(values) - before
        values.insert(before, value)
    return np.array(values, dtype=float)


def test_pairwise_accuracy_relates_to_tau_without_ties():
    generator = np.random.default_rng(1)
    predicted, true = generator.normal(size=(2, 101))
    tau = kendall_tau(predicted=predicted, true=true)
    assert pairwise_accuracy(predicted=predicted, true=true) == pytest.approx((1 + tau) / 2)


def test_pairwise_accuracy_takes_ties_by_position():
    tied = np.zeros(4)
    assert pairwise_accuracy(predicted=tied, true=np.arange(4.0)[::-1]) == 1
    assert pairwise_accuracy(predicted=tied, true=np.arange(4.0)) == 0
    with pytest.raises(CriteriaError, match="copies of one"):
        pairwise_accuracy(predicted=tied, true=tied, identity=np.zeros(4))


@pytest.mark.parametrize("criterion", CORRELATIONS)
def test_constant_columns_are_refused(criterion):
    with pytest.raises(CriteriaError, match=r"undefined: all 5 values of predicted are 0\.1"):
        criterion(predicted=np.full(5, 0.1), true=np.arange(5.0))
    with pytest.raises(CriteriaError, match="of true are 10"):
        criterion(predicted=np.arange(5.0), true=np.full(5, 10.0))


@pytest.mark.parametrize("scale", [1e-300, 1e-5, 1e300])
def test_pearson_is_free_of_scale(scale):
    a, b = np.array([1.0, 2.0, 4.0, 3.0]), np.array([1.0, 3.0, 4.0, 2.0])
    assert pearson(predicted=a * scale, true=b) == pytest.approx(pearson(predicted=a, true=b), abs=1e-12)


@pytest.mark.parametrize("criterion", [*CORRELATIONS, pairwise_accuracy])
def test_bad_columns_are_refused(criterion):
    with pytest.raises(CriteriaError, match="NaN"):
        criterion(predicted=np.array([1.0, np.nan]), true=np.arange(2.0))
    with pytest.raises(CriteriaError, match="too few"):
        criterion(predicted=np.zeros(1), true=np.zeros(1))
    with pytest.raises(CriteriaError, match="every architecture"):
        criterion(predicted=np.zeros(2), true=np.zeros(3))
