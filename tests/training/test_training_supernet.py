"""A step of the supernet: which weights move, and that they move as those of the sampled network would."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from training_parts import SPACE, FixedBatches, make_supernet, same, state, take

from trueshot.core.errors import TrainingError
from trueshot.core.random import Streams
from trueshot.sampling import Matched, StrictlyFair, Uniform
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.loop import train
from trueshot.training.optimizers import make_optimizer
from trueshot.training.plan import Plan
from trueshot.training.schedules import make_schedule
from trueshot.training.sgld import SGLD
from trueshot.training.standalone import NetworkTask
from trueshot.training.supernet import SupernetTask
from trueshot.training.task import TRAIN

RECIPE = Recipe(epochs=1, batch_size=6, lr=0.1, momentum=0.0, weight_decay=1e-2)
BATCHES = FixedBatches()


class Fixed:
    """Always the same architectures."""

    def __init__(self, archs):
        self.archs, self.per_step = archs, len(archs)

    def sample(self, n, rng):
        return np.tile(self.archs, (n // len(self.archs), 1))


def make_task(sampler, recipe=RECIPE, supernet=None, loss=None):
    supernet = make_supernet() if supernet is None else supernet
    return SupernetTask(
        supernet, sampler, make_optimizer(supernet, recipe), None, loss or Loss(), recipe.clip, Streams(3)
    )


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_only_the_weights_of_the_sampled_architecture_change(momentum):
    task = make_task(Matched(SPACE, 0.5), Recipe(epochs=1, lr=0.1, momentum=momentum, weight_decay=0.1))
    for step, (images, labels) in enumerate(BATCHES.iterate(0, 6)):
        before = {name: value.clone() for name, value in task.supernet.named_parameters()}
        take(task, step, (images, labels))
        (arch,) = task.archs(step)
        active = {id(p) for p in task.supernet.active(arch).parameters}
        changed = {n for n, p in task.supernet.named_parameters() if not torch.equal(p, before[n])}
        inside = {n for n, p in task.supernet.named_parameters() if id(p) in active}
        assert changed == inside
        assert all(p.grad is None for p in task.supernet.parameters())


@pytest.mark.parametrize("recipe", [RECIPE, Recipe(epochs=1, lr=0.1, momentum=0.9, clip=0.5)])
def test_a_step_is_that_of_the_stand_alone_network(recipe):
    for arch in SPACE.sample(3, 1):
        task = make_task(Fixed(arch[None]), recipe)
        network = task.supernet.network(arch).train()
        alone = NetworkTask(network, recipe, make_optimizer(network, recipe), None, Loss(), Streams(0))
        for step, (images, labels) in enumerate(BATCHES.iterate(0, 3)):
            shared_loss, shared_right = take(task, step, (images, labels))
            loss, right = take(alone, step, (images, labels))
            torch.testing.assert_close(shared_loss, loss, rtol=1e-5, atol=1e-6)
            assert float(shared_right) == float(right)
        expected, found = state(network), state(task.supernet.network(arch))
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)


def test_strictly_fair_gradients_are_the_mean_over_the_architectures():
    sampler = StrictlyFair(SPACE)
    task, oracle = make_task(sampler), make_supernet().train()
    ((images, labels),) = BATCHES.iterate(0, 1)
    loss, _ = take(task, 0, (images, labels))
    archs = task.archs(0)
    assert len(archs) == sampler.per_step > 1
    losses = [F.cross_entropy(oracle(images, arch), labels) for arch in archs]
    mean = sum(losses) / len(losses)
    mean.backward()
    torch.testing.assert_close(loss, mean.detach())
    decayed = {id(p) for p in make_optimizer(oracle, RECIPE).param_groups[1]["params"]}
    moved = dict(task.supernet.named_parameters())
    with torch.no_grad():
        for name, p in oracle.named_parameters():
            if p.grad is not None:
                p -= RECIPE.lr * (p.grad + (RECIPE.weight_decay if id(p) in decayed else 0.0) * p)
            torch.testing.assert_close(moved[name], p, rtol=1e-4, atol=1e-6)


def test_gradients_are_clipped_over_the_active_weights_together():
    arch = SPACE.sample(1, 0)
    clip = 1e-3
    task = make_task(Fixed(arch), Recipe(epochs=1, lr=1.0, momentum=0.0, weight_decay=0.0, clip=clip))
    before = {name: value.clone() for name, value in task.supernet.named_parameters()}
    ((images, labels),) = BATCHES.iterate(0, 1)
    take(task, 0, (images, labels))
    moved = [p.detach() - before[name] for name, p in task.supernet.named_parameters()]
    norm = float(torch.cat([d.flatten() for d in moved]).norm())
    assert norm == pytest.approx(clip, rel=1e-2)


def test_architectures_depend_on_the_step_alone():
    one, other = make_task(Uniform(SPACE)), make_task(Uniform(SPACE))
    forwards = [one.archs(step).tolist() for step in range(1020, 1030)]
    backwards = [other.archs(step).tolist() for step in reversed(range(1020, 1030))]
    assert forwards == backwards[::-1]
    assert len({str(row) for row in forwards}) > 5


def test_the_learning_rate_follows_the_cosine():
    recipe = Recipe(epochs=2, lr=0.4, final_lr=0.1, momentum=0.0)
    supernet = make_supernet()
    optimizer = make_optimizer(supernet, recipe)
    schedule = make_schedule(recipe, Plan(phase="x", steps=8), 4)
    task = SupernetTask(supernet, Uniform(SPACE), optimizer, schedule, Loss(), None, Streams(0))
    rates = []
    for step, (images, labels) in enumerate(BATCHES.iterate(0, 8)):
        take(task, step, (images, labels))
        rates.append(task.learning_rate)
    np.testing.assert_allclose(rates, 0.1 + 0.3 * (1 + np.cos(np.pi * np.arange(8) / 8)) / 2)


@pytest.mark.parametrize("kind", ["sgd", "sgld"])
def test_a_resumed_training_is_bit_identical(tmp_path, kind):
    class Killed(Exception):
        pass

    class Killing(FixedBatches):
        def iterate(self, start_step, stop_step):
            for step, batch in enumerate(super().iterate(start_step, stop_step), start_step):
                if step == 6:
                    raise Killed
                yield batch

    def make():
        supernet = make_supernet()
        if kind == "sgd":
            optimizer = make_optimizer(supernet, Recipe(epochs=1, lr=0.1, momentum=0.9))
        else:
            optimizer = SGLD(supernet.parameters(), 1e-2, temperature=1e-3, generator=torch.Generator())
        return SupernetTask(supernet, Matched(SPACE, 0.3), optimizer, None, Loss(), None, Streams(7))

    plan = Plan(phase="supernet", steps=10, checkpoint=tmp_path / "a.ckpt", save_every=0.0)
    whole = make()
    train(whole, {TRAIN: BATCHES}, Plan(phase="supernet", steps=10))
    with pytest.raises(Killed):
        train(make(), {TRAIN: Killing()}, plan)
    resumed = make()
    train(resumed, {TRAIN: BATCHES}, plan)
    assert same(state(resumed.supernet), state(whole.supernet))


def test_a_loss_that_is_not_finite_names_the_architecture():
    task = make_task(Uniform(SPACE), Recipe(epochs=1, lr=1e30, momentum=0.0))
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step [1-4] \(architecture E") as caught:
        train(task, {TRAIN: BATCHES}, Plan(phase="supernet", steps=8))
    step = int(str(caught.value).split("at step ")[1].split()[0])
    assert SPACE.format(task.archs(step)[0]) in str(caught.value)


def test_label_smoothing_is_by_its_definition():
    logits, labels = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([0])
    logs = logits.log_softmax(dim=1)[0]
    target = torch.tensor([0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3])
    torch.testing.assert_close(Loss(label_smoothing=0.1)(logits, labels, logits), -(target * logs).sum())
