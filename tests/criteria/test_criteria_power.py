import math

import numpy as np
import pytest
from scipy import stats

from trueshot.core.errors import CriteriaError
from trueshot.criteria.power import minimal_detectable_effect, paired_interval


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
