"""Fused scores in rankings and searches: the same numbers, from the same parts."""

import numpy as np
import pandas as pd
import pytest
import torch
from strategy_parts import make_search

from trueshot.cli.names import find
from trueshot.core.errors import ConfigError
from trueshot.core.run import RunDirectory
from trueshot.criteria.correlation import kendall_tau
from trueshot.evaluation.fused import fuse, log_ranks
from trueshot.evaluation.fusion_config import FusionConfig
from trueshot.evaluation.proxies.names import ALIASES, COSTS, LIVE, ZERO_COST
from trueshot.evaluation.zero_cost import ProxyTable
from trueshot.spaces import NasBench201
from trueshot.strategies.fusing import full_depth, proxies_of, proxy_device, reference, zero_cost
from trueshot.strategies.rankings import proxies
from trueshot.strategies.rankings.config import RankingConfig
from trueshot.strategies.rankings.ranking import Ranking
from trueshot.strategies.rankings.truth import Truth
from trueshot.strategies.setup import Context, load_dataset
from trueshot.strategies.supernet import load_weights, snapshot_files
from trueshot.strategies.trained import TrainedSupernet

SPACE = NasBench201(channels=2, cells=1, image_size=8, in_channels=1)
FUSION = {"reference": 12, "zero_cost": {"images": 8, "swap_images": 8, "networks": {"nasbench201": {"channels": 4}}}}


def make_ranking(path, archs, *evaluators, fusion=None, **options):
    ranking = {"evaluators": evaluators, "curve_architectures": 10, "bootstrap": 0, **options}
    values = {
        "supernet": {"recipe": {"epochs": 1, "batch_size": 32, "lr": 0.1}},
        "evaluation": {"images": 20, "metric": "loss"},
        "data": {"max_images": 100},
        "fusion": {**FUSION, **(fusion or {})},
        "ranking": ranking,
    }
    config = RankingConfig.make(values, find)
    context = Context(
        space=SPACE,
        dataset=load_dataset("digits", config.data),
        run=RunDirectory(path),
        device=torch.device("cpu"),
        data=config.data,
        fusion=config.fusion,
    )
    truth = np.random.default_rng(0).normal(size=len(archs))
    return Ranking(config=config, context=context, truth=Truth(archs, truth, {}))


def test_every_name_scores(tmp_path):
    archs = np.array([[0] * 6, [3, 1, 0, 2, 4, 1]], dtype=np.uint8)
    context = make_ranking(tmp_path, archs).context
    for name in ZERO_COST:
        scores = zero_cost(context, name)(archs)
        assert np.isfinite(scores).all(), name
        if name in (*LIVE, *COSTS, *ALIASES):
            assert scores[1] > scores[0]
    assert full_depth(context) == NasBench201(channels=4, cells=1, image_size=8, in_channels=1)


def test_a_network_of_another_kind_is_refused(tmp_path):
    archs = SPACE.sample(3, 0)
    for network, told in (
        ({"depth": 3}, "takes no such argument"),
        ({"sub_space": "no_none"}, "changes the decisions"),
    ):
        context = make_ranking(tmp_path, archs, fusion={"zero_cost": {"networks": {"nasbench201": network}}}).context
        with pytest.raises(ConfigError, match=told):
            full_depth(context)


def test_the_reference_is_the_first_proposals_distribution(tmp_path):
    context = make_ranking(tmp_path, SPACE.sample(3, 0)).context
    assert reference(context, 7).shape == (7, 6)
    assert np.array_equal(reference(context, 7), reference(context, 7))
    assert len(reference(context, 20_000)) == 15_625

    class Only:
        per_step = 1

        def sample(self, n, rng):
            return np.ones((n, 6), dtype=np.uint8)

    assert reference(context.replace(sampler=Only()), 5).tolist() == [[1] * 6] * 5


def test_a_ranking_gives_the_scores_of_the_evaluators(tmp_path):
    archs = np.unique(SPACE.sample(14, 3), axis=0)
    evaluators = ("fused", "supernet", "fused-zero-cost", "swap")
    fusion = {"parts": ["supernet", "params-live", "swap", "az-expressivity"]}
    ranking = make_ranking(
        tmp_path, archs, *evaluators, fusion=fusion, supernets=2, baselines=["params-live", "naswot"]
    )
    ranking.check()
    assert ranking.forecast_seconds() > 0
    result = ranking.run()
    table = pd.read_parquet(tmp_path / "scores.parquet")
    head = result.head
    assert list(head["evaluators"]) == list(evaluators)
    assert {"arch", "truth", *evaluators, "fused (0)", "fused (1)", "params-live", "naswot"} <= set(table)

    context = ranking.context
    known = reference(context, 12)
    free = ("params-live", "swap", "az-expressivity")
    columns = {name: zero_cost(context, name)(archs) for name in free}
    others = {name: zero_cost(context, name)(known) for name in free}
    np.testing.assert_allclose(table["fused-zero-cost"], fuse(columns, others))
    np.testing.assert_array_equal(table["swap"], columns["swap"])
    # Both supernets, each with its own scores of the reference.
    for index in range(2):
        weights = ranking.weights(index)
        supernet, snapshots = weights.make(), snapshot_files(weights.context.run, 1)
        load_weights(supernet, snapshots[0])
        trained = TrainedSupernet(
            weights=weights, supernet=supernet, snapshots=snapshots, config=ranking.config.evaluation
        )
        evaluator = ranking.evaluators[0].build(context.replace(trained=trained))
        np.testing.assert_allclose(table[f"fused ({index})"], evaluator(archs))
    np.testing.assert_allclose(table["fused"], (table["fused (0)"] + table["fused (1)"]) / 2)
    assert len(head["evaluators"]["fused"]["supernets"]) == 2
    assert list(head["fusion"]["fused"]) == ["supernet", *free]
    without = fuse({name: columns[name] for name in free[1:]}, others)
    expected = kendall_tau(predicted=without, true=table["truth"].to_numpy())
    assert head["fusion"]["fused-zero-cost"]["params-live"]["without"] == {"all": pytest.approx(expected)}
    assert head["fusion"]["fused-zero-cost"]["swap"]["alone"]["all"] == pytest.approx(
        kendall_tau(predicted=log_ranks(columns["swap"], others["swap"]), true=table["truth"].to_numpy())
    )
    assert head["proxies"]["seconds"] > 0
    assert proxies_of(ranking.context.fusion.parts) == ("swap", "az-expressivity")


def test_twins_of_the_reference_are_scored_too(tmp_path):
    archs = np.unique(SPACE.sample(6, 3), axis=0)
    ranking = make_ranking(tmp_path, archs, "fused", fusion={"parts": ["supernet+twins", "params-live"]})
    (part,) = ranking.shared
    asked = {row.tobytes() for row in ranking.asked(part)}
    assert asked == {row.tobytes() for row in np.concatenate([archs, ranking.reference])}
    classes = {row.tobytes() for row in SPACE.canonical(ranking.asked(part))}
    to_score = ranking.to_score(part)
    assert {row.tobytes() for row in SPACE.canonical(to_score)} == classes
    assert len(to_score) > len(asked)


def test_a_killed_ranking_computes_no_proxy_twice(tmp_path, monkeypatch):
    archs = np.unique(SPACE.sample(12, 3), axis=0)
    ranking = make_ranking(tmp_path, archs, "fused")
    monkeypatch.setattr(proxies, "_BATCH", 4)
    batches = proxies.proxy_batches(ranking)
    assert len(batches) > 2
    proxies.keep_batch(ranking, proxies.score_batch(ranking, batches[0]))
    left = proxies.proxy_batches(ranking)
    rows = [row for batch in left for row in batch.rows]
    assert sorted(rows) == sorted(row for batch in batches[1:] for row in batch.rows)
    computed = []
    plain = ProxyTable.computed
    monkeypatch.setattr(
        ProxyTable, "computed", lambda self, row, names: computed.append(row) or plain(self, row, names)
    )
    ranking.run()
    assert sorted(computed) == sorted(rows)


@pytest.mark.parametrize("strategy", ["one-shot", "random", "evolution"])
def test_every_strategy_searches_by_fused_scores(tmp_path, strategy):
    fusion = {
        "reference": 10,
        "parts": ["supernet", "params-live", "swap"],
        "zero_cost": {"images": 8, "swap_images": 8},
    }
    over = {} if strategy == "one-shot" else {"proposer": {"evaluations": 8}}
    search = make_search(
        tmp_path,
        strategy=strategy,
        oracle="fused",
        fusion=fusion,
        retraining=None,
        weight_sampling={"samples": 1},
        evaluation={"metric": "loss"},
        **over,
    )
    strategy = search.strategy
    strategy.check()
    assert [phase.name for phase in strategy.forecast().phases][-2:] == ["reference", "search"]
    found = strategy.run()
    assert found.scored_by.startswith("sum over supernet, params-live, swap of the logarithm of the rank among 10")
    assert (found.scores <= 0).all()
    assert np.array_equal(found.evaluator(found.archs), found.scores)


def test_nothing_is_trained_for_zero_cost_scores(tmp_path):
    search = make_search(
        tmp_path,
        strategy="random",
        oracle="az",
        fusion={"reference": 10, "zero_cost": {"images": 8}},
        retraining=None,
        proposer={"evaluations": 4},
    )
    search.strategy.check()
    found = search.strategy.run()
    assert len(found.archs) == 4
    assert not (tmp_path / "checkpoints").exists()


def test_proxies_are_computed_where_asked(tmp_path):
    there = Context(space=SPACE, run=RunDirectory(tmp_path), device=torch.device("meta"))
    assert proxy_device(there) == torch.device("meta")
    asked = FusionConfig.make({"zero_cost": {"device": "cpu"}})
    assert proxy_device(there.replace(fusion=asked)) == torch.device("cpu")
    # Fingerprints of what was made before the option are as they were.
    assert FusionConfig().plain() == {}
