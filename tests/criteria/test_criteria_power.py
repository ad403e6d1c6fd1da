import math

import numpy as np
import pytest
from scipy import stats

from trueshot.core.errors import CriteriaError
from trueshot.criteria.power import border_p, holm, minimal_detectable_effect, paired_interval, pairs_needed


@pytest.mark.parametrize(("n", "effect"), [(10, 0.9964), (20, 0.6604), (34, 0.4946)])
def test_effect_of_unit_deviation_is_that_of_the_tables(n, effect):
    # Cohen's d of a paired t test at 80 % power, two-sided 5 %: 34 pairs see half a standard deviation.
    assert minimal_detectable_effect(1.0, n) == pytest.approx(effect, abs=2e-3)


@pytest.mark.parametrize("n", [3, 8])
def test_effect_is_found_four_times_out_of_five(n):
    effect = minimal_detectable_effect(2.0, n)
    drawn = np.random.default_rng(0).normal(effect, 2.0, (20_000, n))
    t = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / math.sqrt(n))
    assert (abs(t) > stats.t.ppf(0.975, n - 1)).mean() == pytest.approx(0.8, abs=0.01)


def test_effect_grows_with_the_deviation_and_needs_three_pairs():
    assert minimal_detectable_effect(3.0, 6) == pytest.approx(3 * minimal_detectable_effect(1.0, 6))
    assert minimal_detectable_effect(0.0, 6) == 0.0
    assert minimal_detectable_effect(1.0, 2) is None
    with pytest.raises(CriteriaError, match="standard deviation of nan"):
        minimal_detectable_effect(math.nan, 5)


def test_interval_of_three_differences_by_hand():
    # Mean 2, deviation 1, t of two degrees of freedom 4.3027: half a width of 4.3027 / sqrt(3).
    interval = paired_interval(np.array([1.0, 2.0, 3.0]))
    assert (interval.low, interval.high) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)
    assert paired_interval(np.array([1.0, 2.0])) is None


def test_p_value_is_the_error_at_which_the_interval_touches_the_border():
    values = np.array([0.1, 0.4, 0.3, 0.7])
    low = paired_interval(values).low
    assert border_p(values, low) == pytest.approx(0.05)
    assert border_p(values, 0.375) == pytest.approx(1.0)
    assert border_p(values[:2], 0.0) is None
    assert (border_p(np.full(3, 0.2), 0.2), border_p(np.full(3, 0.2), 0.0)) == (1.0, 0.0)


def test_holm_by_hand():
    # Ordered 0.01, 0.02, 0.03, 0.5: times 4, 3, 2, 1, none below the one before.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx((0.06, 0.04, 0.5, 0.06))
    assert holm([0.6, 0.9]) == (1.0, 1.0)
    assert holm([0.04]) == (0.04,)
    assert holm([]) == ()


def test_of_several_claims_each_sees_what_its_part_of_the_error_allows():
    effect = minimal_detectable_effect(1.0, 8, claims=5)
    drawn = np.random.default_rng(0).normal(effect, 1.0, (20_000, 8))
    t = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / math.sqrt(8))
    assert (abs(t) > stats.t.ppf(1 - 0.005, 7)).mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("effect", "claims"), [(0.5, 1), (0.2, 3), (4.0, 1), (0.9964, 1)])
def test_pairs_needed_are_the_least_that_see_the_effect(effect, claims):
    n = pairs_needed(effect, 1.0, claims=claims)
    assert minimal_detectable_effect(1.0, n, claims=claims) <= effect
    assert n == 3 or minimal_detectable_effect(1.0, n - 1, claims=claims) > effect
    with pytest.raises(CriteriaError, match="an effect of 0"):
        pairs_needed(0.0, 1.0)
