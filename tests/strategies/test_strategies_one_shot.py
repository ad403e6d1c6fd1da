"""A search from start to end inside the process, its evaluators, and its comparison with random networks."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from strategy_parts import SPACE, make_setup

from trueshot.core.cache import EvaluationCache
from trueshot.core.errors import DeviceError
from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.core.run import RunDirectory
from trueshot.evaluation.recalibration import Recalibration
from trueshot.spaces.storage import load_network
from trueshot.strategies.one_shot import compare, search
from trueshot.strategies.picking import Candidate
from trueshot.strategies.retraining import retrain, retraining_batches
from trueshot.strategies.scoring import describe_evaluator, fitting, make_evaluator, make_one_shot
from trueshot.strategies.setup import choose_device
from trueshot.strategies.weights import make_supernet, sample_weights, supernet_batches, train_supernet


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    setup = make_setup(tmp_path_factory.mktemp("one_shot"))
    return setup, search(setup)


def test_a_search_finds_trains_and_measures(done):
    setup, result = done
    roles = [network["role"] for network in result["networks"]]
    assert roles == ["winner", "winner", "random", "random", "off-the-shelf"]
    assert all(network["test"]["n"] == 60 for network in result["networks"])
    assert len(EvaluationCache(setup.run.evaluations)) >= result["evaluated"]
    for network in result["networks"]:
        saved = load_network(setup.run.network(network["name"], network["role"]))
        assert saved.meta["madds"] == network["madds"]
    assert not list((setup.run.path / "checkpoints").glob("network-*"))
    assert search(dataclasses.replace(setup)) == result


def test_winners_are_the_best_of_what_was_evaluated(done):
    setup, result = done
    cache = EvaluationCache(setup.run.evaluations)
    rows = np.array([SPACE.parse(network["arch"]) for network in result["networks"][:2]])
    scores = cache.get(result["digest"], rows)
    assert scores.tolist() == [network["score"] for network in result["networks"][:2]]
    madds = SPACE.cost(rows).madds
    assert all(m <= b for m, b in zip(madds, result["budgets"], strict=True))


def test_another_budget_is_served_without_training(done, tmp_path):
    setup, result = done
    source = tmp_path / "source"
    RunDirectory.open(
        source, {"identity": setup.identity(), "search": setup.config.model_dump(mode="json")}, resume=False
    )
    (source / "checkpoints").symlink_to(setup.run.path / "checkpoints")
    low, high = min(n["madds"] for n in result["networks"][:4]), max(n["madds"] for n in result["networks"][:4])
    again = make_setup(
        tmp_path / "again", seed=4, budget={"max_madds": (low + high) // 2}, retraining={"off_the_shelf": False}
    )
    other = search(again, supernet_from=RunDirectory(source))
    assert other["digest"] == result["digest"]
    assert set(other["timings"]) == {"search", "retrain", "total"}
    phases = {event[1] for event in again.observer.events if event[0] == "begin"}
    assert "supernet" not in phases
    assert "weight sampling" not in phases
    assert all(network["madds"] <= (low + high) // 2 for network in other["networks"] if network["role"] == "winner")


@pytest.mark.parametrize("expectation", ["parameter", "score", "single", "fine-tuned"])
def test_every_way_of_scoring_works_and_is_another(tmp_path, done, expectation):
    setup = make_setup(tmp_path, evaluation={"expectation": expectation, "fine_tune_steps": 2})
    supernet, batches = make_supernet(setup), supernet_batches(setup)
    train_supernet(setup, supernet, batches)
    files = sample_weights(setup, supernet, batches)
    counted = []
    evaluator = make_evaluator(setup, supernet, files, counted.append)
    archs = SPACE.sample(3, 0)
    scores = evaluator(archs)
    assert scores.tolist() == evaluator(archs[::-1])[::-1].tolist()
    assert sum(counted) == 2 * 3 * (3 if expectation == "score" else 1)
    assert (evaluator.digest == done[1]["digest"]) == (expectation == "parameter")
    assert describe_evaluator(setup.config.evaluation, 3)
    one_shot = make_one_shot(setup, supernet)
    assert one_shot(archs).shape == (3,)


def test_recalibration_fits_the_images_there_are():
    large = Recalibration(mode="reset", batches=2, batch_size=512)
    assert fitting(large, 160) == Recalibration(mode="reset", batches=2, batch_size=160)
    assert fitting(large, 512) is large
    running = Recalibration(mode="running")
    assert fitting(running, 10) is running


def test_networks_of_one_repeat_see_the_same_images_and_of_another_others(tmp_path):
    setup = make_setup(tmp_path)
    one, same, other = (next(iter(retraining_batches(setup, repeat).iterate(0, 1)))[0] for repeat in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len(setup.all_training_images) == len(setup.dataset.train) + len(setup.dataset.validation) == 200


def test_a_network_is_trained_once_and_alike_whatever_its_name(tmp_path):
    setup = make_setup(tmp_path)
    row = SPACE.sample(1, 0)[0]
    for name, role in (("best-1", "winner"), ("random-1", "random")):
        retrain(setup, Candidate(name=name, role=role, budget=None, row=row))
    retrain(setup, Candidate(name="best-1-seed2", role="winner", budget=None, row=row, repeat=1))
    files = [tmp_path / folder / "model.safetensors" for folder in ("winners/best-1", "baselines/random-1")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes() != (tmp_path / "winners" / "best-1-seed2" / "model.safetensors").read_bytes()
    left = setup.run.checkpoint("network-best-1")
    left.write_bytes(b"left by a kill")
    before = files[0].stat().st_mtime_ns
    retrain(setup, Candidate(name="best-1", role="winner", budget=None, row=row))
    assert files[0].stat().st_mtime_ns == before
    assert not left.exists()
    # A search that was run again may pick another architecture under the same name.
    other = next(arch for arch in SPACE.sample(20, 1) if bytes(arch) != bytes(row))
    retrain(setup, Candidate(name="best-1", role="winner", budget=None, row=other))
    assert json.loads((files[0].parent / "architecture.json").read_text())["arch"] == SPACE.format(other)


def record(role, top1, arch=None):
    accuracy = Accuracy(n=10, top1=top1, top5=1.0, balanced=top1, per_class=(top1,), loss=1.0)
    return NetworkRecord(
        name="x",
        role=role,
        budget=None,
        seed=0,
        arch=arch or f"{role} {top1}",
        params=1,
        madds=1,
        score=None,
        validation=None,
        test=accuracy,
        seconds=0.0,
    )


def test_winners_are_compared_with_random_networks_by_welch():
    from scipy import stats

    winners, random = [0.9, 0.94, 0.92], [0.8, 0.88]
    records = [record("winner", v) for v in winners] + [record("random", v) for v in random]
    told = compare([*records, record("off-the-shelf", 0.1)])
    interval = stats.ttest_ind(winners, random, equal_var=False).confidence_interval(0.95)
    assert told["difference"] == pytest.approx(np.mean(winners) - np.mean(random))
    assert (told["low"], told["high"]) == pytest.approx((interval.low, interval.high))
    assert told["n"] == told["trainings"] == [3, 2]
    assert json.dumps(told)
    assert compare(records[:3]) is None
    single = compare([records[0], records[3]])
    assert (single["low"], single["high"], single["n"]) == (None, None, [1, 1])


def test_trainings_of_one_architecture_count_once():
    winners = [record("winner", 0.90, "a"), record("winner", 0.94, "a"), record("winner", 0.96, "b")]
    told = compare([*winners, record("random", 0.8, "c"), record("random", 0.9, "d")])
    assert told["winners"] == pytest.approx([0.92, 0.96])
    assert (told["n"], told["trainings"]) == ([2, 2], [3, 2])
    assert told["difference"] == pytest.approx(0.94 - 0.85)


def test_devices_that_are_not_there_are_said():
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(DeviceError, match="is no device: choose cpu or cuda"):
        choose_device("abacus")
    with pytest.raises(DeviceError, match="is not supported: choose cpu or cuda"):
        choose_device("meta")
