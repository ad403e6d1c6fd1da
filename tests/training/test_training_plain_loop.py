"""Trainings against plain loops in PyTorch and timm, which do the same steps one by one: equal to the last bit."""

import pytest
import torch
from timm.optim import param_groups_weight_decay
from timm.scheduler import CosineLRScheduler
from torch.nn import functional as F
from training_parts import SPACE, FixedBatches, make_supernet, same, state

from trueshot.core.random import Streams
from trueshot.sampling import StrictlyFair, Uniform
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.loop import train
from trueshot.training.optimizers import make_optimizer
from trueshot.training.plan import Plan
from trueshot.training.schedules import make_schedule
from trueshot.training.standalone import build, train_network
from trueshot.training.supernet import SupernetTask
from trueshot.training.task import TRAIN

BATCHES = FixedBatches()
RECIPE = Recipe(
    epochs=2,
    batch_size=6,
    lr=0.1,
    final_lr=0.01,
    warmup_epochs=0.5,
    momentum=0.9,
    nesterov=True,
    weight_decay=1e-3,
    label_smoothing=0.1,
    clip=1.0,
)
STEPS = 8


def plain(module, logits_of, used_in):
    """Train ``module`` by RECIPE with public parts alone; return mean loss and accuracy of each epoch."""
    groups = param_groups_weight_decay(module, RECIPE.weight_decay)
    optimizer = torch.optim.SGD(groups, RECIPE.lr, momentum=RECIPE.momentum, nesterov=True)
    schedule = CosineLRScheduler(optimizer, STEPS, lr_min=RECIPE.final_lr, warmup_t=2, t_in_epochs=False)
    module.train()
    losses, right = [], []
    for step, (images, labels) in enumerate(BATCHES.iterate(0, STEPS)):
        schedule.step_update(step)
        optimizer.zero_grad(set_to_none=True)
        found = logits_of(step, images)
        parts = [F.cross_entropy(logits, labels, label_smoothing=RECIPE.label_smoothing) for logits in found]
        for loss in parts:
            (loss / len(parts)).backward()
        # The norm is a sum, whose last bits depend on the order.
        torch.nn.utils.clip_grad_norm_(used_in(step), RECIPE.clip)
        optimizer.step()
        losses.append(float(torch.stack([loss.detach() / len(parts) for loss in parts]).sum()))
        right.append(sum(int((logits.argmax(1) == labels).sum()) for logits in found) / len(found))
    return [
        {"epoch": epoch + 1, "loss": sum(losses[part]) / 4, "accuracy": sum(right[part]) / 24}
        for epoch, part in enumerate((slice(0, 4), slice(4, 8)))
    ]


def figures(history):
    return [{key: row[key] for key in ("epoch", "loss", "accuracy")} for row in history]


def test_a_network():
    def make():
        return build(lambda: SPACE.network(SPACE.sample(1, 0)[0]), Streams(1), "cpu")

    oracle = make()
    expected = plain(oracle, lambda _, images: [oracle(images)], lambda _: oracle.parameters())
    trained, history = train_network(make(), BATCHES, RECIPE, Streams(2))
    assert same(state(trained), state(oracle))
    assert figures(history) == expected


@pytest.mark.parametrize("sampler", [Uniform(SPACE), StrictlyFair(SPACE)])
def test_a_supernet(sampler):
    supernet, oracle = make_supernet(), make_supernet()
    plan = Plan(phase="x", steps=STEPS)
    schedule = make_schedule(RECIPE, plan, 4)
    loss = Loss(label_smoothing=RECIPE.label_smoothing)
    task = SupernetTask(supernet, sampler, make_optimizer(supernet, RECIPE), schedule, loss, RECIPE.clip, Streams(3))
    history = train(task, {TRAIN: BATCHES}, plan)

    def used_in(step):
        return dict.fromkeys(p for arch in task.archs(step) for p in oracle.active(arch).parameters)

    expected = plain(oracle, lambda step, images: [oracle(images, arch) for arch in task.archs(step)], used_in)
    assert same(state(supernet), state(oracle))
    assert [row["loss"] for row in history] == pytest.approx([row["loss"] for row in expected], rel=1e-6)
    assert [row["accuracy"] for row in history] == pytest.approx([row["accuracy"] for row in expected])
