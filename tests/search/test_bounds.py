import math

import numpy as np
import pytest
from search_parts import CHAIN, SMALL, Latency, write_latencies

from trueshot.core.errors import BudgetError, ConfigError
from trueshot.search.bounds import Bounds
from trueshot.search.extremes import cost_range
from trueshot.spaces.costs import CostFunctions, Madds, standard_costs
from trueshot.spaces.size import Size


def test_bounds_are_data():
    bounds = Bounds.of(most={"madds": 60, "latency": 4.1}, least={"latency": 1})
    assert dict(bounds) == {"latency": (1, 4.1), "madds": (None, 60)}
    assert Bounds.of(max_madds=60, max_latency=4.1, min_latency=1, max_params=None) == bounds
    assert Bounds({"madds": (None, 60), "latency": (1, 4.1), "params": (None, None)}) == bounds
    assert bounds.range_of("madds") == (-math.inf, 60)
    assert bounds.range_of("params") == (-math.inf, math.inf)
    with pytest.raises(TypeError, match="max_NAME or min_NAME, not most_madds"):
        Bounds.of(most_madds=3)


def test_contains_is_inclusive():
    archs = SMALL.sample(200, 0)
    costs = SMALL.cost(archs)
    low, high = sorted(costs.madds.tolist())[50], sorted(costs.madds.tolist())[150]
    middle = float(np.median(costs.params)) + 0.5
    inside = Bounds.of(min_madds=low, max_madds=high, max_params=middle).contains(costs)
    expected = [low <= m <= high and p <= middle for m, p in zip(costs.madds, costs.params, strict=True)]
    assert inside.tolist() == expected
    assert 0 < inside.sum() < 200
    assert Bounds.of(max_madds=high, min_madds=high).contains(costs).any()
    assert Bounds().contains(costs).all()


@pytest.mark.parametrize(("name", "unit"), [("madds", "MAdds"), ("params", "parameters"), ("size", "bytes")])
def test_impossible_bounds_name_the_range_that_holds(name, unit):
    costs = CostFunctions(CHAIN, (*standard_costs(CHAIN), Size(CHAIN)))
    least, most = cost_range(costs, name)
    for bounds, where in [
        ({f"max_{name}": least - 1}, "below the cheapest"),
        ({f"max_{name}": most + 1}, "above the most expensive"),
        ({f"min_{name}": most + 1}, "above the most expensive"),
    ]:
        with pytest.raises(BudgetError, match=f"{where} architecture of chain: choose {least} to {most} {unit} \\("):
            Bounds.of(**bounds).check(costs)
    Bounds.of(**{f"max_{name}": least, f"min_{name}": least}).check(costs)
    Bounds.of(**{f"max_{name}": most, f"min_{name}": 0}).check(costs)


def test_a_range_that_was_searched_is_said_to_be_about():
    with pytest.raises(BudgetError) as told:
        Bounds.of(max_madds=1).check(CostFunctions(CHAIN, (Halved(),)))
    assert str(told.value).startswith("max_madds 1 is below the cheapest architecture found of chain: choose about ")
    assert "ms (" in str(told.value)


class Halved:
    """MAdds of the chain in another unit, with fractions, which do not say that they are a sum."""

    name, title, unit = "madds", "MAdds", "ms"

    def __call__(self, archs):
        return CHAIN.cost(archs).madds / 2e8


def test_a_cost_with_fractions_is_bounded(tmp_path):
    costs = CostFunctions(SMALL, (Latency(SMALL, write_latencies(tmp_path / "ms.json", SMALL)), Madds(SMALL)))
    low, high = cost_range(costs, "latency")
    Bounds.of(max_latency=(low + high) / 2).check(costs)
    with pytest.raises(BudgetError, match=r"max_latency 0.001 is below .* choose about 0\.\d+ to \d\.\d+ ms"):
        Bounds.of(max_latency=0.001).check(costs)
    with pytest.raises(ConfigError, match="topology has no cost 'size': choose one of latency, madds"):
        Bounds.of(max_size=3).check(costs)


def test_crossed_and_undefined_bounds_are_refused():
    with pytest.raises(BudgetError, match="min_madds 60M is above max_madds 40M"):
        Bounds.of(min_madds=60_000_000, max_madds=40_000_000)
    with pytest.raises(BudgetError, match="a bound on latency is not a number"):
        Bounds.of(max_latency=math.nan)


def test_text_names_the_bounds_given():
    assert str(Bounds()) == "no bounds"
    assert str(Bounds.of(max_madds=60_000_000, min_params=1_000_000)) == "max_madds 60M, min_params 1M"
    assert str(Bounds.of(min_latency=1.5, max_latency=4.1)) == "max_latency 4.1, min_latency 1.5"
