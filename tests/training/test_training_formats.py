"""The memory format of networks: the fast one, but for layers that oneDNN gets wrong in it."""

import pytest
import torch
from torch import nn
from training_parts import SPACE, FixedBatches

from trueshot.core.random import Streams
from trueshot.operations import LinearBottleneck
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import Chain, NasBench201
from trueshot.training.config import Recipe
from trueshot.training.formats import breaks_channels_last, memory_format
from trueshot.training.standalone import build, train_network


def conv(channels, out=4, kernel=1, **options):
    return nn.Conv2d(channels, out, kernel, **options)


@pytest.mark.parametrize("channels", range(2, 8))
@pytest.mark.parametrize("stride", [2, 3, (1, 2)])
def test_a_narrow_strided_pointwise_convolution_breaks_it(channels, stride):
    assert breaks_channels_last(conv(channels, stride=stride))


@pytest.mark.parametrize(
    "layer",
    [
        conv(4),
        conv(1, stride=2),
        conv(8, stride=2),
        conv(4, kernel=3, stride=2),
        conv(4, kernel=(1, 3), stride=2),
        conv(4, stride=2, groups=4),
        nn.AvgPool2d(1, stride=2),
        nn.Linear(4, 4),
    ],
    ids=repr,
)
def test_others_do_not(layer):
    assert not breaks_channels_last(layer)


def narrow(channels=4):
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1),
        nn.AvgPool2d(3, 1, 1),
        nn.Sequential(nn.ReLU(), conv(channels, 6, stride=2, bias=False), nn.BatchNorm2d(6)),
        nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


def test_only_a_network_that_holds_such_a_layer_is_contiguous_and_only_on_processors():
    assert memory_format(narrow(), "cpu") is torch.contiguous_format
    assert memory_format(narrow(), torch.device("cuda")) is torch.channels_last
    assert memory_format(narrow(8), "cpu") is torch.channels_last


@pytest.mark.parametrize("space", [SPACE, NasBench201(channels=4, cells=1), Chain()], ids=lambda space: space.name)
def test_supernets_of_this_package_keep_the_fast_format(space):
    assert memory_format(Supernet(space, single_path), "cpu") is torch.channels_last


def channels_last_tensors(network):
    """Return for each call of a convolution, as a network runs, which tensors have the strides of channels-last."""
    seen = []

    def look(layer, inputs):
        tensors = {"input": inputs[0], "weight": layer.weight}
        seen.append([name for name, tensor in tensors.items() if tensor.stride() != torch.empty(tensor.shape).stride()])

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_pre_hook(look)
    return seen


def test_a_narrow_network_trains_without_a_tensor_in_channels_last_format():
    network = build(narrow, Streams(0), "cpu")
    seen = channels_last_tensors(network)
    network, history = train_network(network, FixedBatches(), Recipe(epochs=6, batch_size=6, lr=0.1), Streams(0))
    assert len(seen) == 2 * 24
    assert not any(seen)
    assert history[-1]["loss"] < history[0]["loss"]


def test_a_wide_network_trains_in_channels_last_format():
    network = build(lambda: narrow(8), Streams(0), "cpu")
    seen = channels_last_tensors(network)
    train_network(network, FixedBatches(), Recipe(epochs=1, batch_size=6, lr=0.1), Streams(0))
    assert seen[:2] == [["weight"], ["input", "weight"]]


def test_bottlenecks_of_any_width_keep_the_fast_format():
    """Their stride is in a depth-wise convolution."""
    block = LinearBottleneck(4, 4, expansion=3, kernel=3, stride=2)
    assert memory_format(block, "cpu") is torch.channels_last
