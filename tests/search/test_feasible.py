import itertools

import numpy as np
import pytest

from trueshot.core.cache import row_keys
from trueshot.core.errors import BudgetError
from trueshot.sampling import Matched, Uniform
from trueshot.search.bounds import Bounds, cost_range
from trueshot.search.feasible import Feasible
from trueshot.spaces import Chain, Topology

SMALL = Topology(nodes=(2, 2), widths=(4, 8), head_width=16, expansions=(1, 3), kernels=(3,), image_size=16, classes=4)
CHAIN, TOPOLOGY = Chain(), Topology()
CHEAPEST = {space: cost_range(space, "madds")[0] for space in (CHAIN, TOPOLOGY)}


def feasible(space, sampler=None, **bounds):
    return Feasible(space=space, bounds=Bounds(**bounds), sampler=sampler or Uniform(space))


@pytest.mark.parametrize("quantile", [0.0, 0.3, 0.8])
def test_small_sets_are_listed_whole(quantile):
    archs = np.array(list(itertools.product(*map(range, SMALL.options.tolist()))), dtype=np.uint8)
    costs = SMALL.cost(archs)
    bounds = {
        "max_madds": int(np.quantile(costs.madds, quantile + 0.2)),
        "min_madds": int(np.quantile(costs.madds, quantile)),
        "max_params": int(np.quantile(costs.params, 0.9)),
    }
    expected = archs[Bounds(**bounds).contains(costs)]
    source = feasible(SMALL, **bounds)
    everything = source.draw(10**6, np.random.default_rng(0))
    assert set(row_keys(everything)) == set(row_keys(expected))
    assert len(everything) == len(expected) > 0
    known = set(row_keys(everything[2:]))
    assert set(row_keys(source.draw(5, np.random.default_rng(1), known))) == set(row_keys(everything[:2]))
    assert source.draw(5, np.random.default_rng(1), known | set(row_keys(everything[:2]))).shape == (0, 6)


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
        (CHAIN, {"max_madds": CHEAPEST[CHAIN] + 10_000_000}),
    ],
)
def test_draws_are_distinct_new_and_inside(space, bounds):
    source, rng = feasible(space, **bounds), np.random.default_rng(0)
    first = source.draw(100, rng)
    second = source.draw(100, rng, set(row_keys(first)))
    keys = row_keys(np.concatenate([first, second]))
    assert len(set(keys)) == 200
    for archs in (first, second):
        assert Bounds(**bounds).contains(space.cost(space.check(archs))).all()
    np.testing.assert_array_equal(first, source.draw(100, np.random.default_rng(0)))


def test_repaired_architectures_spread_between_the_bounds():
    madds = TOPOLOGY.cost(feasible(TOPOLOGY, max_madds=60_000_000).draw(200, np.random.default_rng(0))).madds
    assert np.quantile(madds, 0.1) < 32_000_000
    assert np.quantile(madds, 0.9) > 48_000_000


def test_rejection_keeps_the_distribution_of_the_sampler():
    sampler = Matched(TOPOLOGY, 0.9)
    drawn = feasible(TOPOLOGY, sampler, max_madds=400_000_000).draw(300, np.random.default_rng(0))
    none = [TOPOLOGY.decisions[gene].none for gene in range(19, 54)]
    assert (drawn[:, 19:] == none).mean() == pytest.approx(0.9, abs=0.02)


def test_bounds_that_no_architecture_meets_together():
    space = SMALL
    costs = space.cost(np.array(list(itertools.product(*map(range, space.options.tolist()))), dtype=np.uint8))
    gap = int(np.diff(np.unique(costs.madds)).argmax())
    low, high = np.unique(costs.madds)[gap : gap + 2].tolist()
    with pytest.raises(BudgetError, match="no architecture of topology meets"):
        feasible(space, min_madds=low + 1, max_madds=high - 1).draw(1, np.random.default_rng(0))
    with pytest.raises(BudgetError, match=r"max_madds 21M, min_params 6.5M"):
        feasible(TOPOLOGY, max_madds=21_000_000, min_params=6_500_000).draw(1, np.random.default_rng(0))
