import numpy as np
import pytest

from trueshot.core.random import Streams
from trueshot.studies.analysis import TAU, by_class, criterion_findings, differences, each, measured, tau, tau_interval

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
