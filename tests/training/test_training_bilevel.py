"""A bi-level task: two streams, two optimizers, architecture weights by Adam, a genotype for each epoch."""

import json

import pytest
import torch
from torch.nn import functional as F
from training_parts import FixedBatches, same

from trueshot.core.random import Streams
from trueshot.training.config import Adam, Recipe
from trueshot.training.loop import train
from trueshot.training.optimizers import make_optimizer, take_step
from trueshot.training.plan import Plan
from trueshot.training.schedules import make_schedule, set_learning_rate
from trueshot.training.standalone import build
from trueshot.training.task import Metric

RECIPE = Recipe(epochs=3, batch_size=6, lr=0.1, clip=5.0)
STREAMS = {"train": FixedBatches(5, 6, seed=1), "validation": FixedBatches(3, 4, seed=2)}
STEPS = 15


class BiLevel:
    """First-order DARTS over three linear candidates, mixed by softmax weights that belong to the task."""

    def __init__(self, plan):
        layers = lambda: torch.nn.ModuleList(torch.nn.Linear(192, 3, bias=bias) for bias in (True, False, True))  # noqa: E731
        self.candidates, self.streams = build(layers, Streams(0), "cpu"), Streams(4)
        self.alphas = torch.nn.Parameter(torch.zeros(3))
        self.weights = make_optimizer(self.candidates, RECIPE)
        self.architect = make_optimizer([self.alphas], Adam(lr=0.1))
        self.schedule = make_schedule(RECIPE, plan, 5)

    def _loss(self, batch):
        images, labels = batch
        mixed = zip(self.alphas.softmax(0), self.candidates, strict=True)
        logits = sum(weight * candidate(images.flatten(1)) for weight, candidate in mixed)
        return F.cross_entropy(logits, labels), logits.detach()

    def step(self, index, batches):
        rate = set_learning_rate(self.weights, self.schedule, index)
        losses, logits = {}, None
        for name, optimizer in (("validation", self.architect), ("train", self.weights)):
            for each in (self.architect, self.weights):
                each.zero_grad(set_to_none=True)
            loss, logits = self._loss(batches[name])
            loss.backward()
            take_step(optimizer, self.streams, index)
            losses[name] = loss.detach()
        right = (logits.argmax(1) == batches["train"][1]).sum()
        metrics = {
            "loss": Metric(losses["train"]),
            "accuracy": Metric(right, per="item", items=len(logits)),
            "rate": Metric(rate),
        }
        return metrics if index % 2 else {**metrics, "validation loss": Metric(losses["validation"])}

    def end_epoch(self, epoch):
        weights = self.alphas.detach().softmax(0)
        return {"genotype": f"candidate-{int(weights.argmax())}", "weight": float(weights.max())}

    def describe(self, index):
        return "the toy"

    def state_dict(self):
        parts = {"model": self.candidates, "weights": self.weights, "architect": self.architect}
        return {"alphas": self.alphas.detach().clone(), **{name: part.state_dict() for name, part in parts.items()}}

    def load_state_dict(self, state):
        self.alphas.data.copy_(state["alphas"])
        parts = {"model": self.candidates, "weights": self.weights, "architect": self.architect}
        for name, part in parts.items():
            part.load_state_dict(state[name])


class Watcher:
    def __init__(self, kill_at=None):
        self.kill_at, self.rows = kill_at, []

    def begin(self, phase, total, done, unit):
        self.begun = done

    def advance(self, phase, done):
        if done == self.kill_at:
            raise KeyboardInterrupt

    def record(self, phase, step, row):
        self.rows.append((step, row))

    def end(self, phase):
        pass

    say = end


def plain_loop():
    """The same steps without the training loop; returns the task and what each step gave."""
    task = BiLevel(Plan(phase="x", steps=STEPS))
    given = []
    for step in range(STEPS):
        batches = {name: next(stream.iterate(step, step + 1)) for name, stream in STREAMS.items()}
        given.append({name: float(metric.value) for name, metric in task.step(step, batches).items()})
    return task, given


def timeless(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def test_both_levels_are_trained_and_their_figures_are_averaged_as_they_say(tmp_path):
    plan = Plan(phase="x", steps=STEPS, log=tmp_path / "x.jsonl")
    task, watcher = BiLevel(plan), Watcher()
    history = train(task, STREAMS, plan, observer=watcher)
    oracle, given = plain_loop()
    assert torch.equal(task.alphas, oracle.alphas)
    assert same(task.candidates.state_dict(), oracle.candidates.state_dict())
    assert float(task.alphas.detach().abs().min()) > 0
    # An epoch is a pass over the longer stream.
    assert [step for step, _ in watcher.rows] == [5, 10, 15]
    for epoch, row in enumerate(history):
        part = given[5 * epoch : 5 * epoch + 5]
        seen = [step["validation loss"] for step in part if "validation loss" in step]
        assert row["loss"] == sum(step["loss"] for step in part) / 5
        assert row["accuracy"] == sum(step["accuracy"] for step in part) / 30
        assert row["validation loss"] == sum(seen) / len(seen)
        assert list(row)[-3:] == ["genotype", "weight", "seconds"]
        assert row["genotype"].startswith("candidate-")
    assert [row for _, row in watcher.rows] == history
    assert [json.loads(line) for line in plan.log.read_text().splitlines()] == history


@pytest.mark.parametrize("save_every", [0.0, 1e9])
@pytest.mark.parametrize("kill_at", [1, 4, 5, 7, 10, STEPS])
def test_a_killed_bi_level_training_ends_as_the_whole(tmp_path, save_every, kill_at):
    def plan(folder=None):
        files = {} if folder is None else {"checkpoint": folder / "x.ckpt", "log": folder / "x.jsonl"}
        return Plan(phase="x", steps=STEPS, save_every=save_every, **files)

    whole_plan = plan()
    whole = BiLevel(whole_plan)
    expected = train(whole, STREAMS, whole_plan)
    killed = plan(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(BiLevel(killed), STREAMS, killed, observer=Watcher(kill_at))
    again, watcher = plan(tmp_path), Watcher()
    resumed = BiLevel(again)
    history = train(resumed, STREAMS, again, observer=watcher)
    assert watcher.begun == (kill_at - 1 if save_every == 0 else 0)
    assert torch.equal(resumed.alphas, whole.alphas)
    assert same(resumed.candidates.state_dict(), whole.candidates.state_dict())
    assert timeless(history) == timeless(expected)


def test_a_short_stream_goes_on_from_its_own_start():
    seen = []

    class Noted(FixedBatches):
        def iterate(self, start_step, stop_step):
            for step, batch in enumerate(super().iterate(start_step, stop_step), start_step):
                seen.append((self.seed, divmod(step, self.steps_per_epoch)))
                yield batch

    plan = Plan(phase="x", steps=6)
    train(BiLevel(plan), {"train": Noted(5, 6, seed=1), "validation": Noted(3, 4, seed=2)}, plan)
    assert [where for seed, where in seen if seed == 1] == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0)]
    assert [where for seed, where in seen if seed == 2] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
