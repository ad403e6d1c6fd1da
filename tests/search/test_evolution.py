import numpy as np
import pytest
from search_parts import CHAIN, SMALL, TOPOLOGY, Latency, everything, search, separable, write_latencies

from trueshot.core.cache import row_keys
from trueshot.core.errors import BudgetError
from trueshot.search.bounds import Bounds
from trueshot.search.config import EvolutionConfig, RandomSearchConfig
from trueshot.search.evolution import Evolution
from trueshot.search.extremes import cost_range
from trueshot.search.protocol import Proposer
from trueshot.search.random_search import RandomSearch
from trueshot.spaces.costs import CostFunctions, standard_costs

LEAST = cost_range(standard_costs(TOPOLOGY), "madds")[0]


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(),
        Bounds.of(max_madds=300_000_000),
        Bounds.of(max_madds=60_000_000, max_params=3_000_000),
        Bounds.of(max_madds=LEAST + 300_000),
        Bounds.of(min_madds=290_000_000, max_madds=300_000_000),
    ],
    ids=str,
)
def test_distinct_evaluations_inside_the_bounds(bounds):
    proposer = Evolution(TOPOLOGY, config=EvolutionConfig(evaluations=200), bounds=bounds, seed=1)
    assert isinstance(proposer, Proposer)
    archs, _, sizes = search(proposer, separable(1))
    assert len(set(row_keys(archs))) == len(archs) == 200
    assert bounds.contains(TOPOLOGY.cost(TOPOLOGY.check(archs))).all()
    assert sizes == [45, 5, *[8] * 18, 6]
    assert proposer.ask(3).shape == (0, 54)


def test_a_cost_that_is_no_sum_bounds_the_children(tmp_path):
    latency = Latency(TOPOLOGY, write_latencies(tmp_path / "ms.json", TOPOLOGY))
    costs = CostFunctions(TOPOLOGY, (*standard_costs(TOPOLOGY), latency))
    bounds = Bounds.of(max_latency=float(np.quantile(latency(TOPOLOGY.sample(5000, 1)), 0.01)))
    config = EvolutionConfig(evaluations=80, population=20, sample=10)
    archs, scores, _ = search(Evolution(TOPOLOGY, config=config, costs=costs, bounds=bounds, seed=0), separable(0))
    assert len(set(row_keys(archs))) == 80
    assert bounds.contains(costs(archs)).all()
    assert scores[40:].mean() > scores[:20].mean() + 2


def test_each_child_is_one_gene_from_the_best_of_a_sample_of_the_living():
    """Against the definition: the parents are among the best few of the last 20 that were told, the queue is by age."""
    config = EvolutionConfig(evaluations=120, population=20, sample=12, at_once=1)
    proposer, evaluate = Evolution(CHAIN, config=config, seed=3), separable(3, CHAIN)
    rows, scores = np.zeros((0, 19), dtype=np.uint8), np.zeros(0)
    ranks = []
    while not proposer.finished:
        archs = proposer.ask(1)
        if len(rows) >= 20:
            living = slice(len(rows) - 20, None)
            np.testing.assert_array_equal(proposer.population, rows[living])
            parents = np.flatnonzero((rows[living] != archs[0]).sum(axis=1) == 1)
            assert len(parents), "a child differs from one of the living in one gene"
            ranks.append(min(int((scores[living] > scores[living][parent]).sum()) for parent in parents))
        proposer.tell(archs, evaluate(archs))
        rows, scores = np.concatenate([rows, archs]), np.concatenate([scores, evaluate(archs)])
    # The best of 12 of 20 is among the best nine, and usually the first or second.
    assert max(ranks) <= 8
    assert 0.4 < np.mean(np.array(ranks) == 0) < 0.85


def test_old_members_die_however_good():
    config = EvolutionConfig(evaluations=60, population=10, sample=10)
    proposer = Evolution(CHAIN, config=config, seed=0)
    best = proposer.ask(1)
    proposer.tell(best, np.array([1e9]))
    rest = proposer.ask(9)
    proposer.tell(rest, np.zeros(9))
    first = proposer.ask(5)
    assert ((first != best).sum(axis=1) == 1).all()
    proposer.tell(first, np.full(5, -1.0))
    second = proposer.ask(5)
    proposer.tell(second, np.full(5, -1.0))
    assert row_keys(best)[0] not in row_keys(proposer.population)


def test_it_waits_for_the_first_population_and_for_children_at_once():
    config = EvolutionConfig(evaluations=30, population=6, sample=3, at_once=4)
    proposer = Evolution(CHAIN, config=config, seed=0)
    first = proposer.ask(100)
    assert len(first) == 6
    assert len(proposer.ask(1)) == 0
    proposer.tell(first[:5], np.arange(5.0))
    assert len(proposer.ask(1)) == 0
    proposer.tell(first[5:], np.zeros(1))
    children = np.concatenate([proposer.ask(3), proposer.ask(3)])
    assert len(children) == 4
    assert len(proposer.ask(3)) == 0
    assert not proposer.finished
    proposer.tell(children[2:3], np.zeros(1))
    assert len(proposer.ask(3)) == 1


def test_the_order_of_telling_makes_no_difference():
    runs = []
    for order in (1, -1):
        proposer = Evolution(CHAIN, config=EvolutionConfig(evaluations=60, population=10, sample=5), seed=2)
        asked = []
        while not proposer.finished:
            archs = proposer.ask(8)
            asked.append(archs)
            for row in archs[::order]:
                proposer.tell(row[None], separable(0, CHAIN)(row[None]))
        runs.append(np.concatenate(asked))
    np.testing.assert_array_equal(*runs)


def test_a_later_score_replaces_the_earlier():
    config = EvolutionConfig(evaluations=40, population=10, sample=10)
    told, retold = (Evolution(CHAIN, config=config, seed=2) for _ in range(2))
    first = told.ask(10)
    np.testing.assert_array_equal(first, retold.ask(10))
    told.tell(first, np.arange(10.0))
    retold.tell(first, -np.arange(10.0))
    retold.tell(first[3:], np.arange(3.0, 10.0))
    retold.tell(first[:3], np.arange(3.0))
    children = told.ask(8)
    np.testing.assert_array_equal(children, retold.ask(8))
    assert ((children != first[9]).sum(axis=1) == 1).all()


def test_same_seed_same_search():
    runs = [search(Evolution(CHAIN, seed=seed), separable(0, CHAIN))[0] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_it_gets_farther_than_random_search():
    for seed in range(3):
        bounds = Bounds.of(max_madds=500_000_000)
        ours = Evolution(TOPOLOGY, config=EvolutionConfig(evaluations=300), bounds=bounds, seed=seed)
        other = RandomSearch(TOPOLOGY, config=RandomSearchConfig(evaluations=300), bounds=bounds, seed=seed)
        best = [search(proposer, separable(seed))[1].max() for proposer in (ours, other)]
        assert best[0] > best[1] + 5


def test_a_small_space_is_searched_whole_and_no_further():
    bounds = Bounds.of(max_params=2300)
    inside = bounds.contains(SMALL.cost(everything(SMALL))).sum()
    config = EvolutionConfig(evaluations=100_000, population=10, sample=3)
    archs, _, _ = search(Evolution(SMALL, config=config, bounds=bounds, seed=0), separable(0, SMALL))
    assert len(set(row_keys(archs))) == len(archs) == inside
    assert 10 < inside < 2000
    with pytest.raises(BudgetError, match="below the cheapest"):
        Evolution(SMALL, bounds=Bounds.of(max_madds=1), seed=0)


def test_only_what_was_asked_for_can_be_told():
    proposer = Evolution(CHAIN, seed=0)
    with pytest.raises(ValueError, match="asked for"):
        proposer.tell(CHAIN.sample(3, 0), np.zeros(3))
    with pytest.raises(ValueError, match="finite"):
        proposer.tell(proposer.ask(2), np.full(2, np.nan))
