"""The training loop: what it counts, keeps, resumes and refuses."""

import errno
import json
import os

import pytest
import torch
from training_parts import FixedBatches, same, state, take

from trueshot.core.errors import CheckpointError, RunError, TrainingError
from trueshot.core.random import Streams
from trueshot.training.checkpoints import load_checkpoint, save_checkpoint
from trueshot.training.classification import Loss, count_correct
from trueshot.training.config import Recipe
from trueshot.training.loop import train
from trueshot.training.optimizers import make_optimizer
from trueshot.training.plan import Plan
from trueshot.training.schedules import make_schedule
from trueshot.training.standalone import NetworkTask, build
from trueshot.training.task import TRAIN, Metric

BATCHES = FixedBatches()
RECIPE = Recipe(epochs=3, batch_size=6, lr=0.1, momentum=0.9, ema_decay=0.9)
STEPS = RECIPE.epochs * BATCHES.steps_per_epoch


def network():
    layers = [torch.nn.Flatten(), torch.nn.Dropout(0.3), torch.nn.Linear(192, 5), torch.nn.BatchNorm1d(5)]
    return torch.nn.Sequential(*layers, torch.nn.Linear(5, 3))


def task():
    model = build(network, Streams(1), "cpu")
    schedule = make_schedule(RECIPE, Plan(phase="net", steps=STEPS), 4)
    return NetworkTask(model, RECIPE, make_optimizer(model, RECIPE), schedule, Loss(), Streams(2))


def plan(folder=None, **changes):
    files = {} if folder is None else {"checkpoint": folder / "a.ckpt", "log": folder / "a.jsonl"}
    return Plan(**{"phase": "net", "steps": STEPS, "identity": "x", **files, **changes})


class Watcher:
    def __init__(self, kill_at=None):
        self.kill_at, self.told = kill_at, []

    def begin(self, phase, total, done, unit):
        self.told.append(("begin", total, done, unit))

    def advance(self, phase, done):
        if done == self.kill_at:
            raise KeyboardInterrupt

    def record(self, phase, step, row):
        self.told.append(("record", step))

    def end(self, phase):
        self.told.append(("end",))

    def say(self, message):
        raise AssertionError(message)


def test_rows_are_the_means_of_their_epochs():
    done = task()
    history = train(done, {TRAIN: BATCHES}, plan())
    oracle = task()
    losses, right = [], []
    for step, (images, labels) in enumerate(BATCHES.iterate(0, STEPS)):
        loss, correct = take(oracle, step, (images, labels))
        losses.append(float(loss))
        right.append(float(correct))
    assert same(state(done.network), state(oracle.network))
    assert [row["epoch"] for row in history] == [1, 2, 3]
    for epoch, row in enumerate(history):
        part = slice(4 * epoch, 4 * epoch + 4)
        assert row["loss"] == pytest.approx(sum(losses[part]) / 4)
        assert row["accuracy"] == pytest.approx(sum(right[part]) / 24)
    seconds = [row["seconds"] for row in history]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("save_every", [0.0, 1e9])
@pytest.mark.parametrize("kill_at", [1, 4, 6, STEPS])
def test_a_resumed_training_is_bit_identical(tmp_path, save_every, kill_at):
    whole, watcher = task(), Watcher()
    expected = train(whole, {TRAIN: BATCHES}, plan(), observer=watcher)
    assert watcher.told == [("begin", 12, 0, "step"), *(("record", n) for n in (4, 8, 12)), ("end",)]
    with pytest.raises(KeyboardInterrupt):
        train(task(), {TRAIN: BATCHES}, plan(tmp_path, save_every=save_every), observer=Watcher(kill_at))
    again, watcher = task(), Watcher()
    history = train(again, {TRAIN: BATCHES}, plan(tmp_path, save_every=save_every), observer=watcher)
    # The checkpoint of a step is written after it was told, hence the step before the last is the last that is kept.
    assert watcher.told[0] == ("begin", 12, kill_at - 1 if save_every == 0 else 0, "step")
    assert same(state(again.network), state(whole.network))
    assert same(state(again.average.module), state(whole.average.module))
    timeless = [{key: value for key, value in row.items() if key != "seconds"} for row in history]
    assert timeless == [{key: value for key, value in row.items() if key != "seconds"} for row in expected]
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == history


def test_a_finished_training_does_nothing_again(tmp_path):
    first = task()
    history = train(first, {TRAIN: BATCHES}, plan(tmp_path))
    again, epochs = task(), []
    assert train(again, {TRAIN: BATCHES}, plan(tmp_path), on_epoch=epochs.append) == history
    assert same(state(again.network), state(first.network))
    assert epochs == []


def test_epochs_are_told_before_the_checkpoint_says_so(tmp_path):
    seen = []

    def on_epoch(epoch):
        path = tmp_path / "a.ckpt"
        seen.append((epoch, load_checkpoint(path)["progress"]["step"] if path.exists() else None))

    train(task(), {TRAIN: BATCHES}, plan(tmp_path, save_every=0), on_epoch=on_epoch)
    assert seen == [(1, 3), (2, 7), (3, 11)]


def test_a_loss_that_is_not_finite_names_step_and_network(tmp_path):
    broken = task()

    class Poisoned(FixedBatches):
        def iterate(self, start_step, stop_step):
            for step, (images, labels) in enumerate(super().iterate(start_step, stop_step), start_step):
                yield images * (torch.inf if step == 5 else 1), labels

    with pytest.raises(TrainingError, match=r"the loss is nan at step 5 \(stand-alone network\): lower the learning"):
        train(broken, {TRAIN: Poisoned()}, plan(tmp_path, save_every=0))
    # Clean batches go on from the intact checkpoint and end as if nothing had been.
    again, whole = task(), task()
    train(again, {TRAIN: BATCHES}, plan(tmp_path))
    train(whole, {TRAIN: BATCHES}, plan())
    assert same(state(again.network), state(whole.network))


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    train(task(), {TRAIN: BATCHES}, plan(tmp_path))
    with pytest.raises(CheckpointError, match=r"a\.ckpt belongs to another configuration: remove it"):
        train(task(), {TRAIN: BATCHES}, plan(tmp_path, identity="y"))
    raw = bytearray((tmp_path / "a.ckpt").read_bytes())
    raw[-5] ^= 1
    (tmp_path / "a.ckpt").write_bytes(raw)
    with pytest.raises(CheckpointError, match=r"a\.ckpt is corrupt"):
        train(task(), {TRAIN: BATCHES}, plan(tmp_path))


def test_a_full_disk_stops_with_the_former_checkpoint_in_place(tmp_path, monkeypatch):
    replace, saves = os.replace, []

    def full(source, target):
        if str(target).endswith(".ckpt"):
            saves.append(target)
            if len(saves) == 6:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunError, match=r"disk full while writing .*a\.ckpt: free some space and .* --resume"):
        train(task(), {TRAIN: BATCHES}, plan(tmp_path, save_every=0))
    assert load_checkpoint(tmp_path / "a.ckpt")["progress"]["step"] == 5
    assert sorted(os.listdir(tmp_path)) == ["a.ckpt", "a.jsonl"]
    again, whole = task(), task()
    train(again, {TRAIN: BATCHES}, plan(tmp_path))
    train(whole, {TRAIN: BATCHES}, plan())
    assert same(state(again.network), state(whole.network))


def test_right_answers_are_counted_for_classes_and_for_mixtures():
    logits = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
    assert int(count_correct(logits, torch.tensor([1, 1, 1]))) == 2
    assert int(count_correct(logits, torch.tensor([[0.2, 0.8], [0.6, 0.4], [0.9, 0.1]]))) == 2


def test_freed_memory_is_kept_once_the_first_steps_are_done(monkeypatch):
    called = []
    monkeypatch.setattr("trueshot.training.loop.keep_freed_memory", lambda: called.append(True))
    train(task(), {TRAIN: BATCHES}, plan(steps=4))
    assert called == []
    train(task(), {TRAIN: BATCHES}, plan(steps=6))
    assert called == [True]


class Late(torch.Tensor):
    """A figure on an accelerator: reading it waits for the device."""

    @property
    def device(self):
        return torch.device("cuda")


def test_figures_on_an_accelerator_are_read_while_the_next_step_runs():
    events = []

    class Far:
        def step(self, index, batches):
            events.append(f"step {index}")
            return {"loss": Metric(Late(torch.tensor(float(index)))), "right": Metric(3 * index, "item", 6)}

        def end_epoch(self, epoch):
            return None

        def describe(self, index):
            return "far"

        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            pass

    Late.__float__ = lambda value: events.append("read") or torch.Tensor.item(value)
    history = train(Far(), {TRAIN: BATCHES}, plan(steps=6))
    first = ["step 0", "step 1", "read", "step 2", "read", "step 3", "read", "read"]
    assert events == [*first, "step 4", "step 5", "read", "read"]
    assert [(row["loss"], row["right"]) for row in history] == [(1.5, 18 / 24), (4.5, 27 / 12)]


def test_any_figure_must_be_finite():
    class Odd(NetworkTask):
        def step(self, index, batches):
            return {**super().step(index, batches), "entropy": Metric(torch.tensor(-torch.inf if index == 2 else 1.0))}

    model = build(network, Streams(1), "cpu")
    odd = Odd(model, RECIPE, make_optimizer(model, RECIPE), None, Loss(), Streams(2))
    with pytest.raises(TrainingError, match=r"the entropy is -inf at step 2 \(stand-alone network\)"):
        train(odd, {TRAIN: BATCHES}, plan())


def test_a_checkpoint_of_an_earlier_version_is_refused(tmp_path):
    save_checkpoint(tmp_path / "a.ckpt", {"identity": "x", "task": {}, "progress": {"step": 3, "loss_sum": 1.0}})
    with pytest.raises(CheckpointError, match=r"a\.ckpt was written by an earlier version of trueshot: remove it"):
        train(task(), {TRAIN: BATCHES}, plan(tmp_path))


def test_a_stream_that_ends_before_the_plan_is_said():
    class Short(FixedBatches):
        def iterate(self, start_step, stop_step):
            yield from super().iterate(start_step, min(stop_step, 5))

    with pytest.raises(TrainingError, match="net: there is no batch for step 5"):
        train(task(), {TRAIN: Short()}, plan())
