"""The recipe: values that are refused, decay groups, learning rates as published."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from timm.scheduler import CosineLRScheduler
from torch import nn
from training_parts import SPACE, make_supernet

from trueshot.core.errors import ConfigError
from trueshot.sharing import Bias, Supernet
from trueshot.training.config import Adam, Recipe
from trueshot.training.optimizers import clip_gradients, decay_groups, make_optimizer
from trueshot.training.plan import Pace, Plan
from trueshot.training.schedules import make_schedule, set_learning_rate


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 1},
        {"lr": 0.0},
        {"lr": math.nan},
        {"final_lr": 0.2},
        {"final_lr": -0.1},
        {"warmup_epochs": 4.0},
        {"warmup_epochs": -1.0},
        {"momentum": 1.0},
        {"weight_decay": -1.0},
        {"label_smoothing": 1.0},
        {"clip": 0.0},
        {"ema_decay": 1.0},
    ],
)
def test_values_out_of_range_are_named(wrong):
    (name,) = wrong
    with pytest.raises(
        ConfigError, match=rf"^configuration( value)? ?.*\b{name}\b.*(too small|too large|no finite|above|leaves)"
    ):
        Recipe(**{"epochs": 4, "lr": 0.1, **wrong})


def test_nesterov_needs_momentum():
    with pytest.raises(ConfigError, match="nesterov needs a momentum above 0"):
        Recipe(epochs=1, momentum=0.0, nesterov=True)


def test_norms_and_biases_do_not_decay():
    supernet = make_supernet()
    free, decayed = decay_groups(supernet, 0.1)
    assert (free["weight_decay"], decayed["weight_decay"]) == (0.0, 0.1)
    assert all(p.ndim == 1 for p in free["params"])
    assert all(p.ndim > 1 for p in decayed["params"])
    assert len(free["params"]) + len(decayed["params"]) == len(list(supernet.parameters()))


def test_the_optimizer_is_that_of_the_recipe():
    sgd = make_optimizer(make_supernet(), Recipe(epochs=1, lr=0.3, momentum=0.8, nesterov=True, weight_decay=0.2))
    assert [group["weight_decay"] for group in sgd.param_groups] == [0.0, 0.2]
    assert all((g["lr"], g["momentum"], g["nesterov"], g["dampening"]) == (0.3, 0.8, True, 0) for g in sgd.param_groups)


def schedule_of(recipe, steps_per_epoch):
    return make_schedule(recipe, Plan(phase="x", steps=recipe.epochs * steps_per_epoch), steps_per_epoch)


def test_the_learning_rate_of_the_paper():
    """ST-NAS, section 4.1: 0.1 down to 2.5e-4 by a cosine."""
    recipe = Recipe(epochs=10, lr=0.1, final_lr=2.5e-4)
    sgd = make_optimizer(make_supernet(), recipe)
    schedule = schedule_of(recipe, 20)
    rates = [set_learning_rate(sgd, schedule, step) for step in range(200)]
    expected = 2.5e-4 + (0.1 - 2.5e-4) * (1 + np.cos(np.pi * np.arange(200) / 200)) / 2
    np.testing.assert_allclose(rates, expected, rtol=1e-12)
    # A pure function of the step: nothing of it need be saved.
    assert set_learning_rate(sgd, schedule_of(recipe, 20), 77) == rates[77]
    assert all(group["lr"] == rates[77] for group in sgd.param_groups)


def test_warmup_rises_to_the_start_of_the_cosine():
    schedule = schedule_of(Recipe(epochs=4, lr=0.2, warmup_epochs=1), 10)
    rates = [schedule(step) for step in range(40)]
    assert np.all(np.diff(rates[:10]) > 0)
    assert np.all(np.diff(rates[10:]) < 0)
    np.testing.assert_allclose(rates[10:], 0.2 * (1 + np.cos(np.pi * np.arange(10, 40) / 40)) / 2)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(epochs=3, lr=0.1),
        Recipe(epochs=7, lr=0.3, final_lr=2.5e-4, warmup_epochs=1.3),
        Recipe(epochs=2, lr=0.05, final_lr=0.05),
        Recipe(epochs=1, lr=1 / 3, final_lr=1e-5, warmup_epochs=0.9),
    ],
)
@pytest.mark.parametrize("steps_per_epoch", [1, 13, 100])
def test_the_cosine_is_timms_to_the_last_bit(recipe, steps_per_epoch):
    sgd, steps = make_optimizer(make_supernet(), recipe), recipe.epochs * steps_per_epoch
    oracle = CosineLRScheduler(
        sgd,
        t_initial=steps,
        lr_min=recipe.final_lr,
        warmup_t=round(recipe.warmup_epochs * steps_per_epoch),
        warmup_prefix=False,
        t_in_epochs=False,
    )
    schedule = schedule_of(recipe, steps_per_epoch)
    for step in range(steps + 5):
        oracle.step_update(step)
        assert [schedule(step)] * 2 == [group["lr"] for group in sgd.param_groups]


def test_a_schedule_follows_the_length_of_its_plan():
    plan = Plan(phase="x", steps=40)
    schedule = make_schedule(Recipe(epochs=4, lr=0.2, warmup_epochs=0.5), plan, 10)
    longer = make_schedule(Recipe(epochs=4, lr=0.2, warmup_epochs=0.5), Plan(phase="x", steps=60), 10)
    plan.resume(0, [])
    assert plan.advance(Pace(20, 40, 0.0), lambda pace: 60)
    assert [schedule(step) for step in range(70)] == [longer(step) for step in range(70)]


def test_adam_is_that_of_its_configuration():
    vector = torch.nn.Parameter(torch.ones(3))
    adam = make_optimizer([vector], Adam(lr=0.5, betas=(0.4, 0.6), weight_decay=0.1))
    assert type(adam) is torch.optim.Adam
    (group,) = adam.param_groups
    assert (group["params"], group["lr"], group["betas"], group["weight_decay"]) == ([vector], 0.5, (0.4, 0.6), 0.1)
    for wrong in ({"lr": 0.0}, {"betas": (0.9, 1.0)}, {"weight_decay": -1.0}):
        (name,) = wrong
        with pytest.raises(ConfigError, match=f"configuration value {name}"):
            Adam(**wrong)


def test_configurations_import_no_torch():
    code = "import sys, trueshot.training.config; sys.exit(bool({'torch', 'timm', 'pandas', 'scipy'} & {*sys.modules}))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_a_schedule_the_rate_stays():
    sgd = make_optimizer(make_supernet(), Recipe(epochs=1, lr=0.3))
    assert set_learning_rate(sgd, None, 1000) == 0.3


def test_clipping_keeps_direction_and_bounds_the_norm():
    parameters = [torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2))]
    for index, p in enumerate(parameters):
        p.grad = torch.arange(len(p)).float() + index
    before = torch.cat([p.grad.clone() for p in parameters])
    clip_gradients(parameters, None)
    clip_gradients(parameters, 100.0)
    assert torch.equal(torch.cat([p.grad for p in parameters]), before)
    clip_gradients(parameters, 0.5)
    torch.testing.assert_close(torch.cat([p.grad for p in parameters]), 0.5 * before / before.norm(), rtol=1e-5, atol=0)


def test_everything_decays_where_asked_but_what_a_module_spares():
    supernet = Supernet(SPACE, Bias(weight_decay=False))
    free, decayed = decay_groups(supernet, 0.1, everything=True)
    spared = {id(value) for name, value in supernet.named_parameters() if name.endswith(".vectors")}
    assert {id(value) for value in free["params"]} == spared
    assert len(decayed["params"]) + len(spared) == len(list(supernet.parameters()))
    assert (free["weight_decay"], decayed["weight_decay"]) == (0.0, 0.1)
    groups = make_optimizer(nn.BatchNorm2d(3), Recipe(epochs=1, weight_decay=0.2, decay_all=True)).param_groups
    assert [group["weight_decay"] for group in groups if group["params"]] == [0.2]
    groups = make_optimizer(nn.BatchNorm2d(3), Recipe(epochs=1, weight_decay=0.2)).param_groups
    assert [group["weight_decay"] for group in groups if group["params"]] == [0.0]
