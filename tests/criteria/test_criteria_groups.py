import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueshot.core.errors import CriteriaError
from trueshot.criteria.correlation import kendall_tau
from trueshot.criteria.groups import (
    by_cost,
    class_tau,
    cost_groups,
    group_means,
    mean_group_rank_std,
    mean_group_std,
    rank_difference,
    tau_within,
    within_groups,
)
from trueshot.criteria.top import precision_at_k


def test_positive_rank_difference_is_over_estimation():
    true = np.array([90.0, 80.0, 70.0])
    predicted = np.array([0.1, 0.2, 0.3])
    assert rank_difference(predicted=predicted, true=true).tolist() == [-2, 0, 2]


def test_cost_groups_are_equal_and_ordered():
    cost = np.random.default_rng(0).permutation(23)
    labels = cost_groups(cost=cost, groups=5)
    assert np.bincount(labels).tolist() == [5, 5, 5, 4, 4]
    assert (np.diff(labels[np.argsort(cost)]) >= 0).all()
    assert cost_groups(cost=np.zeros(4), groups=2).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("groups", [0, 4])
def test_too_many_groups(groups):
    with pytest.raises(CriteriaError, match=f"{groups} cost groups cannot be made of 3"):
        cost_groups(cost=np.arange(3.0), groups=groups)


def test_within_groups_equals_a_loop():
    generator = np.random.default_rng(1)
    predicted, true = generator.normal(size=(2, 120))
    labels = generator.choice(np.array(["b", "a", "c"]), size=120)
    for criterion in (kendall_tau, partial(precision_at_k, k=0.2)):
        looped = tuple(criterion(predicted=predicted[labels == x], true=true[labels == x]) for x in "abc")
        assert within_groups(predicted=predicted, true=true, labels=labels, criterion=criterion) == looped


def test_undefined_groups_are_none():
    predicted = np.array([1.0, 2.0, 5.0, 5.0, 9.0])
    values = within_groups(predicted=predicted, true=np.arange(5.0), labels=np.array([0, 0, 1, 1, 2]))
    assert values == (pytest.approx(1.0), None, None)


def test_by_cost_finds_that_small_ones_are_over_estimated():
    generator = np.random.default_rng(2)
    cost = generator.random(400)
    true = cost + 0.1 * generator.normal(size=400)
    groups = by_cost(predicted=true - 0.6 * cost, true=true, cost=cost, groups=10)
    assert [group.count for group in groups] == [40] * 10
    assert groups[0].rank_difference > 20
    assert groups[-1].rank_difference < -20
    assert sum(group.rank_difference * group.count for group in groups) == pytest.approx(0, abs=1e-6)
    assert all(left.cost_high <= right.cost_low for left, right in itertools.pairwise(groups))
    members = cost_groups(cost=cost) == 3
    expected = kendall_tau(predicted=(true - 0.6 * cost)[members], true=true[members])
    assert groups[3].value == expected


@given(
    st.lists(st.tuples(st.integers(0, 5), st.floats(0, 100)), min_size=1, max_size=40),
    st.sampled_from([0, 1]),
)
def test_spread_and_means_equal_loops(rows, ddof):
    labels, values = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    members = [values[labels == label] for label in sorted(set(labels.tolist()))]
    deviations = [group.std(ddof=ddof) if group.size > 1 else 0.0 for group in members]
    assert mean_group_std(values=values, labels=labels, ddof=ddof) == pytest.approx(np.mean(deviations), abs=1e-9)
    assert group_means(values=values, labels=labels) == pytest.approx([group.mean() for group in members])


def test_rank_spread_is_over_all_ranks():
    values, labels = np.array([9.0, 1.0, 5.0, 4.0]), np.array(["x", "x", "y", "z"])
    # Ranks 1 and 4 deviate by 1.5 from their mean; the two groups of one count with 0.
    assert mean_group_rank_std(values=values, labels=labels) == pytest.approx(1.5 / 3)
    assert mean_group_rank_std(values=values, labels=labels, ddof=1) == pytest.approx(np.sqrt(4.5) / 3)


def test_bad_labels_and_values():
    with pytest.raises(CriteriaError, match="one label for each"):
        group_means(values=np.arange(3.0), labels=np.arange(2))
    with pytest.raises(CriteriaError, match="NaN"):
        mean_group_std(values=np.array([1.0, np.nan]), labels=np.arange(2))


def test_each_class_counts_once():
    labels = np.array(["a"] * 6 + ["b", "c"])
    true = np.array([1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 2.0, 3.0])
    predicted = np.array([5.0, 1.0, 4.0, 2.0, 6.0, 0.0, 4.0, 7.0])
    # Means of the scores: 3, 4 and 7.
    assert class_tau(predicted=predicted, true=true, labels=labels) == 1.0
    assert kendall_tau(predicted=predicted, true=true) < 0.8


def test_tau_of_the_pairs_inside_groups():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 5, size=40)
    predicted, true = generator.integers(0, 6, size=40).astype(float), generator.normal(size=40)
    true[::3] = 1.0
    concordance = untied_predicted = untied_true = 0
    for i in range(40):
        for j in range(i):
            if labels[i] == labels[j]:
                signs = np.sign(predicted[i] - predicted[j]), np.sign(true[i] - true[j])
                concordance += signs[0] * signs[1]
                untied_predicted += abs(signs[0])
                untied_true += abs(signs[1])
    expected = concordance / np.sqrt(untied_predicted * untied_true)
    assert tau_within(predicted=predicted, true=true, labels=labels) == pytest.approx(expected)
    everywhere = tau_within(predicted=predicted, true=true, labels=np.zeros(40))
    assert everywhere == pytest.approx(kendall_tau(predicted=predicted, true=true))
    with pytest.raises(CriteriaError, match="all pairs inside groups are tied"):
        tau_within(predicted=predicted, true=true, labels=np.arange(40))
