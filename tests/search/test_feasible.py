import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from search_parts import CHAIN, SMALL, TOPOLOGY, Latency, everything, write_latencies

from trueshot.core.cache import row_keys
from trueshot.core.errors import BudgetError
from trueshot.sampling import Matched, Uniform
from trueshot.search.bounds import Bounds
from trueshot.search.extremes import cost_range
from trueshot.search.feasible import Feasible
from trueshot.spaces import Topology
from trueshot.spaces.costs import CostFunctions, standard_costs
from trueshot.spaces.size import Size

CHEAPEST = {space: cost_range(standard_costs(space), "madds")[0] for space in (CHAIN, TOPOLOGY)}


def feasible(space, sampler=None, costs=None, **bounds):
    return Feasible(costs=costs or standard_costs(space), bounds=Bounds.of(**bounds), sampler=sampler or Uniform(space))


@pytest.mark.parametrize("quantile", [0.0, 0.3, 0.8])
def test_small_sets_are_listed_whole(quantile):
    archs = everything(SMALL)
    costs = SMALL.cost(archs)
    bounds = {
        "max_madds": int(np.quantile(costs.madds, quantile + 0.2)),
        "min_madds": int(np.quantile(costs.madds, quantile)),
        "max_params": float(np.quantile(costs.params, 0.9)),
    }
    expected = archs[Bounds.of(**bounds).contains(costs)]
    source = feasible(SMALL, **bounds)
    listed = source.draw(10**6, np.random.default_rng(0))
    assert set(row_keys(listed)) == set(row_keys(expected))
    assert len(listed) == len(expected) > 0
    known = set(row_keys(listed[2:]))
    assert set(row_keys(source.draw(5, np.random.default_rng(1), known))) == set(row_keys(listed[:2]))
    assert source.draw(5, np.random.default_rng(1), known | set(row_keys(listed[:2]))).shape == (0, 6)


@pytest.mark.parametrize(
    ("space", "bounds"),
    [
        (TOPOLOGY, {}),
        (TOPOLOGY, {"max_madds": CHEAPEST[TOPOLOGY]}),
        (TOPOLOGY, {"max_madds": CHEAPEST[TOPOLOGY] + 1_000_000}),
        (TOPOLOGY, {"max_madds": 60_000_000, "max_params": 3_000_000}),
        (TOPOLOGY, {"max_madds": 300_000_000, "min_madds": 295_000_000}),
        (TOPOLOGY, {"min_madds": 900_000_000}),
        (TOPOLOGY, {"max_madds": 400_000_000, "min_params": 4_000_000}),
        (TOPOLOGY, {"max_size": 9_000_000, "max_madds": 250_000_000.5}),
        (CHAIN, {"max_madds": CHEAPEST[CHAIN] + 10_000_000}),
    ],
)
def test_draws_are_distinct_new_and_inside(space, bounds):
    costs = CostFunctions(space, (*standard_costs(space), Size(space)))
    source, rng = feasible(space, costs=costs, **bounds), np.random.default_rng(0)
    first = source.draw(100, rng)
    second = source.draw(100, rng, set(row_keys(first)))
    keys = row_keys(np.concatenate([first, second]))
    assert len(set(keys)) == 200
    for archs in (first, second):
        assert Bounds.of(**bounds).contains(costs(space.check(archs))).all()
    np.testing.assert_array_equal(first, source.draw(100, np.random.default_rng(0)))


def test_draws_do_not_depend_on_costs_that_are_not_bounded():
    more = CostFunctions(TOPOLOGY, (*standard_costs(TOPOLOGY), Size(TOPOLOGY)))
    for bounds in ({"max_madds": 60_000_000}, {"max_params": 2_000_000}, {"max_madds": CHEAPEST[TOPOLOGY] + 200_000}):
        drawn = [feasible(TOPOLOGY, costs=costs, **bounds).draw(20, np.random.default_rng(0)) for costs in (None, more)]
        np.testing.assert_array_equal(*drawn)


def test_repaired_architectures_spread_between_the_bounds():
    madds = TOPOLOGY.cost(feasible(TOPOLOGY, max_madds=60_000_000).draw(200, np.random.default_rng(0))).madds
    assert np.quantile(madds, 0.1) < 32_000_000
    assert np.quantile(madds, 0.9) > 48_000_000


@dataclass(frozen=True)
class Hidden:
    """MAdds that do not say they are a sum."""

    space: object
    name = "hidden"
    title = "hidden MAdds"
    unit = "MAdds"

    def __call__(self, archs):
        return self.space.cost(archs).madds


@pytest.mark.parametrize("name", ["madds", "hidden"])
def test_a_repair_without_spread_changes_little(name):
    costs = CostFunctions(TOPOLOGY, (*standard_costs(TOPOLOGY), Hidden(TOPOLOGY)))
    bounds, archs = Bounds.of(**{f"max_{name}": 500_000_000}), TOPOLOGY.sample(100, 0)
    source = Feasible(costs=costs, bounds=bounds, sampler=Uniform(TOPOLOGY))
    above = archs[~source.inside(archs)]
    repaired = source.repair(above, np.random.default_rng(0), spread=False)
    assert len(repaired) == len(above) > 40
    madds = TOPOLOGY.cost(repaired).madds
    assert madds.max() <= 500_000_000
    assert np.median(madds) > 460_000_000
    assert (repaired != above).sum(axis=1).mean() < 14
    inside = archs[source.inside(archs)]
    np.testing.assert_array_equal(source.repair(inside, np.random.default_rng(0), spread=False), inside)


@pytest.mark.parametrize("share", [0.01, 0.0005])
def test_a_cost_from_a_file_that_is_no_sum_under_a_bound_that_few_meet(tmp_path, share):
    latency = Latency(TOPOLOGY, write_latencies(tmp_path / "ms.json", TOPOLOGY))
    bound = float(np.quantile(latency(TOPOLOGY.sample(20_000, 1)), share))
    source = feasible(TOPOLOGY, costs=CostFunctions(TOPOLOGY, (*standard_costs(TOPOLOGY), latency)), max_latency=bound)
    drawn = source.draw(150, np.random.default_rng(0))
    assert len(set(row_keys(drawn))) == 150
    assert latency(drawn).max() <= bound
    np.testing.assert_array_equal(drawn, source.draw(150, np.random.default_rng(0)))


def test_a_sum_and_another_cost_are_bounded_together(tmp_path):
    latency = Latency(TOPOLOGY, write_latencies(tmp_path / "ms.json", TOPOLOGY))
    costs = CostFunctions(TOPOLOGY, (latency, *standard_costs(TOPOLOGY)))
    sampled = latency(TOPOLOGY.sample(2000, 1))
    bounds = Bounds({"madds": (250_000_000, 300_000_000), "latency": (None, float(np.quantile(sampled, 0.05)))})
    drawn = Feasible(costs=costs, bounds=bounds, sampler=Uniform(TOPOLOGY)).draw(40, np.random.default_rng(0))
    assert len(drawn) == 40
    assert bounds.contains(costs(drawn)).all()


def test_rejection_keeps_the_distribution_of_the_sampler():
    sampler = Matched(TOPOLOGY, 0.9)
    drawn = feasible(TOPOLOGY, sampler, max_madds=400_000_000).draw(300, np.random.default_rng(0))
    none = [TOPOLOGY.decisions[gene].none for gene in range(19, 54)]
    assert (drawn[:, 19:] == none).mean() == pytest.approx(0.9, abs=0.02)


def test_bounds_that_no_architecture_meets_together():
    madds = np.unique(SMALL.cost(everything(SMALL)).madds)
    gap = int(np.diff(madds).argmax())
    low, high = madds[gap : gap + 2].tolist()
    with pytest.raises(BudgetError, match="no architecture of topology meets"):
        feasible(SMALL, min_madds=low + 1, max_madds=high - 1).draw(1, np.random.default_rng(0))
    with pytest.raises(BudgetError, match=r"max_madds 21M, min_params 6.5M"):
        feasible(TOPOLOGY, max_madds=21_000_000, min_params=6_500_000).draw(1, np.random.default_rng(0))


@dataclass(frozen=True, kw_only=True)
class Odd(Topology):
    """Architectures whose first two genes are equal are none."""

    def valid(self, archs):
        return archs[:, 0] != archs[:, 1]

    def sample(self, n, rng):
        generator = np.random.default_rng(rng)
        rows = super().sample(4 * n + 100, generator)
        return rows[self.valid(rows)][:n]


def test_rows_that_are_no_architectures_are_never_drawn(tmp_path):
    small = Odd(**SMALL.arguments())
    every = everything(small)
    expected = every[small.valid(every)]
    drawn = feasible(small).draw(10**6, np.random.default_rng(0))
    assert set(row_keys(drawn)) == set(row_keys(expected))
    large = Odd()
    latency = Latency(large, write_latencies(tmp_path / "ms.json", large))
    costs = CostFunctions(large, (*standard_costs(large), latency))
    bound = float(np.quantile(latency(large.sample(5000, 1)), 0.002))
    for bounds in ({"max_madds": 60_000_000}, {"max_latency": bound}):
        drawn = feasible(large, costs=costs, **bounds).draw(40, np.random.default_rng(0))
        assert len(drawn) == 40
        assert large.valid(drawn).all()
        assert Bounds.of(**bounds).contains(costs(drawn)).all()
    pairs = list(itertools.pairwise(row_keys(drawn)))
    assert len(pairs) == 39
