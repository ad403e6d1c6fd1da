"""Training from scratch of what was found, and its comparison with random networks."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from strategy_parts import SPACE, make_search

from trueshot.core.errors import TrainingError
from trueshot.core.results import Networks
from trueshot.core.run import RunDirectory
from trueshot.spaces.offtheshelf import MobileNetV2
from trueshot.strategies.finish.choice import choose
from trueshot.strategies.finish.finish import Finish
from trueshot.strategies.finish.network import NetworkTraining
from trueshot.strategies.finish.picking import Candidate
from trueshot.strategies.run import _dataset as described


def candidate(name="best-1", role="winner", row=None, repeat=0):
    return Candidate(name=name, role=role, space=SPACE, budget=None, row=row, repeat=repeat)


def test_networks_of_one_repeat_see_the_same_images_and_of_another_others(tmp_path):
    finish = make_search(tmp_path).finish
    one, same, other = (next(iter(finish.network.batches(repeat).iterate(0, 1)))[0] for repeat in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    dataset = finish.context.dataset
    assert len(finish.context.all_training_images) == len(dataset.train) + len(dataset.validation) == 200
    assert finish.network.batches(0).steps_per_epoch == len(dataset.train) // 64


def test_a_network_is_trained_once_and_alike_whatever_its_name(tmp_path):
    finish = make_search(tmp_path).finish
    row = SPACE.sample(1, 0)[0]
    finish.network.train(candidate(row=row))
    finish.network.train(candidate("random-1", "random", row))
    finish.network.train(candidate("best-1-seed2", row=row, repeat=1))
    files = [tmp_path / folder / "model.safetensors" for folder in ("winners/best-1", "baselines/random-1")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes() != (tmp_path / "winners" / "best-1-seed2" / "model.safetensors").read_bytes()
    left = finish.context.run.checkpoint("network-best-1")
    left.write_bytes(b"left by a kill")
    before = files[0].stat().st_mtime_ns
    finish.network.train(candidate(row=row))
    assert files[0].stat().st_mtime_ns == before
    assert not left.exists()
    # A search that was run again may pick another architecture under the same name.
    other = next(arch for arch in SPACE.sample(20, 1) if bytes(arch) != bytes(row))
    finish.network.train(candidate(row=other))
    assert json.loads((files[0].parent / "architecture.json").read_text())["arch"] == SPACE.format(other)


def test_a_network_off_the_shelf_of_an_earlier_release_is_not_trained_again(tmp_path):
    """Its file names a kind of its own and no architecture."""
    finish = make_search(tmp_path).finish
    shelf = MobileNetV2(image_size=8, classes=10, in_channels=1, width=0.05, divisor=2, reduction=2, head_width=16)
    given = Candidate(name="shelf", role="off-the-shelf", space=shelf, budget=None, row=shelf.parse(""))
    finish.network.train(given)
    weights, description = (tmp_path / "baselines/shelf" / name for name in ("model.safetensors", "architecture.json"))
    before = weights.stat().st_mtime_ns
    description.write_text(json.dumps({**json.loads(description.read_text()), "kind": "mobilenetv2", "arch": None}))
    finish.network.train(given)
    assert weights.stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A search and its result."""
    search = make_search(tmp_path_factory.mktemp("finished"), retraining={"off_the_shelf": False})
    return search, search.run()


def test_what_is_chosen_is_trained_anew_on_more_images(finished):
    search, result = finished
    finish = search.finish
    recommended, *compared = result.of_kind(Networks)[0].records
    assert (recommended.role, recommended.validation) == ("recommended", None)
    assert all(record.validation.n == len(finish.context.dataset.validation) for record in compared)
    rule = finish.rule
    assert recommended.of == choose(compared, rule).name
    chosen = next(record for record in compared if record.name == recommended.of)
    assert recommended.arch == chosen.arch
    files = [finish.context.run.network(one.name, one.role) / "model.safetensors" for one in (recommended, chosen)]
    assert files[0].read_bytes() != files[1].read_bytes()
    # 60 test images were read once, for figures and mistakes alike.
    confusion, mistakes = result.named("confusion"), result.named("mistakes")
    assert sum(count for true, given, count in confusion.counts if true == given) == round(recommended.test.top1 * 60)
    assert confusion.images == sum(result.head["dataset"]["test_counts"]) == recommended.test.n == 60
    assert 0 < len(mistakes.mistakes) <= 12
    assert [one.probability for one in mistakes.mistakes] == sorted(m.probability for m in mistakes.mistakes)[::-1]
    assert all("of digits" in one.name and one.side == 8 for one in mistakes.mistakes)
    # 160 images, and 200 with those of validation, in batches of 64, for an epoch.
    assert [(record.steps, record.epochs) for record in compared] == [(2, 1.0)] * len(compared)
    assert (recommended.steps, recommended.epochs) == (3, 1.0)
    rows = result.head["decision"]["rows"]
    assert [(row["steps"], row["epochs"]) for row in rows] == [(3, 1.0)] + [(2, 1.0)] * (len(rows) - 1)


def test_test_images_of_very_unequal_classes_are_told_once_they_were_read(finished):
    images = finished[0].context.images
    labels = np.array([0] * 9 + [1])
    held_back = replace(images.held_back, encoded=images.held_back.encoded.take(np.arange(10)), labels=labels)
    before, after = (described(replace(images, held_back=held_back), tested=tested) for tested in (False, True))
    assert (before["imbalanced"], before["test_counts"]) == (False, None)
    assert (after["imbalanced"], after["test_counts"]) == (True, [9, 1] + [0] * 8)


def test_a_run_killed_after_the_test_shows_the_same_mistakes(finished, tmp_path, monkeypatch):
    search, whole = finished
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(search.context.run.path, run.path)
    run.result.unlink()

    def read_again(self):
        raise AssertionError("test images were read again")

    monkeypatch.setattr(Finish, "_measure", read_again)
    again = make_search(run.path, retraining={"off_the_shelf": False}).run()
    assert [again.named(name) for name in ("networks", "confusion", "mistakes")] == [
        whole.named(name) for name in ("networks", "confusion", "mistakes")
    ]
    assert again.head["decision"] == whole.head["decision"]
    # A run of an earlier release, which kept neither mistakes nor lengths, ends as well.
    path = run.path / "log" / "test.json"
    content = json.loads(path.read_text())
    content.pop("mistakes")
    content["networks"] = [
        {key: value for key, value in one.items() if key not in ("steps", "epochs")} for one in content["networks"]
    ]
    path.write_text(json.dumps(content))
    run.result.unlink()
    earlier = make_search(run.path, retraining={"off_the_shelf": False}).run()
    assert earlier.named("confusion") is None
    assert {row["steps"] for row in earlier.head["decision"]["rows"]} == {None}


@pytest.mark.parametrize("broken", ["random-1", "recommended"])
def test_a_network_that_breaks_on_the_test_images_is_told(broken, finished, tmp_path, monkeypatch):
    search, whole = finished
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(search.context.run.path, run.path)
    run.result.unlink()
    (run.path / "log" / "test.json").unlink()
    measure = Finish._measure

    def lacking(self, phase, *arguments):
        return {
            name: found for name, found in measure(self, phase, *arguments).items() if (phase, name) != ("test", broken)
        }

    monkeypatch.setattr(Finish, "_measure", lacking)
    again = make_search(run.path, retraining={"off_the_shelf": False})
    if broken == "recommended":
        with pytest.raises(TrainingError, match="answers the test images with logits that are not finite: lower"):
            again.run()
        return
    names = [[record.name for record in one.of_kind(Networks)[0].records] for one in (whole, again.run())]
    assert names[1] == [name for name in names[0] if name != broken]


def test_a_training_on_more_images_that_breaks_leaves_the_compared_network(tmp_path, monkeypatch):
    search, train = make_search(tmp_path, retraining={"off_the_shelf": False}), NetworkTraining.train

    def broken(self, candidate, **more):
        if candidate.role == "recommended":
            raise TrainingError("the loss is nan")
        train(self, candidate, **more)

    monkeypatch.setattr(NetworkTraining, "train", broken)
    result = search.run()
    recommended, *compared = result.of_kind(Networks)[0].records
    chosen = next(record for record in compared if record.name == recommended.of)
    assert (recommended.test, recommended.steps) == (chosen.test, chosen.steps)
    assert "trained anew" not in result.head["decision"]["sentence"]
    assert any("the loss is nan" in line for line in search.context.observer.lines)
