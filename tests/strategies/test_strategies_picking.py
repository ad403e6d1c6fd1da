"""Which networks are retrained."""

import numpy as np
import pytest

from trueshot.core.random import Streams
from trueshot.sampling import Matched
from trueshot.search.bounds import Bounds
from trueshot.search.extremes import cost_range, extremes
from trueshot.spaces import Chain, Topology
from trueshot.spaces.costs import standard_costs
from trueshot.strategies.config import BudgetConfig
from trueshot.strategies.finish.picking import (
    Candidate,
    budgets_of,
    pick_off_the_shelf,
    pick_random,
    pick_winners,
    repeated,
)

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
def test_random_networks_cost_as_much_as_the_winner_and_are_others(space):
    found = history(space)
    costs, usual = standard_costs(space), np.quantile(space.cost(space.sample(500, 3)).madds, [0.6, 0.3])
    winners = pick_winners(costs, *found, tuple(usual.astype(int).tolist()), "madds")
    drawn = pick_random(costs, winners, Streams(0), "madds", each=3)
    random = drawn.candidates
    assert drawn.notes == ()
    assert [candidate.name for candidate in random] == [f"random-{n}" for n in range(1, 7)]
    assert len({bytes(c.row) for c in winners + random}) == len(winners) + 6
    for index, candidate in enumerate(random):
        target = space.cost(winners[index // 3].row[None]).madds[0]
        assert abs(space.cost(candidate.row[None]).madds[0] / target - 1) <= 0.02
        assert candidate.budget == winners[index // 3].budget
    again = pick_random(costs, winners, Streams(0), "madds", each=3).candidates
    assert [bytes(c.row) for c in again] == [bytes(c.row) for c in random]
    other = pick_random(costs, winners, Streams(1), "madds", each=3).candidates
    assert [bytes(c.row) for c in other] != [bytes(c.row) for c in random]


def test_random_networks_have_as_many_parameters_where_those_were_minimised():
    winners = pick_winners(COSTS, *history(WIDE), (int(np.median(WIDE.cost(WIDE.sample(500, 3)).params)),), "params")
    for candidate in pick_random(COSTS, winners, Streams(0), "params", each=2).candidates:
        target = WIDE.cost(winners[0].row[None]).params[0]
        assert abs(WIDE.cost(candidate.row[None]).params[0] / target - 1) <= 0.02


@pytest.mark.parametrize("at_bound", [0, 2])
def test_random_networks_meet_the_other_bounds_too(at_bound):
    rows = WIDE.sample(2000, 0)
    costs = WIDE.cost(rows)
    most = int(np.quantile(costs.params / costs.madds, 0.3) * np.median(costs.madds))
    inside = rows[costs.params <= most]
    winners = [Candidate(name="best-1", role="winner", space=WIDE, row=inside[0], budget=1.5 * costs.madds.max())]
    bounds = Bounds({"params": (None, most)})
    found = pick_random(COSTS, winners, Streams(0), "madds", each=3, at_bound=at_bound, bounds=bounds).candidates
    unbounded = pick_random(COSTS, winners, Streams(0), "madds", each=3, at_bound=at_bound).candidates
    assert len(found) >= 3
    assert max(WIDE.cost(np.stack([one.row for one in found])).params) <= most
    assert max(WIDE.cost(np.stack([one.row for one in unbounded])).params) > most


def winner_costing(share):
    """Return a winner whose budget is so many times its cost, a usual one."""
    rows = WIDE.sample(500, 0)
    madds = WIDE.cost(rows).madds
    row = rows[np.argsort(madds)[250]]
    return Candidate(name="best-1", role="winner", space=WIDE, row=row, budget=share * WIDE.cost(row[None]).madds[0])


def test_the_second_group_lies_just_below_the_bound():
    winner = winner_costing(1.3)
    random = pick_random(COSTS, [winner], Streams(0), "madds", each=2, at_bound=3).candidates
    second = [candidate for candidate in random if candidate.role == "at-bound"]
    assert [candidate.name for candidate in second] == ["at-bound-1", "at-bound-2", "at-bound-3"]
    for candidate in second:
        assert 0.95 * winner.budget <= WIDE.cost(candidate.row[None]).madds[0] <= winner.budget
    # As expensive as the bound allows itself: one group says it all.
    alone = pick_random(COSTS, [winner_costing(1.01)], Streams(0), "madds", each=2, at_bound=3).candidates
    assert {candidate.role for candidate in alone} == {"random"}


def test_random_networks_are_drawn_as_the_first_proposals_are():
    """Every draw is of the sampler, and the first that fit are taken: what is rare in it stays rare."""
    winner = winner_costing(1.0)
    sampler = Matched(WIDE, 0.2)
    cost = COSTS["madds"](winner.row[None])[0]
    drawn = sampler.sample(5000, Streams(7).numpy("random-baseline", *winner.row.tolist()))
    fits = drawn[np.abs(COSTS["madds"](drawn) - cost) <= 0.02 * cost]
    random = pick_random(COSTS, [winner], Streams(7), "madds", each=4, sampler=sampler).candidates
    assert [bytes(candidate.row) for candidate in random] == list(dict.fromkeys(map(bytes, fits)))[:4]


def test_where_hardly_anything_costs_as_much_it_is_said():
    cheap = extremes(COSTS, "madds").cheapest
    winner = Candidate(name="best-1", role="winner", space=WIDE, row=cheap, budget=1e6)
    drawn = pick_random(COSTS, [winner], Streams(0), "madds", each=1)
    assert drawn.candidates == []
    (note,) = drawn.notes
    assert note == (
        "best-1 has no random networks beside it: of 100,000 architectures drawn uniform, none costs within 2% of it"
    )


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
