"""The best found after k look-ups, beside a loop that does it one by one."""

import numpy as np
import pytest

from trueshot.core.errors import CriteriaError
from trueshot.criteria.lookups import LOOK_UPS, best_found

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
SHORT = np.array([50.0, 70.0, 60.0, 90.0, 80.0])
TRUE = np.array([91.0, 92.0, 95.0, 94.0, 93.0])


def curve(predicted=SCORES, short=SHORT, true=TRUE, seed=0, **options):
    return best_found(predicted=predicted, short=short, true=true, generator=np.random.default_rng(seed), **options)


def oracle(predicted, short, true, looks):
    """Return the curve of a ranking without ties, one look-up after another."""
    found = []
    for k in looks:
        chosen = sorted(range(len(true)), key=lambda index: -predicted[index])[:k]
        found.append(true[max(chosen, key=lambda index: short[index])])
    return found


def test_by_hand():
    found = curve(draws=3)
    assert found.looks.tolist() == [1, 2, 3, 4, 5]
    # The third is truly the best of all, but its short training is not, so it is never taken.
    assert found.each.tolist() == [[91.0, 92.0, 92.0, 94.0, 94.0]] * 3
    assert curve(looks=(5, 2, 99)).looks.tolist() == [2, 5]
    assert (LOOK_UPS[0], LOOK_UPS[-1], len(LOOK_UPS)) == (1, 100, 100)


def test_equal_scores_and_equal_short_trainings_are_ordered_at_random():
    first = curve(predicted=np.array([1, 1, 0, 0, 0]), looks=(1,), draws=2000).each[:, 0]
    assert sorted(set(first)) == [91.0, 92.0]
    assert np.mean(first == 91.0) == pytest.approx(0.5, abs=0.04)
    best = curve(short=np.array([1.0, 1.0, 1.0, 0.0, 0.0]), looks=(2, 5), draws=2000).each
    assert np.mean(best[:, 0] == 91.0) == pytest.approx(0.5, abs=0.04)
    assert [np.mean(best[:, 1] == truth) for truth in (91.0, 92.0, 95.0)] == pytest.approx([1 / 3] * 3, abs=0.04)


def test_one_draw_orders_equals_once_for_all_look_ups():
    found = curve(predicted=np.zeros(5), short=TRUE, draws=500)
    assert (np.diff(found.each, axis=1) >= 0).all()
    assert (found.each[:, -1] == 95.0).all()
    assert found.median[-1] == found.quantile(0.025)[-1] == 95.0
    assert (found.quantile(0.025) <= found.median).all()


def test_random_search_has_its_expectation():
    rng = np.random.default_rng(1)
    true = rng.permutation(50).astype(float) + 1
    found = curve(predicted=np.zeros(50), short=true, true=true, looks=(1, 9), draws=4000)
    # The largest of k numbers drawn from 1 to n is k (n + 1) / (k + 1) in the mean.
    assert found.each.mean(axis=0) == pytest.approx([51 / 2, 9 * 51 / 10], abs=0.6)


def test_it_is_what_a_slow_loop_finds():
    rng = np.random.default_rng(2)
    for _ in range(20):
        predicted, short, true = rng.random((3, 137))
        assert curve(predicted, short, true, draws=1).each[0].tolist() == oracle(predicted, short, true, LOOK_UPS)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"short": SHORT[:4]}, "have 5, 4, 5 values"),
        ({"short": np.where(SHORT == 60, np.nan, SHORT)}, "short: 1 of 5 values is NaN"),
        ({"looks": (6, 7)}, "find nothing"),
        ({"looks": (0, 1)}, "find nothing"),
        ({"draws": 0}, "0 draws"),
    ],
)
def test_what_cannot_be_looked_up(changed, message):
    with pytest.raises(CriteriaError, match=message):
        curve(**changed)
