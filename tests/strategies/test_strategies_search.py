"""A search from start to end inside the process, by every strategy of the package."""

import re
import time

import numpy as np
import pytest
from strategy_parts import SPACE, kept_run, make_search

from trueshot.core.cache import EvaluationCache
from trueshot.core.errors import BudgetError, ConfigError, DeviceError
from trueshot.core.executor import Local
from trueshot.core.executor.cluster import Ray
from trueshot.core.results import Front, Networks
from trueshot.core.run import RunDirectory
from trueshot.spaces.storage import load_network
from trueshot.strategies import search as module
from trueshot.strategies.run import SearchRun
from trueshot.strategies.setup import choose_device


def trained(result):
    return result.of_kind(Networks)[0].records


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    search = make_search(tmp_path_factory.mktemp("one_shot"))
    search.check()
    return search, search.run()


def test_a_search_finds_trains_and_measures(done):
    search, result = done
    records = trained(result)
    roles = [record.role for record in records]
    assert (roles[:3], roles[-1]) == (["recommended", "winner", "winner"], "off-the-shelf")
    # Beside one of the two nothing costs as much, which is said.
    assert (roles.count("random"), len(result.of_kind(Networks)[0].comparison["notes"])) == (1, 1)
    assert all(record.test.n == 60 for record in records)
    assert len(EvaluationCache(search.context.run.evaluations)) >= result.head["evaluated"]
    for record in records:
        saved = load_network(search.context.run.network(record.name, record.role))
        assert saved.meta["madds"] == record.costs["madds"]
    assert not list((search.context.run.path / "checkpoints").glob("network-*"))
    assert make_search(search.context.run.path).run() == result
    names = [section.name for section in result.sections]
    mistakes = ["confusion", "mistakes"]
    assert names == ["networks", "search", *mistakes, "schedule", "how", "supernet", "retraining"]
    assert set(result.head["timings"]) == {"supernet", "sgld", "search", "retrain", "total"}


def test_winners_are_the_best_of_what_was_evaluated(done):
    search, result = done
    cache, records = EvaluationCache(search.context.run.evaluations), trained(result)[:2]
    rows = np.array([SPACE.parse(record.arch) for record in records])
    assert cache.get(result.head["digest"], rows).tolist() == [record.score for record in records]
    assert all(m <= b for m, b in zip(SPACE.cost(rows).madds, result.head["budgets"], strict=True))
    front = result.of_kind(Front)[0]
    assert result.head["found"][0]["score"] == max(front.scores)
    assert [found["score"] for found in result.head["found"]] == sorted(front.scores, reverse=True)[:20]


def test_another_budget_is_served_without_training(done, tmp_path):
    search, result = done
    source = kept_run(tmp_path / "source", search)
    (source.path / "checkpoints").symlink_to(search.context.run.path / "checkpoints")
    costs = [record.costs["madds"] for record in trained(result)[1:5]]
    middle = (3 * min(costs) + max(costs)) // 4
    again = make_search(
        tmp_path / "again",
        earlier=RunDirectory(source.path),
        seed=4,
        budget={"max_madds": middle},
        retraining={"off_the_shelf": False},
    )
    (announced,) = again.strategy.announce()
    assert f"search: the supernet of {source.path}, one network" in announced
    other = again.run()
    assert other.head["digest"] == result.head["digest"]
    # What the supernet was trained with is not what a new bound would have trained it with.
    told, before = (dict(one.named("how").rows) for one in (other, result))
    assert told["Supernet trained with"] == before["Supernet trained with"] == before["First proposals"]
    assert told["First proposals"] != told["Supernet trained with"]
    assert set(other.head["timings"]) == {"search", "retrain", "total"}
    phases = {event[1] for event in again.context.observer.events if event[0] == "begin"}
    assert not phases & {"supernet", "weight sampling"}
    assert all(record.costs["madds"] <= middle for record in trained(other) if record.role == "winner")


def found_by(path, **over):
    result = make_search(path, retraining={"random": 0, "off_the_shelf": False}, **over).run()
    return result, result.of_kind(Front)[0]


def test_random_search_of_a_supernet_is_one_shot_search_with_random_proposals(tmp_path):
    one, front = found_by(tmp_path / "one", proposer={"kind": "random", "evaluations": 12})
    other, same = found_by(tmp_path / "other", proposer={"evaluations": 12}, strategy="random")
    assert (front.scores, front.costs) == (same.scores, same.costs)
    assert one.head["digest"] == other.head["digest"]
    assert [record.test for record in trained(one)] == [record.test for record in trained(other)]


def test_a_forecast_trains_no_network_to_its_end(tmp_path, monkeypatch):
    over = {"strategy": "evolution", "oracle": "train", "proposer": {"population": 4, "evaluations": 6}}
    search = make_search(tmp_path, **over)
    monkeypatch.setattr("trueshot.evaluation.trained.train_network", None)
    phases = {phase.name: phase.seconds for phase in search.strategy.forecast()}
    assert phases.keys() == {"search"}
    assert phases["search"] > 0


class Slow:
    """An evaluator that takes its time, and counts."""

    digest = "slow"

    def __init__(self, seconds):
        self.seconds, self.scored = seconds, 0

    def __call__(self, archs):
        self.scored += len(archs)
        time.sleep(self.seconds)
        return np.zeros(len(archs))


@pytest.mark.parametrize(("seconds", "long", "scored"), [(0.05, 0.04, 1), (0.0, 1e6, 5)])
def test_one_slow_score_is_enough_for_a_forecast(seconds, long, scored, monkeypatch):
    monkeypatch.setattr(module, "_LONG", long)
    slow = Slow(seconds)
    assert module._seconds_of_a_score(slow, SPACE.sample(5, 0)) >= seconds
    assert slow.scored == scored


def test_samples_and_checkpoints_that_will_be_missing_are_said_before_the_training(tmp_path):
    for oracle, more, told in (
        ("supernet:score", {"weight_sampling": {"samples": 1}}, "supernet:score averages over samples"),
        ("supernet:median", {}, "supernet:median needs the weights of several epochs"),
    ):
        with pytest.raises(ConfigError, match=told):
            make_search(tmp_path, oracle=oracle, **more).check()


def test_evolution_trains_each_architecture_where_it_is_told_to(tmp_path):
    over = {"strategy": "evolution", "oracle": "train", "proposer": {"population": 4, "evaluations": 6}}
    result, front = found_by(tmp_path / "one", **over)
    search = make_search(tmp_path / "two", **over)
    beside = SearchRun(config=search.config, context=search.context.replace(executor=Local(2, method="fork")))
    assert beside.strategy.run().scores.tolist() == front.scores
    assert len(front.scores) == result.head["evaluated"] == 6
    assert all(0 <= score <= 1 for score in front.scores)
    assert result.head["evaluator"] == "train"
    assert result.named("supernet") is None


THREE = {"evaluations": 3}


@pytest.mark.parametrize(
    ("over", "told"),
    [
        ({}, "is trained; it then scores 8 architectures, chosen by nsga2"),
        ({"oracle": "supernet:single"}, "is trained; it then scores 8 architectures, chosen by nsga2"),
        ({"proposer": {"kind": "random", **THREE}}, "it then scores 3 architectures, chosen by random"),
        ({"oracle": "fused"}, "is trained; it then scores 8 architectures, by fused, chosen by nsga2"),
        (
            {"strategy": "random", "oracle": "train", "proposer": THREE},
            "random chooses 3 architectures; each is trained",
        ),
        ({"strategy": "evolution", "oracle": "naswot", "proposer": {"population": 2, **THREE}}, "naswot scores them"),
    ],
)
def test_a_search_says_in_plain_words_what_it_will_do(tmp_path, over, told):
    (line,) = make_search(tmp_path, **over).strategy.announce()
    assert line.startswith("search: ")
    assert told in line
    assert ("a supernet, one network that holds the weights of all of them" in line) == ("it then scores" in told)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"oracle": "train"}, "oracle train has none: take --strategy random or evolution"),
        ({"strategy": "random", "supernet": None}, "oracle supernet needs a supernet"),
        ({"oracle": "supernet:luck"}, "'luck' is no way of scoring by a supernet"),
        ({"proposer": {"kind": "nsga3"}}, "unknown proposer 'nsga3': did you mean nsga2"),
        ({"strategy": "one-shoot"}, "unknown strategy 'one-shoot': did you mean one-shot"),
    ],
)
def test_what_does_not_go_together_is_said(tmp_path, over, message):
    with pytest.raises(ConfigError, match=message):
        make_search(tmp_path, **over)


def test_budgets_that_nothing_meets_are_said_before_anything_is_trained(tmp_path):
    with pytest.raises(BudgetError, match=r"none of the shares budget\.fractions = \[0\.01\]"):
        make_search(tmp_path, budget={"fractions": [0.01]}).check()
    assert not list(tmp_path.iterdir())


def test_devices_that_are_not_there_are_said():
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(DeviceError, match="is no device: choose cpu or cuda"):
        choose_device("abacus")
    with pytest.raises(DeviceError, match="is not supported: choose cpu or cuda"):
        choose_device("meta")


def test_the_default_fine_tuning_changes_ranks(tmp_path):
    search = make_search(
        tmp_path,
        oracle="supernet:fine-tuned",
        weight_sampling={"samples": 1},
        evaluation={"fine_tune_steps": 40, "metric": "loss"},
        retraining=None,
    )
    told = dict(search.strategy.run().told)
    assert "at learning rate 0.01;" in told["Oracle"]
    line = r"fine-tuning moved weights by (.*)%, scores .* ranks of (\d) of \d architectures"
    moved = re.fullmatch(line, told["Fine-tuning"])
    assert float(moved[1]) > 0.1
    assert int(moved[2]) > 0


@pytest.mark.parametrize(
    ("budget", "minimise", "cost"),
    [
        ({"max_madds": 60_000}, ["madds"], "madds"),
        ({"max_params": 9_000}, ["madds"], "params"),
        ({"max_params": 9_000, "max_madds": 60_000}, ["madds"], "madds"),
        ({"max_params": 9_000, "max_madds": 60_000}, ["size", "params"], "params"),
        ({}, ["params"], "params"),
        ({}, [], "madds"),
    ],
)
def test_winners_are_picked_under_shares_of_what_is_bounded(tmp_path, budget, minimise, cost):
    proposer = {"kind": "nsga2", "population": 4, "generations": 1, "minimise": minimise}
    search = make_search(tmp_path, budget=budget, proposer=proposer)
    assert search.strategy.cost == cost
    if cost in ("madds", "params") and (most := budget.get(f"max_{cost}")):
        assert search.finish.budgets[0] == most


def test_a_cluster_is_refused_where_nothing_would_run_on_it(tmp_path):
    search = make_search(tmp_path)
    search = SearchRun(config=search.config, context=search.context.replace(executor=Ray(workers=1)))
    with pytest.raises(ConfigError, match="oracle supernet scores in this process: leave out --workers and --executor"):
        search.check()
