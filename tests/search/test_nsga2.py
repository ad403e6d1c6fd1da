import hashlib
import itertools

import numpy as np
import pytest
import torch
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from search_parts import CHAIN, TOPOLOGY, Latency, search, separable, write_latencies

from trueshot.core.cache import row_keys
from trueshot.core.errors import BudgetError, ConfigError
from trueshot.criteria.pareto import hypervolume
from trueshot.search.bounds import Bounds
from trueshot.search.config import NSGA2Config, RandomSearchConfig
from trueshot.search.extremes import cost_range
from trueshot.search.nsga2 import NSGA2, OneGene, SinglePoint, tournament
from trueshot.search.protocol import Proposer
from trueshot.search.random_search import RandomSearch
from trueshot.spaces.costs import CostFunctions, standard_costs
from trueshot.spaces.size import Size

LEAST = {space: cost_range(standard_costs(space), "madds")[0] for space in (CHAIN, TOPOLOGY)}


def slow_ranking(points):
    """Rank and crowding distance of each point by the definitions of Deb et al. (2002), one pair at a time."""
    left, rank, crowding = set(range(len(points))), {}, {}
    while left:
        front = [i for i in left if not any(all(points[j] <= points[i]) and any(points[j] < points[i]) for j in left)]
        for i in front:
            rank[i], crowding[i] = max(rank.values(), default=-1) + 1 if i == front[0] else rank[front[0]], 0.0
        for objective in range(points.shape[1]):
            line = sorted(front, key=lambda i, o=objective: points[i, o])
            crowding[line[0]] = crowding[line[-1]] = np.inf
            width = points[line[-1], objective] - points[line[0], objective]
            for before, i, after in zip(line, line[1:], line[2:], strict=False):
                crowding[i] += (points[after, objective] - points[before, objective]) / width
        left -= set(front)
    return [(rank[i], -crowding[i]) for i in range(len(points))]


def test_990_distinct_evaluations_of_the_paper():
    proposer = NSGA2(TOPOLOGY, seed=0)
    assert isinstance(proposer, Proposer)
    archs, _, sizes = search(proposer, separable(0), n=100)
    assert len(archs) == NSGA2Config().evaluations == 990
    assert len(set(row_keys(archs))) == 990
    assert sizes == [45] * 22
    assert proposer.finished
    assert proposer.ask(45).shape == (0, 54)
    TOPOLOGY.check(archs)


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds.of(max_madds=300_000_000),
        Bounds.of(max_madds=60_000_000, max_params=3_000_000),
        Bounds.of(max_madds=LEAST[TOPOLOGY]),
        Bounds.of(min_madds=290_000_000, max_madds=300_000_000),
    ],
)
def test_every_evaluation_is_inside_the_bounds(bounds):
    archs, _, _ = search(NSGA2(TOPOLOGY, bounds=bounds, seed=1), separable(1))
    assert len(set(row_keys(archs))) == 990
    assert bounds.contains(TOPOLOGY.cost(archs)).all()


def test_children_are_one_mutation_from_a_single_point_crossover_of_survivors():
    proposer, evaluate = NSGA2(TOPOLOGY, config=NSGA2Config(generations=5), seed=2), separable(2)
    parents = proposer.population
    for generation in range(5):
        archs = proposer.ask(45)
        if generation > 0:
            differs = archs[:, None] != parents[None]
            before = differs.cumsum(axis=2)[:, :, None, :-1]
            after = differs[:, :, ::-1].cumsum(axis=2)[:, :, ::-1][:, None, :, 1:]
            assert ((before + after) == 1).any(axis=(1, 2, 3)).all()
        proposer.tell(archs, evaluate(archs))
        parents = proposer.population


def test_crossover_takes_the_front_of_the_first_and_the_rest_of_the_second():
    parents = Population.new(X=np.array([np.zeros(6), np.ones(6)], dtype=np.int64))
    problem = Problem(n_var=6, n_obj=2)
    pairs = np.tile([0, 1], (600, 1))
    children = SinglePoint()(problem, parents, parents=pairs, random_state=np.random.default_rng(0)).get("X")
    assert children.shape == (600, 6)
    ones = children.sum(axis=1)
    np.testing.assert_array_equal(children, np.arange(6) >= 6 - ones[:, None])
    assert sorted(set(ones.tolist())) == [1, 2, 3, 4, 5]
    assert np.bincount(ones)[1:].min() > 80


def test_mutation_changes_one_gene_to_another_option():
    options = np.array([2, 1, 5, 3])
    before = np.random.default_rng(0).integers(0, options, size=(4000, 4))
    population = Population.new(X=before)
    after = OneGene(options)(Problem(n_var=4, n_obj=2), population, random_state=np.random.default_rng(1)).get("X")
    changed = before != after
    assert (changed.sum(axis=1) == 1).all()
    assert ((after >= 0) & (after < options)).all()
    assert changed[:, 1].sum() == 0
    np.testing.assert_allclose(changed.mean(axis=0)[[0, 2, 3]], 1 / 3, atol=0.03)
    steps = ((after - before) % options)[:, 2]
    np.testing.assert_allclose(np.bincount(steps[steps > 0])[1:] / (steps > 0).sum(), 0.25, atol=0.04)


def test_tournament_prefers_rank_then_crowding_then_chance():
    population = Population.new(X=np.zeros((4, 1)), rank=np.array([0, 1, 1, 1]), crowding=np.array([0.1, 9, 2.0, 2.0]))
    pairs = np.array([[0, 1], [1, 0], [1, 2], [2, 1], *[[2, 3]] * 200])
    winners = tournament(population, pairs, np.random.default_rng(0))[:, 0]
    assert winners[:4].tolist() == [0, 0, 1, 1]
    assert 60 < (winners[4:] == 2).sum() < 140


@pytest.mark.parametrize("seed", range(4))
def test_survivors_are_those_of_the_definition(seed):
    proposer = NSGA2(CHAIN, config=NSGA2Config(population=12, generations=8, minimise=("params",)), seed=seed)
    rng, points = np.random.default_rng(seed), {}
    pool = []
    while not proposer.finished:
        archs = proposer.ask(45)
        scores = rng.normal(size=len(archs))
        points.update(zip(row_keys(archs), zip(CHAIN.cost(archs).params, -scores, strict=True), strict=True))
        pool += row_keys(archs)
        proposer.tell(archs, scores)
        ranking = slow_ranking(np.array([points[key] for key in pool]))
        survivors = row_keys(proposer.population)
        assert len(set(survivors)) == 12
        kept = sorted(ranking[pool.index(key)] for key in survivors)
        np.testing.assert_allclose(np.array(kept), np.array(sorted(ranking)[:12]))
        pool = survivors


def test_the_front_is_better_than_that_of_random_search():
    ratios = []
    for seed in range(5):
        config = NSGA2Config(population=20, generations=15)
        fronts = [
            search(NSGA2(TOPOLOGY, config=config, seed=seed), separable(seed)),
            search(RandomSearch(TOPOLOGY, config=RandomSearchConfig(evaluations=300), seed=seed), separable(seed)),
        ]
        reference = (1.3e9, -40.0)
        areas = [hypervolume(cost=TOPOLOGY.cost(a).madds, score=s, reference=reference) for a, s, _ in fronts]
        ratios.append(areas[0] / areas[1])
    assert min(ratios) > 1.0
    assert np.mean(ratios) > 1.15


def test_same_seed_same_search_whatever_the_global_streams_do():
    first = search(NSGA2(TOPOLOGY, seed=3), separable(3))
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    second = search(NSGA2(TOPOLOGY, seed=3), separable(3))
    np.testing.assert_array_equal(before[0], np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(before[1], torch.get_rng_state())
    np.testing.assert_array_equal(first[0], second[0])
    other = search(NSGA2(TOPOLOGY, seed=4), separable(3))
    assert not np.array_equal(first[0], other[0])


def test_interleaved_searches_do_not_touch_each_other():
    alone = search(NSGA2(CHAIN, config=NSGA2Config(population=8, generations=6), seed=0), separable(0, CHAIN))
    pair = [NSGA2(CHAIN, config=NSGA2Config(population=8, generations=6), seed=seed) for seed in (0, 1)]
    asked = []
    while not pair[0].finished:
        for proposer in pair:
            archs = proposer.ask(45)
            assert len(proposer.ask(45)) == 0
            proposer.tell(archs, separable(0, CHAIN)(archs))
            if proposer is pair[0]:
                asked.append(archs)
    np.testing.assert_array_equal(alone[0], np.concatenate(asked))


def test_a_tiny_feasible_set_is_searched_whole_and_no_further():
    table = CHAIN.cost_table.madds
    for extra in (0, 1_000_000, 2_000_000):
        archs, _, _ = search(
            NSGA2(CHAIN, bounds=Bounds.of(max_madds=LEAST[CHAIN] + extra), seed=0), separable(0, CHAIN)
        )
        # Every gene stands at its cheapest option but for what the extra pays: count by cost, gene after gene.
        counts = {0: 1}
        for row, options in zip(table, CHAIN.options.tolist(), strict=True):
            rises = (row[:options] - row[:options].min()).tolist()
            sums = [(total + rise, count) for (total, count), rise in itertools.product(counts.items(), rises)]
            counts = {}
            for total, count in sums:
                if total <= extra:
                    counts[total] = counts.get(total, 0) + count
        assert len(archs) == min(sum(counts.values()), 990)
        assert len(set(row_keys(archs))) == len(archs)
    assert len(archs) > 45


def test_impossible_bounds_and_sizes():
    with pytest.raises(BudgetError, match=r"below the cheapest.*20\.67M"):
        NSGA2(TOPOLOGY, bounds=Bounds.of(max_madds=10_000_000), seed=0)
    with pytest.raises(BudgetError, match="above the most expensive"):
        NSGA2(TOPOLOGY, bounds=Bounds.of(max_madds=10**12), seed=0)
    for wrong in ({"population": 1}, {"generations": 0}, {"redraws": 0}, {"population": -3}):
        with pytest.raises(ConfigError, match="is too small: give at least"):
            NSGA2Config(**wrong)
    with pytest.raises(ConfigError, match="chain has no cost 'latency': choose one of madds, params"):
        NSGA2(CHAIN, config=NSGA2Config(minimise=("latency",)), seed=0)


def test_only_what_was_asked_for_can_be_told():
    proposer = NSGA2(CHAIN, seed=0)
    with pytest.raises(ValueError, match="asked for"):
        proposer.tell(CHAIN.sample(45, 0), np.zeros(45))
    archs = proposer.ask(45)
    with pytest.raises(ValueError, match="finite"):
        proposer.tell(archs, np.full(45, np.nan))
    assert len(proposer.population) == 0
    proposer.tell(archs, np.arange(45.0))
    assert len(proposer.population) == 45


def test_neither_the_size_of_an_ask_nor_the_order_of_telling_changes_anything():
    config, rng = NSGA2Config(population=10, generations=6), np.random.default_rng(0)
    whole, _, _ = search(NSGA2(CHAIN, config=config, seed=0), separable(0, CHAIN))
    parts, _, sizes = search(NSGA2(CHAIN, config=config, seed=0), separable(0, CHAIN), n=4)
    assert sizes == [4, 4, 2] * 6
    np.testing.assert_array_equal(whole, parts)
    proposer, asked = NSGA2(CHAIN, config=config, seed=0), []
    while not proposer.finished:
        archs = proposer.ask(7)
        if not len(archs):
            continue
        archs = np.concatenate([archs, proposer.ask(7)])
        assert len(proposer.ask(1)) == 0, "it waits for the scores of its generation"
        asked.append(archs)
        # A score that is replaced before its generation is complete leaves no trace.
        order = rng.permutation(len(archs))
        proposer.tell(archs[order[:4]], np.full(4, -50.0))
        for index in order:
            proposer.tell(archs[[index]], separable(0, CHAIN)(archs[[index]]))
    np.testing.assert_array_equal(whole, np.concatenate(asked))


def test_scores_told_again_choose_the_parents_anew_from_all_that_was_evaluated():
    config = NSGA2Config(population=6, generations=4, minimise=())
    proposer = NSGA2(CHAIN, config=config, seed=0)
    rows = []
    for _ in range(2):
        rows.append(proposer.ask(6))
        proposer.tell(rows[-1], separable(0, CHAIN)(rows[-1]))
    everyone = np.concatenate(rows)
    # The scores are turned round: the worst six of all twelve are the best now.
    proposer.tell(everyone[::2], -separable(0, CHAIN)(everyone[::2]))
    proposer.tell(everyone[1::2], -separable(0, CHAIN)(everyone[1::2]))
    children = proposer.ask(6)
    worst = everyone[np.argsort(separable(0, CHAIN)(everyone))[:6]]
    assert set(row_keys(proposer.population)) == set(row_keys(worst))
    differs = children[:, None] != worst[None]
    before = differs.cumsum(axis=2)[:, :, None, :-1]
    after = differs[:, :, ::-1].cumsum(axis=2)[:, :, ::-1][:, None, :, 1:]
    assert ((before + after) <= 1).any(axis=(1, 2, 3)).all()


def test_any_number_of_costs_is_minimised(tmp_path):
    latency = Latency(TOPOLOGY, write_latencies(tmp_path / "ms.json", TOPOLOGY))
    costs = CostFunctions(TOPOLOGY, (*standard_costs(TOPOLOGY), Size(TOPOLOGY), latency))
    bound = float(np.quantile(latency(TOPOLOGY.sample(5000, 1)), 0.01))
    bounds = Bounds.of(max_latency=bound)
    config = NSGA2Config(population=16, generations=6, minimise=("size", "latency"))
    proposer = NSGA2(TOPOLOGY, config=config, costs=costs, bounds=bounds, seed=0)
    pool, points = [], {}
    while not proposer.finished:
        archs = proposer.ask(16)
        found, scores = costs(archs), separable(0)(archs)
        assert found.latency.max() <= bound
        points.update(zip(row_keys(archs), zip(found["size"], found.latency, -scores, strict=True), strict=True))
        pool += row_keys(archs)
        proposer.tell(archs, scores)
        ranking = slow_ranking(np.array([points[key] for key in pool]))
        survivors = row_keys(proposer.population)
        kept = sorted(ranking[pool.index(key)] for key in survivors)
        np.testing.assert_allclose(np.array(kept), np.array(sorted(ranking)[:16]))
        pool = survivors
    assert len(points) == 96


def test_with_no_cost_to_minimise_the_best_scores_survive():
    proposer = NSGA2(CHAIN, config=NSGA2Config(population=10, generations=5, minimise=()), seed=0)
    archs, scores, _ = search(proposer, separable(0, CHAIN))
    best = archs[np.argsort(-scores)[:10]]
    assert set(row_keys(proposer.population)) == set(row_keys(best))


@pytest.mark.parametrize(
    ("space", "bounds", "minimise", "digest"),
    [
        (TOPOLOGY, Bounds(), "madds", "76469d0e896b8271"),
        (TOPOLOGY, Bounds.of(max_madds=300_000_000), "params", "23959906490632fd"),
        (TOPOLOGY, Bounds.of(max_madds=60_000_000, max_params=3_000_000), "madds", "c007da9e6486cb1e"),
    ],
)
def test_proposals_are_those_of_earlier_releases(space, bounds, minimise, digest):
    costs = CostFunctions(space, (*standard_costs(space), Size(space)))
    proposer = NSGA2(space, config=NSGA2Config(minimise=(minimise,)), costs=costs, bounds=bounds, seed=3)
    archs, _, _ = search(proposer, separable(1, space))
    assert hashlib.sha256(archs.tobytes()).hexdigest()[:16] == digest
