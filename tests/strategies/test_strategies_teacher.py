"""A pretrained teacher: what it sees, how its head is fitted, who learns from it, and what is refused."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from strategy_parts import SMALL, SPACE, kept_run, make_search, shared_weights, write_weights
from torch.nn import functional as F

from trueshot.core.errors import CheckpointError, ConfigError, RunError
from trueshot.core.results import Text
from trueshot.spaces.offtheshelf import MobileNetV2
from trueshot.strategies.deadline import Deadline
from trueshot.strategies.finish.picking import Candidate, pick_pretrained
from trueshot.strategies.finish.pretrained import find, fit_head
from trueshot.strategies.teacher import PHASE, Teacher
from trueshot.training.checkpoints import load_checkpoint
from trueshot.training.data.batches import eval_batches

SIDE = 24


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of weights of a small network of timm."""
    return write_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def taught(weights, tmp_path):
    """Return a tiny search with a teacher, its directory named, with values of the configuration changed."""

    def make(name="run", **over):
        teacher = {"name": f"{SMALL}={weights}", "image_size": SIDE}
        return make_search(tmp_path / name, **{"teacher": teacher, **over})

    return make


def test_its_head_is_fitted_once_to_what_it_sees_in_its_own_scaling_and_size(taught, weights, monkeypatch):
    context = taught().context
    context.teacher.fit(context)
    lines = context.observer.events
    assert lines[0] == ("begin", PHASE, len(context.images.train), 0)
    assert lines[-2:] == [("advance", PHASE, len(context.images.train)), ("end", PHASE)]
    # By hand: pixels in its scaling, enlarged, and the fit of the pretrained baseline.
    found = find(f"{SMALL}={weights}")
    network = found.space(context.images).network(np.empty(0, dtype=np.uint8)).eval()
    found.load_into(network)
    pixels = eval_batches(context.images.train, found.images(context.images), batch_size=64, device="cpu")
    seen = [
        (F.interpolate(images, size=(SIDE, SIDE), mode="bilinear", antialias=True), labels) for images, labels in pixels
    ]
    fit_head(network, SMALL, seen, 10)
    own = eval_batches(context.images.validation, context.images, batch_size=64, device="cpu")
    others = eval_batches(context.images.validation, found.images(context.images), batch_size=64, device="cpu")
    images, other = next(iter(own))[0], next(iter(others))[0]
    assert not torch.allclose(images, other, atol=0.1)
    distillation = context.teacher.distillation(context)
    logits = torch.zeros(len(images), 10)
    with torch.no_grad():
        expected = network(F.interpolate(other, size=(SIDE, SIDE), mode="bilinear", antialias=True))
    target = F.log_softmax(expected / 4.0, dim=1)
    divergence = (target.exp() * (target - F.log_softmax(logits, dim=1))).sum(dim=1).mean() * 16
    torch.testing.assert_close(distillation(torch.tensor(0.0), logits, images), 0.5 * divergence, rtol=2e-3, atol=1e-3)

    def again(*_):
        raise AssertionError("the head is fitted anew")

    monkeypatch.setattr("trueshot.strategies.teacher.fit_head", again)
    context.teacher.fit(context)


def trainings(search):
    """Train a network of the space, one off the shelf and a fine-tuned one; return their weights by name."""
    training, images = search.finish.network, search.context.images
    shelf = MobileNetV2(image_size=8, classes=10, in_channels=1, reduction=4, head_width=16)
    frozen, tuned = pick_pretrained(training.pretrained.space(images), None)
    candidates = [
        Candidate(name="random-1", role="random", space=SPACE, row=SPACE.sample(1, 0)[0], budget=None),
        Candidate(name="mobilenetv2", role="off-the-shelf", space=shelf, row=shelf.parse(""), budget=None),
        frozen,
        tuned,
    ]
    for candidate in candidates:
        training.train(candidate, steps=2)
    run = search.context.run
    return {one.name: (run.network(one.name, one.role) / "model.safetensors").read_bytes() for one in candidates}


def test_all_that_is_trained_from_scratch_learns_from_it_and_nothing_else(taught, weights):
    values = {"pretrained": f"{SMALL}={weights}", "recipe": {"epochs": 1, "batch_size": 64, "lr": 0.1}}
    values = {"retraining": values, "weight_sampling": {"samples": 2}}
    one, other = taught("with", **values), taught("without", **values, teacher={})
    assert other.context.teacher is None
    one.context.teacher.fit(one.context)
    learned, plain = trainings(one), trainings(other)
    assert {name for name in plain if learned[name] == plain[name]} == {f"{SMALL}-frozen", f"{SMALL}-tuned"}
    states = []
    for search in (one, other):
        shared = shared_weights(search)
        supernet, batches = shared.make(), shared.batches()
        shared.train(supernet, batches)
        files = shared.sample(supernet, batches)
        states.append([load_checkpoint(file)["model"] for file in files])
    assert not any(
        all(torch.equal(first[key], second[key]) for key in first) for first, second in zip(*states, strict=True)
    )
    # What trains each architecture, for the oracle `train` and for short trainings, is another evaluator with it.
    digests = {search.context.stand_alone("accuracy").digest for search in (one, other)}
    assert len(digests) == 2
    assert one.context.identity() != other.context.identity()


def test_a_search_says_from_what_it_learned(taught):
    search = taught()
    search.check()
    told = next(line for line in search.announce() if line.startswith("teacher of all networks that are trained: "))
    assert f"timm's {SMALL}, weights: " in told
    assert "it sees images of 24 pixels, enlarged from 8" in told
    assert "teacher" in str(search.forecast())
    result = search.run()
    assert result.head["teacher"]["model"] == SMALL
    assert result.head["timings"]["teacher"] > 0
    assert any("learned from one teacher too: timm's" in note for note in result.head["decision"]["notes"])
    how = next(section for section in result.of_kind(Text) if section.name == "how")
    assert "Teacher" in dict(how.rows)


def test_time_makes_it_see_fewer_images_which_is_decided_once(taught, monkeypatch):
    monkeypatch.setattr("trueshot.strategies.teacher._LEAST", 2)
    context = taught().context
    for seconds in (1e-3, 1e9):
        # The second attempt has all the time there is, and keeps to what was decided.
        now = context.replace(deadline=Deadline(context.run, seconds, {PHASE: seconds}, started=time.monotonic()))
        now.teacher.fit(now)
        assert now.deadline.decided(PHASE)["images"] == 20
        now.run.checkpoint(PHASE).unlink()
    assert [event[2:] for event in context.observer.events if event[0] == "begin"] == [(20, 0), (20, 0)]
    plenty = taught("plenty").context
    plenty = plenty.replace(deadline=Deadline(plenty.run, 1e9, {PHASE: 1e9}, started=time.monotonic()))
    plenty.teacher.fit(plenty)
    assert plenty.deadline.decided(PHASE)["images"] == len(plenty.images.train)


def test_a_head_of_other_images_or_of_another_teacher_is_refused(taught, weights):
    context = taught().context
    context.teacher.fit(context)
    for other in (
        context.replace(dataset=replace(context.images, digest="other")),
        context.replace(teacher=Teacher(config=context.teacher.config.replace(temperature=2.0))),
    ):
        with pytest.raises(CheckpointError, match=r"teacher\.ckpt belongs to another teacher or other images"):
            other.teacher.distillation(other)
    with pytest.raises(CheckpointError, match="cannot read checkpoint"):
        taught("empty").context.teacher.distillation(taught("empty").context)


def test_small_images_are_refused_unless_they_are_to_be_enlarged(taught, weights):
    name = f"{SMALL}={weights}"
    for teacher, pixels in (({"name": name}, 8), ({"name": name, "image_size": 16}, 16)):
        with pytest.raises(ConfigError, match=rf"images of {pixels} pixels say little .* teacher\.image_size=64"):
            taught(teacher=teacher).check()
    taught().check()


def test_images_that_it_cannot_see_are_said(taught, monkeypatch):
    search = taught()

    class Blind(torch.nn.Module):
        def forward(self, images):
            raise ValueError("not this size")

    monkeypatch.setattr(Teacher, "_network", lambda *_: Blind())
    with pytest.raises(ConfigError, match=r"cannot see images of 24 pixels \(ValueError: not this size\): set teacher"):
        search.check()


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"teacher": {"weight": 0.3}}, r"teacher\.weight is of no account without a teacher: give --teacher"),
        ({"teacher": {"name": "a", "weight": 0}}, r"teacher\.weight: 0 is too small"),
        (
            {"retraining": {"distillation": {"teacher": "resnet18", "checkpoint": "a"}}},
            r"--teacher and retraining\.distillation each name a teacher: give one of them",
        ),
        (
            {"supernet": {"distillation": {"teacher": "resnet18", "checkpoint": "a"}}},
            r"--teacher and supernet\.distillation each name a teacher: give one of them",
        ),
    ],
)
def test_values_that_contradict_one_another_are_refused(taught, over, message):
    with pytest.raises(ConfigError, match=message):
        taught(**over)


def test_none_is_no_teacher(taught):
    assert taught(teacher={"name": "none"}).context.teacher is None


def test_a_supernet_that_learned_from_another_teacher_or_none_is_refused(taught, weights, tmp_path):
    search = taught()
    for there, message in (
        (None, f"learned from no teacher, and .* from the teacher {SMALL}: give the same --teacher"),
        (
            {**search.context.teacher.identity, "digest": "0"},
            f"learned from the teacher {SMALL} with other weights or settings",
        ),
    ):
        earlier = kept_run(tmp_path / str(there is None), search, teacher=there)
        with pytest.raises(RunError, match=message):
            make_search(tmp_path / "again", earlier=earlier, teacher=search.config.teacher.whole()).check()
    earlier = kept_run(tmp_path / "taught", search, teacher=search.context.teacher.identity)
    with pytest.raises(RunError, match=f"learned from the teacher {SMALL}, and .* from no teacher"):
        make_search(tmp_path / "again", earlier=earlier).check()


def test_where_nothing_would_learn_it_is_refused(taught):
    search = taught(strategy="random", oracle="params-live", retraining=None)
    with pytest.raises(ConfigError, match="nothing is trained that could learn from a teacher: leave --teacher out"):
        search.check()
