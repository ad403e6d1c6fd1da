"""Which networks are retrained."""

import numpy as np
import pytest
from strategy_parts import SPACE

from trueshot.core.random import Streams
from trueshot.search.extremes import cost_range
from trueshot.spaces import Chain, Topology
from trueshot.spaces.costs import standard_costs
from trueshot.strategies.config import BudgetConfig
from trueshot.strategies.picking import budgets_of, pick_off_the_shelf, pick_random, pick_winners, repeated

WIDE = Topology(nodes=(2, 3, 2), widths=(8, 12, 16), stem_stride=1, head_width=16, image_size=8, classes=10)
COSTS = standard_costs(WIDE)


def history(space, n=200, seed=0):
    archs = np.unique(space.sample(n, seed), axis=0)
    scores = np.random.default_rng(seed).random(len(archs))
    return archs, scores


def test_budgets_are_shares_of_the_bound_or_of_the_most_expensive():
    low, high = cost_range(COSTS, "madds")
    shares = BudgetConfig(fractions=(0.5, 1.0))
    assert budgets_of(COSTS, shares, None, "madds") == (high, round(high / 2))
    bound = (low + high) // 2
    shares = BudgetConfig(fractions=(1.0, 0.999, low / bound * 0.99))
    assert budgets_of(COSTS, shares, bound, "madds") == (bound, round(0.999 * bound))
    assert budgets_of(COSTS, BudgetConfig(fractions=(1.0,)), 9000, "params") == (9000,)


@pytest.mark.parametrize("objective", ["madds", "params"])
def test_winners_are_the_best_under_their_budgets(objective):
    found = history(WIDE)
    archs, scores = found
    costs = WIDE.cost(archs)
    cost = costs[objective]
    budgets = tuple(np.quantile(cost, [1.0, 0.6, 0.3]).astype(int).tolist())
    winners = pick_winners(COSTS, *found, budgets, objective)
    assert [winner.name for winner in winners] == ["best-1", "best-2", "best-3"]
    taken = set()
    for winner in reversed(winners):
        allowed = [i for i in range(len(cost)) if cost[i] <= winner.budget and bytes(archs[i]) not in taken]
        best = max(allowed, key=lambda i: scores[i])
        assert bytes(winner.row) == bytes(archs[best])
        assert winner.score == scores[best]
        taken.add(bytes(winner.row))
    assert pick_winners(COSTS, *found, (int(cost.min()) - 1,), objective) == []


@pytest.mark.parametrize("space", [WIDE, Chain(layers=((8, 1), (8, 1), (12, 2), (12, 1)), image_size=8)])
def test_random_networks_cost_about_as_much_and_are_others(space):
    found = history(space)
    low, high = cost_range(standard_costs(space), "madds")
    winners = pick_winners(standard_costs(space), *found, (high, (low + high) // 2), "madds")
    random = pick_random(standard_costs(space), winners, 3, Streams(0), "madds")
    assert [candidate.name for candidate in random] == [f"random-{n}" for n in range(1, 7)]
    assert len({bytes(c.row) for c in winners + random}) == len(winners) + 6
    for index, candidate in enumerate(random):
        target = space.cost(winners[index // 3].row[None]).madds[0]
        assert abs(space.cost(candidate.row[None]).madds[0] / target - 1) <= 0.05
        assert candidate.budget == winners[index // 3].budget
    again = pick_random(standard_costs(space), winners, 3, Streams(0), "madds")
    assert [bytes(c.row) for c in again] == [bytes(c.row) for c in random]
    assert [bytes(c.row) for c in pick_random(standard_costs(space), winners, 3, Streams(1), "madds")] != [
        bytes(c.row) for c in random
    ]


def test_random_networks_have_as_many_parameters_where_those_were_minimised():
    found = history(WIDE)
    low, high = cost_range(COSTS, "params")
    winners = pick_winners(COSTS, *found, (high, (low + high) // 2), "params")
    random = pick_random(COSTS, winners, 2, Streams(0), "params")
    for index, candidate in enumerate(random):
        target = WIDE.cost(winners[index // 2].row[None]).params[0]
        assert abs(WIDE.cost(candidate.row[None]).params[0] / target - 1) <= 0.05


def test_a_small_space_gives_what_it_has():
    found = history(SPACE)
    winners = pick_winners(
        standard_costs(SPACE),
        *found,
        budgets_of(standard_costs(SPACE), BudgetConfig(fractions=(1.0,)), None, "madds"),
        "madds",
    )
    random = pick_random(standard_costs(SPACE), winners, 1000, Streams(0), "madds")
    assert len(random) == SPACE.architectures - 1


def test_the_network_off_the_shelf_costs_what_the_most_expensive_winner_costs():
    found = history(WIDE)
    winners = pick_winners(COSTS, *found, budgets_of(COSTS, BudgetConfig(), None, "madds"), "madds")
    (shelf,) = pick_off_the_shelf(WIDE, winners)
    dearest = max(int(WIDE.cost(winner.row[None]).madds[0]) for winner in winners)
    assert abs(shelf.space.cost(shelf.row[None]).madds[0] / dearest - 1) < 0.15
    assert (shelf.role, shelf.space.name, shelf.arch) == ("off-the-shelf", "mobilenetv2", "")
    assert pick_off_the_shelf(WIDE, []) == []


def test_repeats_have_names_of_their_own():
    winners = pick_winners(COSTS, *history(WIDE), (10**9,), "madds")
    names = [(candidate.name, candidate.repeat) for candidate in repeated(winners, 3)]
    assert names == [("best-1", 0), ("best-1-seed2", 1), ("best-1-seed3", 2)]
