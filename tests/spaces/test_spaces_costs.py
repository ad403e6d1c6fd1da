import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest

from trueshot.core.errors import ConfigError
from trueshot.spaces import Chain, NasBench201, Topology
from trueshot.spaces.costs import Additive, Cost, CostFunctions, Costs, Madds, Params, additive, standard_costs
from trueshot.spaces.size import Size


def test_costs_are_read_by_name_and_by_attribute():
    costs = Costs(madds=np.array([1, 2]), latency=np.array([0.5, 4.1]))
    assert list(costs) == ["madds", "latency"]
    assert costs["latency"].tolist() == costs.latency.tolist() == [0.5, 4.1]
    assert "params" not in costs
    with pytest.raises(AttributeError, match="no cost 'params'"):
        _ = costs.params
    for again in (copy.deepcopy(costs), pickle.loads(pickle.dumps(costs))):
        assert {name: values.tolist() for name, values in again.items()} == {"madds": [1, 2], "latency": [0.5, 4.1]}


@pytest.mark.parametrize("space", [Chain(), Topology(), NasBench201()], ids=lambda space: space.name)
@pytest.mark.parametrize("make", [Madds, Params, Size])
def test_summands_add_up_to_the_cost(space, make):
    cost = make(space)
    assert isinstance(cost, Cost)
    archs = space.sample(20, 0)
    parts = additive(cost)
    assert [len(options) for options in parts.options] == space.options.tolist()
    total = parts.fixed + sum(options[archs[:, gene]] for gene, options in enumerate(parts.options))
    assert total.tolist() == cost(archs).tolist()


def test_functions_cost_a_batch_in_their_order():
    space = Chain()
    costs = CostFunctions(space, (Size(space), *standard_costs(space)))
    archs = space.sample(4, 0)
    found = costs(archs)
    assert list(found) == list(costs.names) == ["size", "madds", "params"]
    assert found.madds.tolist() == space.cost(archs).madds.tolist()
    assert found.params.tolist() == space.cost(archs).params.tolist()
    assert costs.only(["params", "size"]).names == ("size", "params")
    assert "madds" in costs
    assert "latency" not in costs
    elsewhere = NasBench201()
    moved = CostFunctions(space, (*costs, broken(0))).on(elsewhere)
    assert moved == CostFunctions(elsewhere, (Size(elsewhere), *standard_costs(elsewhere)))
    with pytest.raises(ConfigError, match="chain has no cost 'parms': did you mean params"):
        _ = costs["parms"]


def test_values_are_written_and_read_with_their_units():
    space = Chain()

    @dataclass(frozen=True)
    class Latency:
        name = "latency"
        title = "latency"
        unit = "ms"

        def __call__(self, archs):
            return np.zeros(len(archs))

    costs = CostFunctions(space, (*standard_costs(space), Size(space), Latency()))
    assert costs.format("madds", 60_000_000) == "60M MAdds"
    assert costs.format("params", 1_200_000) == "1.2M parameters"
    assert [costs.format("size", value) for value in (350_000, 4_200_000, 12)] == ["350 KB", "4.2 MB", "12 bytes"]
    assert costs.format("latency", 4.1) == "4.1 ms"
    assert additive(Latency()) is None
    for name, text, value in [
        ("madds", "60M", 60_000_000),
        ("madds", "0.35G MAdds", 350_000_000),
        ("size", "350KB", 350_000),
        ("size", "4.2 MB", 4_200_000),
        ("size", "12 bytes", 12),
        ("latency", "4.1", 4.1),
        ("latency", "4.1 ms", 4.1),
        ("latency", 2, 2),
    ]:
        assert costs.parse(name, text) == value
        assert type(costs.parse(name, text)) is type(value)
    with pytest.raises(ConfigError, match="latency bound '4 KB' is not a positive number of ms: write it like 350k"):
        costs.parse("latency", "4 KB")


def broken(values, cost_name="broken"):
    class Broken:
        name, title, unit = cost_name, "broken", "ms"

        def __call__(self, archs):
            return values

    return Broken()


@pytest.mark.parametrize("values", [np.zeros(3), np.array([1.0, np.nan]), np.zeros((2, 1)), np.array(["a", "b"])])
def test_a_cost_that_is_no_cost_is_said(values):
    with pytest.raises(ConfigError, match="cost broken must give one finite number for each architecture"):
        CostFunctions(Chain(), (broken(values),))(Chain().sample(2, 0))


def test_names_are_checked():
    with pytest.raises(ConfigError, match="a cost is called 'two words': choose a name of letters"):
        CostFunctions(Chain(), (broken(0, "two words"),))
    with pytest.raises(ConfigError, match="two costs are called 'broken': give each once"):
        CostFunctions(Chain(), (broken(0), broken(0)))

    @dataclass
    class Unhashable:
        factor: float
        name = "scaled"
        title = "scaled"
        unit = "ms"

        def __call__(self, archs):
            return np.zeros(len(archs))

    with pytest.raises(ConfigError, match="cost scaled is not hashable: make its dataclass frozen"):
        CostFunctions(Chain(), (Unhashable(2.0),))


def test_summands_are_plain_data():
    parts = additive(Params(NasBench201()))
    assert isinstance(parts, Additive)
    # The classifier, the stem and the reductions stand in every network.
    assert parts.fixed > 0
    assert parts.options[0].tolist()[:2] == [0, 0]
