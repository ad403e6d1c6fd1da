"""Training of an ordinary network."""

import pytest
import torch
from training_parts import SPACE, FixedBatches, same, state, take

from trueshot.core.random import Streams
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.optimizers import make_optimizer
from trueshot.training.standalone import NetworkTask, build, train_network

BATCHES = FixedBatches()


def make(seed=0, arch=None):
    row = SPACE.sample(1, 0)[0] if arch is None else arch
    return build(lambda: SPACE.network(row), Streams(seed), "cpu")


def test_initial_weights_come_from_the_stream_alone():
    torch.manual_seed(5)
    one = make()
    before = torch.random.get_rng_state()
    two = make()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert same(state(one), state(two))
    assert not same(state(one), state(make(seed=1)))
    weights = [p for p in one.parameters() if p.ndim == 4 and p.shape[1] > 1]
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in weights)


def test_a_network_learns_and_comes_back_ready_to_use():
    recipe = Recipe(epochs=12, batch_size=6, lr=0.05, momentum=0.9)
    network, history = train_network(make(), BATCHES, recipe, Streams(0))
    assert not network.training
    assert len(history) == 12
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert history[-1]["accuracy"] > history[0]["accuracy"]


def test_the_average_of_the_weights_is_by_its_definition():
    recipe = Recipe(epochs=1, batch_size=6, lr=0.1, momentum=0.0, ema_decay=0.7)
    network = make()
    task = NetworkTask(network, recipe, make_optimizer(network, recipe), None, Loss(), Streams(0))
    average = {name: value.clone() for name, value in network.named_parameters()}
    for step, (images, labels) in enumerate(BATCHES.iterate(0, 30)):
        take(task, step, (images, labels))
        decay = min(0.7, (1 + step) / (10 + step))
        for name, value in network.named_parameters():
            average[name] = decay * average[name] + (1 - decay) * value.detach()
    for name, value in task.average.module.named_parameters():
        torch.testing.assert_close(value, average[name], rtol=1e-4, atol=1e-6)


def test_the_average_is_what_is_returned():
    recipe = Recipe(epochs=2, batch_size=6, lr=0.1, ema_decay=0.9)
    network = make()
    trained, _ = train_network(network, BATCHES, recipe, Streams(0))
    assert trained is not network
    assert not same(state(trained), state(network))


def test_dropout_draws_from_the_stream_of_the_step():
    recipe = Recipe(epochs=1, batch_size=6, lr=0.1)

    def run(seed, warm):
        layers = lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(192, 3))  # noqa: E731
        network = build(layers, Streams(0), "cpu")
        torch.manual_seed(warm)
        train_network(network, BATCHES, recipe, Streams(seed))
        return state(network)

    assert same(run(0, 1), run(0, 2))
    assert not same(run(0, 1), run(1, 1))


def test_label_smoothing_of_the_recipe_is_used():
    recipe = Recipe(epochs=1, batch_size=6, lr=1e-9, label_smoothing=0.5)
    plain, smooth = (
        train_network(make(), BATCHES, chosen, Streams(0))[1][0]["loss"]
        for chosen in (Recipe(epochs=1, batch_size=6, lr=1e-9), recipe)
    )
    assert plain != pytest.approx(smooth, rel=1e-3)
