import numpy as np
import pytest

from trueshot.core.errors import CriteriaError
from trueshot.criteria.correlation import kendall_tau, pearson
from trueshot.criteria.curves import improvement_curve, pruning_curve


def columns(n=60, seed=0):
    generator = np.random.default_rng(seed)
    true = generator.normal(size=n)
    return true + generator.normal(size=n), true


def test_improvement_equals_removing_one_by_one():
    predicted, true = columns()
    curve = improvement_curve(predicted=predicted, true=true, smallest=4)
    ascending = true[np.argsort(predicted)]
    means = [ascending[i:].mean() for i in range(60 - 4 + 1)]
    assert curve.remaining.tolist() == list(range(60, 3, -1))
    assert curve.mean == pytest.approx(means)
    assert curve.improvement == pytest.approx((np.array(means) - true.mean()) / (true.max() - true.mean()), abs=1e-12)


def test_improvement_runs_from_zero_to_one_for_a_perfect_ranking():
    _, true = columns()
    curve = improvement_curve(predicted=true, true=true, smallest=1)
    assert curve.improvement[0] == 0
    assert curve.improvement[-1] == pytest.approx(1)
    assert (np.diff(curve.improvement) > 0).all()
    reverse = improvement_curve(predicted=-true, true=true, smallest=1)
    assert reverse.improvement[-1] < 0
    assert improvement_curve(predicted=true, true=true).remaining[-1] == 10


def test_of_equal_scores_the_later_goes_first():
    curve = improvement_curve(predicted=np.zeros(3), true=np.array([5.0, 1.0, 0.0]), smallest=1)
    assert curve.mean.tolist() == [2.0, 3.0, 5.0]


def test_pruning_removes_the_truly_worst():
    predicted, true = columns()
    curve = pruning_curve(predicted=predicted, true=true, points=60, smallest=5)
    assert curve.remaining.tolist() == list(range(60, 4, -1))
    for count, value in zip(curve.remaining, curve.value, strict=True):
        kept = np.argsort(-true)[:count]
        assert value == kendall_tau(predicted=predicted[kept], true=true[kept])


def test_pruning_points_are_spread_over_the_range():
    predicted, true = columns(1000)
    curve = pruning_curve(predicted=predicted, true=true, points=10, criterion=pearson)
    assert curve.remaining.tolist() == [1000, 890, 780, 670, 560, 450, 340, 230, 120, 10]
    assert curve.value[0] == pytest.approx(pearson(predicted=predicted, true=true))
    assert pruning_curve(predicted=predicted, true=true, points=1).remaining.tolist() == [1000]


def test_pruning_shows_what_one_number_hides():
    generator = np.random.default_rng(3)
    true = np.concatenate([np.linspace(10, 50, 100), np.linspace(90, 94, 100)])
    predicted = np.concatenate([true[:100], 90 + generator.random(100)])
    curve = pruning_curve(predicted=predicted, true=true, points=50, smallest=100)
    assert curve.value[0] > 0.6
    assert abs(curve.value[-1]) < 0.2


def test_undefined_points_are_nan():
    true = np.arange(6.0)
    predicted = np.array([0.0, 1.0, 2.0, 5.0, 5.0, 5.0])
    curve = pruning_curve(predicted=predicted, true=true, smallest=3)
    assert curve.remaining.tolist() == [6, 5, 4, 3]
    assert np.isnan(curve.value).tolist() == [False, False, False, True]


def test_bad_input():
    predicted, true = columns(20)
    for smallest in (0, 21):
        with pytest.raises(CriteriaError, match=f"cannot end at {smallest}: choose 1 to 20"):
            improvement_curve(predicted=predicted, true=true, smallest=smallest)
    with pytest.raises(CriteriaError, match="choose 2 to 20"):
        pruning_curve(predicted=predicted, true=true, smallest=1)
    with pytest.raises(CriteriaError, match="0 points"):
        pruning_curve(predicted=predicted, true=true, points=0)
    with pytest.raises(CriteriaError, match="improvement is undefined"):
        improvement_curve(predicted=predicted, true=np.full(20, 3.0))
