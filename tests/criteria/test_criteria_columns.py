import inspect

import numpy as np
import pytest

from trueshot.core.errors import CriteriaError, TrueshotError
from trueshot.criteria.columns import Criterion, finite, order, paired, ranks
from trueshot.criteria.correlation import kendall_tau


def test_nan_is_counted_and_placed():
    values = np.arange(10.0)
    values[[2, 5, 7, 9]] = np.nan
    with pytest.raises(
        CriteriaError, match=r"predicted: 4 of 10 values are NaN \(counting from 0, at 2, 5, 7, \.\.\.\)"
    ):
        paired(values, np.arange(10.0))
    with pytest.raises(CriteriaError, match=r"true: 1 of 3 values is NaN or infinite \(counting from 0, at 1\)"):
        paired(np.arange(3.0), np.array([0.0, -np.inf, 1.0]))


def test_lengths_and_counts():
    with pytest.raises(CriteriaError, match="predicted has 3 values and true has 4"):
        paired(np.arange(3.0), np.arange(4.0))
    with pytest.raises(CriteriaError, match="1 values are too few, at least 2"):
        paired(np.arange(1.0), np.arange(1.0))
    with pytest.raises(CriteriaError, match="too few"):
        finite(np.zeros(0), "cost")


def test_errors_are_user_errors_and_value_errors():
    assert issubclass(CriteriaError, TrueshotError)
    assert issubclass(CriteriaError, ValueError)


def test_integers_become_float64():
    assert finite(np.array([1, 2], dtype=np.uint8), "x").dtype == np.float64
    # Negating unsigned integers would wrap around.
    assert order(np.array([0, 2, 1], dtype=np.uint8)).tolist() == [1, 2, 0]


def test_ranks_are_stable():
    values = np.array([1.0, 3.0, 3.0, 2.0, 3.0])
    assert ranks(values).tolist() == [5, 1, 2, 4, 3]
    assert order(values).tolist() == [1, 2, 4, 3, 0]


def test_random_ties_are_seeded_fair_and_keep_the_order_of_others():
    values = np.array([1.0, 3.0, 3.0, 2.0, 3.0])
    generator = np.random.default_rng(0)
    drawn = np.array([ranks(values, ties=generator) for _ in range(3000)])
    assert (drawn[:, 0] == 5).all()
    assert (drawn[:, 3] == 4).all()
    assert np.allclose(drawn[:, [1, 2, 4]].mean(axis=0), 2.0, atol=0.06)
    again = np.random.default_rng(0)
    assert (ranks(values, ties=again) == drawn[0]).all()


def test_criteria_satisfy_the_protocol():
    # At run time a protocol with a call alone is met by whatever can be called.
    names = inspect.signature(Criterion.__call__).parameters.keys() - {"self"}
    assert inspect.signature(kendall_tau).parameters.keys() == names == {"predicted", "true"}
