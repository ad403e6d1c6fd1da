"""Training from scratch of what was found, and its comparison with random networks."""

import json

import numpy as np
import pytest
import torch
from strategy_parts import SPACE, make_search

from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.spaces.offtheshelf import MobileNetV2
from trueshot.strategies.finish import compare
from trueshot.strategies.picking import Candidate


def candidate(name="best-1", role="winner", row=None, repeat=0):
    return Candidate(name=name, role=role, space=SPACE, budget=None, row=row, repeat=repeat)


def test_networks_of_one_repeat_see_the_same_images_and_of_another_others(tmp_path):
    finish = make_search(tmp_path).finish
    one, same, other = (next(iter(finish.batches(repeat).iterate(0, 1)))[0] for repeat in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    dataset = finish.context.dataset
    assert len(finish.context.all_training_images) == len(dataset.train) + len(dataset.validation) == 200


def test_a_network_is_trained_once_and_alike_whatever_its_name(tmp_path):
    finish = make_search(tmp_path).finish
    row = SPACE.sample(1, 0)[0]
    finish.train(candidate(row=row))
    finish.train(candidate("random-1", "random", row))
    finish.train(candidate("best-1-seed2", row=row, repeat=1))
    files = [tmp_path / folder / "model.safetensors" for folder in ("winners/best-1", "baselines/random-1")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes() != (tmp_path / "winners" / "best-1-seed2" / "model.safetensors").read_bytes()
    left = finish.context.run.checkpoint("network-best-1")
    left.write_bytes(b"left by a kill")
    before = files[0].stat().st_mtime_ns
    finish.train(candidate(row=row))
    assert files[0].stat().st_mtime_ns == before
    assert not left.exists()
    # A search that was run again may pick another architecture under the same name.
    other = next(arch for arch in SPACE.sample(20, 1) if bytes(arch) != bytes(row))
    finish.train(candidate(row=other))
    assert json.loads((files[0].parent / "architecture.json").read_text())["arch"] == SPACE.format(other)


def test_a_network_off_the_shelf_of_an_earlier_release_is_not_trained_again(tmp_path):
    """Its file names a kind of its own and no architecture."""
    finish = make_search(tmp_path).finish
    shelf = MobileNetV2(image_size=8, classes=10, in_channels=1, width=0.05, divisor=2, reduction=2, head_width=16)
    given = Candidate(name="shelf", role="off-the-shelf", space=shelf, budget=None, row=shelf.parse(""))
    finish.train(given)
    weights, description = (tmp_path / "baselines/shelf" / name for name in ("model.safetensors", "architecture.json"))
    before = weights.stat().st_mtime_ns
    description.write_text(json.dumps({**json.loads(description.read_text()), "kind": "mobilenetv2", "arch": None}))
    finish.train(given)
    assert weights.stat().st_mtime_ns == before


def record(role, top1, arch=None):
    accuracy = Accuracy(n=10, top1=top1, top5=1.0, balanced=top1, per_class=(top1,), loss=1.0)
    return NetworkRecord(
        name="x",
        role=role,
        budget=None,
        seed=0,
        arch=arch or f"{role} {top1}",
        costs={"params": 1, "madds": 1},
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
