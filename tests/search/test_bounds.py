import itertools

import numpy as np
import pytest

from trueshot.core.errors import BudgetError
from trueshot.search.bounds import Bounds, cheapest, cost_range, dearest
from trueshot.spaces import Chain, Topology

SMALL = Topology(nodes=(2, 2), widths=(4, 8), head_width=16, expansions=(1, 3), kernels=(3,), image_size=16, classes=4)


@pytest.mark.parametrize("objective", ["madds", "params"])
def test_extremes_are_those_of_the_whole_space(objective):
    archs = np.array(list(itertools.product(*map(range, SMALL.options.tolist()))), dtype=np.uint8)
    costs = getattr(SMALL.cost(archs), objective)
    assert cost_range(SMALL, objective) == (costs.min(), costs.max())
    assert getattr(SMALL.cost(cheapest(SMALL, objective)[None]), objective)[0] == costs.min()
    assert getattr(SMALL.cost(dearest(SMALL, objective)[None]), objective)[0] == costs.max()


def test_published_extremes_of_the_topology_space():
    least, most = cost_range(Topology(), "madds")
    assert least / 1e6 == pytest.approx(20.67, abs=0.005)
    assert most / 1e6 == pytest.approx(1213, abs=0.5)


def test_contains_is_inclusive():
    archs = SMALL.sample(200, 0)
    costs = SMALL.cost(archs)
    low, high = sorted(costs.madds.tolist())[50], sorted(costs.madds.tolist())[150]
    inside = Bounds(min_madds=low, max_madds=high, max_params=int(np.median(costs.params))).contains(costs)
    expected = [
        low <= m <= high and p <= np.median(costs.params) for m, p in zip(costs.madds, costs.params, strict=True)
    ]
    assert inside.tolist() == expected
    assert 0 < inside.sum() < 200
    assert Bounds(max_madds=high, min_madds=high).contains(costs).any()


@pytest.mark.parametrize("objective", ["madds", "params"])
def test_impossible_bounds_name_the_range_that_holds(objective):
    space = Chain()
    least, most = cost_range(space, objective)
    for bounds, where in [
        ({f"max_{objective}": least - 1}, "below the cheapest"),
        ({f"max_{objective}": most + 1}, "above the dearest"),
        ({f"min_{objective}": most + 1}, "above the dearest"),
    ]:
        with pytest.raises(BudgetError, match=f"{where}.*choose {least} to {most}"):
            Bounds(**bounds).check(space)
    Bounds(**{f"max_{objective}": least, f"min_{objective}": least}).check(space)
    Bounds(**{f"max_{objective}": most, f"min_{objective}": 0}).check(space)


def test_crossed_bounds_are_refused():
    with pytest.raises(BudgetError, match="min_madds 60M is above max_madds 40M"):
        Bounds(min_madds=60_000_000, max_madds=40_000_000)


def test_text_names_the_bounds_given():
    assert str(Bounds()) == "no bounds"
    assert str(Bounds(max_madds=60_000_000, min_params=1_000_000)) == "max_madds 60M, min_params 1M"
