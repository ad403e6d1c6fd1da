"""The arithmetic of a GPU, bfloat16 where autocast allows it, on the processor."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from training_parts import take

from trueshot.core.random import Streams
from trueshot.sampling import Uniform
from trueshot.sharing import Attention, Bias, Split, Supernet, single_path
from trueshot.spaces import Chain, NasBench201, Topology
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.optimizers import make_optimizer
from trueshot.training.standalone import NetworkTask, build
from trueshot.training.supernet import StepOptions, SupernetTask

SPACES = {
    "chain": Chain(
        image_size=8, classes=5, layers=((8, 1), (8, 1), (12, 2)), stem_width=8, fixed_width=8, head_width=16
    ),
    "topology": Topology(
        image_size=8, classes=5, nodes=(1, 2), widths=(6, 8), head_width=8, expansions=(1, 2), kernels=(3,)
    ),
    "nasbench201": NasBench201(image_size=8, channels=4, cells=1, classes=5),
}
SHARINGS = {"plain": single_path, "bias": Bias(), "attention": Attention(), "split": Split()}
RECIPE = Recipe(epochs=1, lr=0.05, momentum=0.9)


def batch(space):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(32, *space.input_shape, generator=generator)
    return images, torch.randint(0, space.classes, (32,), generator=generator)


def supernet_task(space, sharing):
    streams = Streams(0)
    net = build(lambda: Supernet(space, sharing), streams, "cpu")
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "vectors" in name:
                parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    options = StepOptions(split_at=1 if isinstance(sharing, Split) else None)
    return SupernetTask(net, Uniform(space), make_optimizer(net, RECIPE), None, Loss(), None, streams, options), net


def network_task(space):
    streams = Streams(0)
    network = build(lambda: space.network(space.sample(1, 3)[0]), streams, "cpu")
    return NetworkTask(network, RECIPE, make_optimizer(network, RECIPE), None, Loss(), streams), network


def check(make, space):
    losses = {}
    for autocast in (False, True):
        task, module = make()
        task._autocast = autocast
        kinds = set()

        def note(_module, _inputs, output, kinds=kinds):
            kinds.add(output.dtype)

        for part in module.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                part.register_forward_hook(note)
        losses[autocast] = [float(take(task, index, batch(space))[0]) for index in range(8)]
        assert kinds == {torch.bfloat16 if autocast else torch.float32}
        assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    full, mixed = losses[False], losses[True]
    assert full != mixed
    assert mixed[0] == pytest.approx(full[0], abs=0.05)
    assert mixed == pytest.approx(full, abs=0.4)


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("space", SPACES)
def test_a_supernet_trains_alike_in_bfloat16_with_weights_in_float32(space, sharing):
    check(lambda: supernet_task(SPACES[space], SHARINGS[sharing]), SPACES[space])


@pytest.mark.parametrize("space", SPACES)
def test_a_network_trains_alike_in_bfloat16_with_weights_in_float32(space):
    check(lambda: network_task(SPACES[space]), SPACES[space])
