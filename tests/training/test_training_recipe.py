"""The recipe: values that are refused, decay groups, learning rates as published."""

import math

import numpy as np
import pytest
import torch
from training_parts import make_supernet

from trueshot.core.errors import ConfigError
from trueshot.training.recipe import Recipe, clip_gradients, cosine, decay_groups, make_sgd, set_learning_rate


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
    with pytest.raises(ConfigError, match=f"training option {name} = .* is out of range"):
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
    sgd = make_sgd(make_supernet(), Recipe(epochs=1, lr=0.3, momentum=0.8, nesterov=True, weight_decay=0.2))
    assert [group["weight_decay"] for group in sgd.param_groups] == [0.0, 0.2]
    assert all((g["lr"], g["momentum"], g["nesterov"], g["dampening"]) == (0.3, 0.8, True, 0) for g in sgd.param_groups)


def test_the_learning_rate_of_the_paper():
    """ST-NAS, section 4.1: 0.1 down to 2.5e-4 by a cosine."""
    recipe = Recipe(epochs=10, lr=0.1, final_lr=2.5e-4)
    sgd = make_sgd(make_supernet(), recipe)
    schedule = cosine(sgd, recipe, 20)
    rates = [set_learning_rate(sgd, schedule, step) for step in range(200)]
    expected = 2.5e-4 + (0.1 - 2.5e-4) * (1 + np.cos(np.pi * np.arange(200) / 200)) / 2
    np.testing.assert_allclose(rates, expected, rtol=1e-12)
    # A pure function of the step: nothing of it need be saved.
    assert set_learning_rate(sgd, cosine(sgd, recipe, 20), 77) == rates[77]
    assert all(group["lr"] == rates[77] for group in sgd.param_groups)


def test_warmup_rises_to_the_start_of_the_cosine():
    recipe = Recipe(epochs=4, lr=0.2, warmup_epochs=1)
    sgd = make_sgd(make_supernet(), recipe)
    schedule = cosine(sgd, recipe, 10)
    rates = [set_learning_rate(sgd, schedule, step) for step in range(40)]
    assert np.all(np.diff(rates[:10]) > 0)
    assert np.all(np.diff(rates[10:]) < 0)
    np.testing.assert_allclose(rates[10:], 0.2 * (1 + np.cos(np.pi * np.arange(10, 40) / 40)) / 2)


def test_without_a_schedule_the_rate_stays():
    sgd = make_sgd(make_supernet(), Recipe(epochs=1, lr=0.3))
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
