import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trueshot.search.selection import best_under, front


def rows(*names):
    return np.array(names, dtype=np.uint8)[:, None]


def test_each_budget_gets_its_best_and_nobody_wins_twice():
    scores, costs = np.array([1.0, 5.0, 3.0, 4.0]), np.array([10, 20, 30, 40])
    assert best_under([10, 20, 40], rows(0, 1, 2, 3), scores, costs) == (0, 1, 3)
    assert best_under([40, 20], rows(0, 1, 2, 3), scores, costs) == (3, 1)
    assert best_under([20, 20, 20, 5], rows(0, 1, 2, 3), scores, costs) == (1, 0, None, None)


def test_ties_go_to_the_cheaper_then_the_earlier():
    assert best_under([50], rows(0, 1, 2), np.array([2.0, 2.0, 2.0]), np.array([30, 20, 20])) == (1,)


def test_a_repeated_row_is_one_architecture():
    archs, scores, costs = rows(7, 7, 8), np.array([2.0, 2.0, 1.0]), np.array([5, 5, 6])
    assert best_under([9, 9], archs, scores, costs) == (0, 2)
    assert front(archs, scores, {"madds": costs}).tolist() == [0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12), st.lists(st.integers(0, 7)))
def test_against_the_definition(points, budgets):
    scores, costs = np.array([float(s) for s, _ in points]), np.array([c for _, c in points])
    archs = rows(*range(len(points)))
    winners, taken = best_under(budgets, archs, scores, costs), set()
    for budget, winner in sorted(zip(budgets, winners, strict=True), key=lambda pair: pair[0]):
        allowed = [i for i in range(len(points)) if costs[i] <= budget and i not in taken]
        assert winner == min(allowed, key=lambda i: (-scores[i], costs[i], i), default=None)
        taken.add(winner)
    expected = [
        i
        for i in range(len(points))
        if not any(
            scores[j] >= scores[i] and costs[j] <= costs[i] and (scores[j], costs[j]) != (scores[i], costs[i])
            for j in range(len(points))
        )
    ]
    assert front(archs, scores, {"madds": costs}).tolist() == sorted(expected, key=lambda i: (costs[i], i))


def test_the_front_of_many_costs():
    rng = np.random.default_rng(0)
    archs = np.arange(200, dtype=np.uint8)[:, None]
    scores, costs = rng.normal(size=200), {"size": rng.integers(0, 9, 200), "latency": rng.random(200)}
    points = np.stack([costs["size"], costs["latency"], -scores], axis=1)
    expected = [i for i, p in enumerate(points) if not any((q <= p).all() and (q < p).any() for q in points)]
    assert front(archs, scores, costs).tolist() == sorted(expected, key=lambda i: (costs["size"][i], i))


def test_budgets_of_a_cost_with_fractions():
    scores, latency = np.array([1.0, 5.0, 3.0]), np.array([0.5, 4.2, 4.1])
    assert best_under([4.1, 0.4, 9.9], rows(0, 1, 2), scores, latency) == (2, None, 1)
