"""The plateau schedule and dropout in front of the classifier: by definition, and across a kill."""

import math

import pytest
import torch
from training_parts import SPACE, FixedBatches, make_supernet, same, state

from trueshot.core.errors import ConfigError
from trueshot.core.random import Streams
from trueshot.sampling import StrictlyFair, Uniform
from trueshot.training.classification import Loss
from trueshot.training.config import Plateau, Recipe
from trueshot.training.dropout import ClassifierDropout
from trueshot.training.loop import train
from trueshot.training.optimizers import make_optimizer
from trueshot.training.plan import Plan
from trueshot.training.schedules import PlateauSchedule, make_schedule, set_learning_rate
from trueshot.training.standalone import build, train_network
from trueshot.training.supernet import StepOptions, SupernetTask
from trueshot.training.task import TRAIN

RECIPE = Recipe(epochs=8, batch_size=6, lr=0.2, clip=5.0, plateau=Plateau(factor=0.5, patience=0), dropout=0.3)
BATCHES = FixedBatches(steps_per_epoch=3)


def make_task(sampler=None, recipe=RECIPE):
    supernet = make_supernet()
    optimizer, schedule = make_optimizer(supernet, recipe), make_schedule(recipe, Plan(phase="x", steps=24), 3)
    options = StepOptions(dropout=recipe.dropout)
    return SupernetTask(
        supernet, sampler or Uniform(SPACE), optimizer, schedule, Loss(), recipe.clip, Streams(2), options
    )


@pytest.mark.parametrize("patience", [0, 1, 4])
@pytest.mark.parametrize("least", [0.0, 0.03])
def test_the_rate_is_that_of_pytorch(patience, least):
    losses = torch.rand(60, generator=torch.Generator().manual_seed(patience)).mul(0.2).add(1).tolist()
    losses[20:30] = [0.5 * (1 - 2e-5 * step) for step in range(10)]
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.4)
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, factor=0.5, patience=patience, min_lr=least, eps=0.0)
    ours = PlateauSchedule(Plateau(factor=0.5, patience=patience), lr=0.4, least=least)
    for count, loss in enumerate(losses, start=1):
        oracle.step(loss)
        ours.watch([{"loss": value} for value in losses[:count]])
        assert ours.rate == sgd.param_groups[0]["lr"]
    assert ours.rate < 0.4


def test_all_groups_get_the_rate():
    sgd = make_optimizer(make_supernet(), RECIPE)
    schedule = make_schedule(RECIPE, Plan(phase="x", steps=24), 3)
    assert set_learning_rate(sgd, schedule, 0) == 0.2
    schedule.watch([{"loss": 1.0}] * 3)
    assert set_learning_rate(sgd, schedule, 9) == 0.05
    assert [group["lr"] for group in sgd.param_groups] == [0.05, 0.05]


def test_the_rate_falls_after_epochs_that_gain_nothing():
    history = train(make_task(), {TRAIN: BATCHES}, Plan(phase="x", steps=24))
    rate, best = 0.2, math.inf
    for row in history:
        assert row["lr"] == pytest.approx(rate)
        rate, best = (rate, row["loss"]) if row["loss"] < best * (1 - 1e-4) else (rate / 2, best)
    assert rate < 0.2


@pytest.mark.parametrize("sampler", [Uniform(SPACE), StrictlyFair(SPACE)])
@pytest.mark.parametrize("kill_at", [1, 5, 12, 20])
def test_a_resumed_training_is_bit_identical(tmp_path, sampler, kill_at):
    whole = make_task(sampler)
    expected = train(whole, {TRAIN: BATCHES}, Plan(phase="x", steps=24))
    plan = Plan(phase="x", steps=24, checkpoint=tmp_path / "a.ckpt", save_every=0.0)
    killed, step = make_task(sampler), SupernetTask.step

    def stopped(index, batches):
        if index == kill_at:
            raise KeyboardInterrupt
        return step(killed, index, batches)

    killed.step = stopped
    with pytest.raises(KeyboardInterrupt):
        train(killed, {TRAIN: BATCHES}, plan)
    again = make_task(sampler)
    history = train(again, {TRAIN: BATCHES}, plan)
    assert same(state(again.supernet), state(whole.supernet))
    assert [row["lr"] for row in history] == [row["lr"] for row in expected]


def test_a_network_is_trained_by_it_too():
    def trained(**changes):
        network = build(lambda: SPACE.network(SPACE.sample(1, Streams(0).numpy("a"))[0]), Streams(0), "cpu")
        recipe = Recipe(**{"epochs": 3, "batch_size": 6, "lr": 0.1, **changes})
        trained, history = train_network(network, FixedBatches(), recipe, Streams(1))
        return state(trained), [row["lr"] for row in history]

    _, rates = trained(plateau=Plateau(patience=0, factor=0.1), final_lr=0.02, lr=0.1)
    assert rates[0] == 0.1
    assert set(rates) <= {0.1, 0.02}
    plain, dropped = trained()[0], trained(dropout=0.5)[0]
    assert not same(plain, dropped)
    assert same(dropped, trained(dropout=0.5)[0])


def test_dropout_is_by_its_definition():
    network = torch.nn.Sequential(torch.nn.Linear(400, 400), torch.nn.Flatten(), torch.nn.Linear(400, 400, bias=False))
    torch.nn.init.eye_(network[2].weight)
    images = torch.rand(30, 400, generator=torch.Generator().manual_seed(0)) + 1
    dropout = ClassifierDropout(network, 0.25, Streams(0))
    whole = network(images)
    with dropout(3, 0):
        some = network(images)
    kept = some != 0
    assert float(kept.float().mean()) == pytest.approx(0.75, abs=0.02)
    torch.testing.assert_close(some[kept], whole[kept] / 0.75)
    with dropout(3, 0):
        assert torch.equal(network(images), some)
    with dropout(3, 1):
        assert not torch.equal(network(images), some)
    assert torch.equal(network(images), whole)
    with ClassifierDropout(network, 0.0, Streams(0))(3):
        assert torch.equal(network(images), whole)


def test_options_out_of_range_are_named():
    for wrong in ({"factor": 1.0}, {"factor": 0.0}, {"patience": -1}):
        (name,) = wrong
        with pytest.raises(ConfigError, match=rf"^configuration value {name}: .* is too (large|small): give"):
            Plateau(**wrong)
    with pytest.raises(ConfigError, match=r"configuration value dropout: 1.0 is too large: give less than 1"):
        Recipe(epochs=1, dropout=1.0)
    with pytest.raises(ConfigError, match="warmup_epochs goes with a cosine"):
        Recipe(epochs=4, warmup_epochs=1.0, plateau=Plateau())
    with pytest.raises(ConfigError, match="needs a linear classifier"):
        ClassifierDropout(torch.nn.Conv2d(3, 3, 1), 0.1, Streams(0))
