import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trueshot.core.errors import CriteriaError
from trueshot.criteria.pareto import hypervolume, non_dominated, pareto_front


def slow_front(points):
    return [not any((q <= p).all() and (q < p).any() for q in points) for p in points]


@given(
    st.tuples(st.integers(0, 25), st.integers(1, 4)).flatmap(lambda s: arrays(np.int64, s, elements=st.integers(0, 4)))
)
def test_non_dominated_equals_comparing_all(points):
    assert non_dominated(points).tolist() == slow_front(points)


@pytest.mark.parametrize("objectives", [2, 3])
def test_non_dominated_on_many_points(objectives):
    points = np.random.default_rng(0).normal(size=(400, objectives))
    assert non_dominated(points).tolist() == slow_front(points)


def test_equal_points_stay_together():
    points = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 3.0], [2.0, 1.0], [2.0, 2.0]])
    assert non_dominated(points).tolist() == [True, True, False, True, False]


def test_front_is_sorted_by_cost_and_maximises_the_score():
    cost = np.array([3.0, 1.0, 2.0, 2.0, 4.0])
    score = np.array([0.9, 0.5, 0.8, 0.7, 0.9])
    assert pareto_front(cost=cost, score=score).tolist() == [1, 2, 0]
    assert pareto_front(cost=np.ones(3), score=np.array([2.0, 1.0, 2.0])).tolist() == [0, 2]
    assert pareto_front(cost=np.zeros(0), score=np.zeros(0)).size == 0


def test_hypervolume_by_hand():
    cost, score = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    # From 1 to 2 the best score is 1, from 2 to 4 it is 3.
    assert hypervolume(cost=cost, score=score, reference=(4.0, 0.0)) == pytest.approx(1 * 1 + 2 * 3)
    assert hypervolume(cost=cost, score=score, reference=(2.0, 0.5)) == pytest.approx(0.5)
    assert hypervolume(cost=cost, score=score, reference=(1.0, 0.0)) == 0
    assert hypervolume(cost=cost, score=score, reference=(9.0, 3.0)) == 0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_hypervolume_equals_counting_cells(rows):
    """Coordinates are integers, so the area is the number of beaten unit cells."""
    cost, score = (np.array([row[i] for row in rows], dtype=float) for i in (0, 1))
    cells = sum(any(c <= x and s >= y + 1 for c, s in rows) for x in range(8) for y in range(2, 9))
    assert hypervolume(cost=cost, score=score, reference=(8.0, 2.0)) == pytest.approx(cells)


def test_bad_input():
    with pytest.raises(CriteriaError, match="objective 1: 1 of 2"):
        non_dominated(np.array([[0.0, 1.0], [1.0, np.nan]]))
    with pytest.raises(CriteriaError, match="at least one objective"):
        non_dominated(np.zeros((3, 0)))
    with pytest.raises(CriteriaError, match="2 costs and 3 scores"):
        pareto_front(cost=np.zeros(2), score=np.zeros(3))
    with pytest.raises(CriteriaError, match="reference"):
        hypervolume(cost=np.zeros(2), score=np.zeros(2), reference=(float("nan"), 0.0))
