import numpy as np
import pytest
from search_parts import SMALL, TOPOLOGY, Latency, everything, write_latencies

from trueshot.core.errors import ConfigError
from trueshot.search.extremes import cost_range, extremes
from trueshot.spaces.costs import CostFunctions, Madds, standard_costs


@pytest.mark.parametrize("name", ["madds", "params"])
def test_extremes_of_a_sum_are_those_of_the_whole_space(name):
    costs = standard_costs(SMALL)
    every = costs(everything(SMALL))[name]
    found = extremes(costs, name)
    assert (found.low, found.high, found.exact) == (every.min(), every.max(), True)
    assert cost_range(costs, name) == (every.min(), every.max())
    assert costs(found.cheapest[None])[name][0] == every.min()
    assert costs(found.most_expensive[None])[name][0] == every.max()


def test_published_extremes_of_the_topology_space():
    least, most = cost_range(standard_costs(TOPOLOGY), "madds")
    assert least / 1e6 == pytest.approx(20.67, abs=0.005)
    assert most / 1e6 == pytest.approx(1213, abs=0.5)


def test_extremes_of_any_other_cost_are_searched(tmp_path):
    latency = Latency(SMALL, write_latencies(tmp_path / "ms.json", SMALL))
    costs = CostFunctions(SMALL, (latency,))
    every = latency(everything(SMALL))
    found = extremes(costs, "latency")
    assert not found.exact
    assert (found.low, found.high) == (every.min(), every.max())
    assert latency(np.stack([found.cheapest, found.most_expensive])).tolist() == [found.low, found.high]


def test_a_sum_that_hides_its_summands_is_searched_to_the_same_ends():
    class Hidden:
        name, title, unit = "hidden", "hidden MAdds", "MAdds"

        def __call__(self, archs):
            return TOPOLOGY.cost(archs).madds

    found = extremes(CostFunctions(TOPOLOGY, (Hidden(), Madds(TOPOLOGY))), "hidden")
    assert (found.low, found.high) == cost_range(standard_costs(TOPOLOGY), "madds")
    assert not found.exact
    with pytest.raises(ConfigError, match="topology has no cost 'latency': choose one of madds, params"):
        extremes(standard_costs(TOPOLOGY), "latency")
