import numpy as np
import pytest

from trueshot.core.random import Streams
from trueshot.criteria.correlation import kendall_tau
from trueshot.studies.analysis import (
    TAU,
    by_class,
    criterion_findings,
    differences,
    each,
    jackknifed_taus,
    measured,
    spread,
    tau,
    tau_interval,
)

TRUTH = np.array([1.0, 2.0, 3.0, 4.0])
# Of six pairs the first is in order but for one (tau 4/6), the second but for three (0).
SCORES = np.array([[1.0, 3.0, 2.0, 4.0], [2.0, 3.0, 4.0, 1.0]])


def test_tau_of_each_supernet_by_hand():
    assert each(TAU, SCORES, TRUTH) == pytest.approx((4 / 6, 0.0))
    assert differences(each(TAU, SCORES, TRUTH), (0.5, 0.5)) == pytest.approx((1 / 6, -0.5))
    with pytest.raises(ValueError, match="zip"):
        differences((1.0,), (1.0, 2.0))


def test_constant_scores_rank_nothing():
    assert tau(np.ones(4), TRUTH) == 0.0
    assert tau_interval(np.ones(4), TRUTH, Streams(0)) is None
    assert tau(TRUTH, TRUTH) == 1.0
    assert each(TAU, np.stack([TRUTH, np.ones(4)]), TRUTH) == ()


def test_undefined_criteria_are_left_out():
    few, many = np.arange(10.0), np.arange(40.0)
    assert measured("BR@5%", few, few) is None
    assert measured("P@5%", many, many) == 100.0
    assert measured("BR@5%", many, many) == 2.5
    streams = {"streams": Streams(0), "resamples": 20, "note": ""}
    found = criterion_findings("a", few[None], few, {"BR@5%": 0.1, TAU: 0.7}, **streams)
    assert [(one.metric, one.paper) for one in found] == [(TAU, 0.7)]
    assert found[0].values == pytest.approx((1.0,))


def test_one_supernet_has_the_interval_over_classes_and_three_have_that_over_supernets():
    streams = {"streams": Streams(0), "resamples": 50, "note": ""}
    truth = np.arange(30.0)
    noisy = truth + np.random.default_rng(0).normal(0, 8, (3, 30))
    (one,) = criterion_findings("a", noisy[:1], truth, {TAU: None}, **streams)
    (three,) = criterion_findings("a", noisy, truth, {TAU: None}, **streams)
    assert (one.ours.over, three.ours.over) == ("classes of architectures", "supernets")
    assert one.ours.low < one.ours.value < one.ours.high


def test_scores_are_averaged_over_classes():
    np.testing.assert_array_equal(by_class(SCORES, np.array([0, 0, 1, 1])), [[2.0, 3.0], [2.5, 2.5]])


def test_pseudo_values_of_tau_are_those_of_the_jackknife():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 12).astype(float), rng.integers(0, 6, 12).astype(float)
    whole = kendall_tau(predicted=a, true=b)
    without = [kendall_tau(predicted=np.delete(a, i), true=np.delete(b, i)) for i in range(12)]
    np.testing.assert_allclose(jackknifed_taus(a, b), 12 * whole - 11 * np.array(without))
    np.testing.assert_array_equal(jackknifed_taus(a, np.ones(12)), np.zeros(12))


def test_pseudo_values_have_about_the_interval_of_independent_columns():
    # Tau of n unrelated values has a deviation of about 2 / (3 sqrt(n)).
    rng = np.random.default_rng(0)
    values = jackknifed_taus(rng.normal(size=400), rng.normal(size=400))
    assert values.std(ddof=1) == pytest.approx(2 / 3, rel=0.1)


def test_spread_is_the_distance_from_the_median():
    assert spread((1.0, 2.0, 6.0)) == (1.0, 0.0, 4.0)
