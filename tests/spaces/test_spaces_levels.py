"""Networks are a backbone with levels, and a head."""

import copy

import pytest
import torch
from torch import nn

from trueshot.core.errors import ConfigError
from trueshot.operations import conv_bn
from trueshot.spaces import Chain, NasBench201, Topology
from trueshot.spaces.levels import Level
from trueshot.spaces.offtheshelf import MobileNetV2
from trueshot.spaces.skeletons import Chain as Blocks
from trueshot.spaces.skeletons import Skeleton, backbone
from trueshot.spaces.steps import Concatenate, Step

SPACES = {
    "chain": Chain(image_size=32, classes=3, in_channels=1, layers=((8, 1), (12, 2), (12, 1), (16, 2)), head_width=24),
    "topology": Topology(image_size=32, classes=3, nodes=(2, 1, 2), widths=(8, 12, 16), head_width=24, dropout=0.5),
    "nasbench201": NasBench201(channels=4, cells=2),
    "mobilenetv2": MobileNetV2(image_size=32, classes=3, width=0.2, reduction=8, head_width=24, dropout=0.5),
}
any_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def drawn(space, seed=0):
    torch.manual_seed(seed)
    network = backbone(space.network(space.sample(1, seed)[0])).eval()
    return network, torch.randn(2, *space.input_shape)


@any_space
def test_the_head_of_the_features_is_the_network(space):
    for seed in range(3):
        network, x = drawn(space, seed)
        assert torch.equal(network.head(network.features(x)), network(x))
        assert torch.equal(network.intermediates(x)[-1], network.features(x))


@any_space
def test_levels_are_what_the_feature_maps_are(space):
    network, x = drawn(space)
    found = [
        (map_.shape[1], space.image_size / map_.shape[2], space.image_size / map_.shape[3])
        for map_ in network.intermediates(x, network.levels)
    ]
    assert found == [(level.channels, level.reduction, level.reduction) for level in network.levels]
    assert len({level.name for level in network.levels}) == len(network.levels)
    pyramid = network.pyramid
    assert [level.reduction for level in pyramid] == sorted({level.reduction for level in network.levels})
    for level in pyramid:
        assert level.node == max(other.node for other in network.levels if other.reduction == level.reduction)
    assert [tuple(map_.shape) for map_ in network.intermediates(x)] == [
        (2, level.channels, 32 // level.reduction, 32 // level.reduction) for level in pyramid
    ]


@pytest.mark.parametrize(
    ("space", "count", "pyramid"),
    [
        (Chain(), 20, [("stem", 16, 2), ("1", 32, 4), ("5", 40, 8), ("13", 96, 16), ("18", 320, 32)]),
        (Topology(), 20, [("2", 16, 2), ("4", 24, 4), ("8", 40, 8), ("16", 80, 16), ("20", 160, 32)]),
        (NasBench201(), 18, [("cell5", 16, 1), ("cell10", 32, 2), ("cell15", 64, 4)]),
        # As in torchvision, the convolution before the classifier is the last of the features.
        (MobileNetV2(), 19, [("1", 16, 2), ("3", 24, 4), ("6", 32, 8), ("13", 96, 16), ("18", 1280, 32)]),
    ],
)
def test_pyramids_of_the_published_networks(space, count, pyramid):
    with torch.device("meta"):
        network = backbone(space.network(space.sample(1, 0)[0]))
    assert len(network.levels) == count
    assert [(level.name, level.channels, level.reduction) for level in network.pyramid] == pyramid


def test_what_the_image_loses_at_its_borders_is_no_reduction():
    """At 97 pixels maps are 49, 25, 13, 7 and 4 wide; the strides are still powers of two."""
    with torch.device("meta"):
        network = backbone(Chain(image_size=97).network(Chain().sample(1, 0)[0]))
    assert [level.reduction for level in network.pyramid] == [2, 4, 8, 16, 32]


@any_space
def test_measuring_levels_leaves_the_network_alone(space):
    network, x = drawn(space)
    network.double().train()
    state, random = copy.deepcopy(network.state_dict()), torch.random.get_rng_state()
    assert len(network.levels) > 2
    assert network.training
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert network.eval()(x.double()).shape == (2, space.classes)


@any_space
def test_a_copy_has_a_head_of_its_own(space):
    network, x = drawn(space)
    expected = network(x)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert torch.equal(other.head(other.features(x)), expected)
    assert not torch.equal(network(x), expected)


def test_only_what_the_levels_need_is_run():
    network, x = drawn(SPACES["chain"])
    run = []
    for name, block in network.blocks.items():
        block.register_forward_hook(lambda *_, name=name: run.append(name))
    network.head.register_forward_hook(lambda *_: run.append("head"))
    stem, second = network.levels[0], network.levels[2]
    maps = network.intermediates(x, [second, stem, second])
    assert run == ["0", "1"]
    assert [map_.shape[1] for map_ in maps] == [12, 16, 12]
    assert torch.equal(maps[0], maps[2])
    assert network.intermediates(x, []) == []


@pytest.mark.parametrize(
    ("space", "first", "inner", "last"),
    [
        ("chain", "stem.0.weight", "blocks.0.0.weight", "head.6.bias"),
        ("topology", "stem.0.weight", "edges.3-4.0.weight", "head.6.bias"),
        ("nasbench201", "stem.0.weight", "layers.reduce1.main.1.weight", "head.4.bias"),
        ("mobilenetv2", "features.0.0.weight", "features.3.conv.0.0.weight", "classifier.1.bias"),
    ],
)
def test_keys_of_the_weights_stay(space, first, inner, last):
    network, _ = drawn(SPACES[space])
    keys = list(network.state_dict())
    assert (keys[0], keys[-1]) == (first, last)
    assert inner in keys


class Joined(Skeleton):
    """Two branches of different widths, joined by their channels."""

    def __init__(self):
        super().__init__(in_channels=2)
        self.branches = nn.ModuleList(nn.Sequential(*conv_bn(2, width, 3, stride=2)) for width in (4, 6))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(10, 3))

    def steps(self, *context):
        return [
            Step(self.branches[0], 0, 1),
            Step(self.branches[1], 0, 2),
            Concatenate((2, 1), 3),
            Step(self.head, 3, 4),
        ]


def test_a_skeleton_of_your_own_names_its_nodes_by_number():
    network, x = Joined().eval(), torch.randn(2, 2, 8, 8)
    assert network.levels == (Level("1", 1, 4, 2), Level("2", 2, 6, 2), Level("3", 3, 10, 2))
    assert network.pyramid == network.levels[2:]
    assert torch.equal(network.head(network.features(x)), network(x))
    one, two, joined = network.intermediates(x, network.levels)
    assert torch.equal(joined, torch.cat([two, one], dim=1))


def test_a_network_without_levels_says_what_to_build_on():
    with pytest.raises(ConfigError, match=r"^Sequential has no levels: .* trueshot\.spaces\.skeletons\.Skeleton$"):
        backbone(nn.Sequential(nn.Flatten()))


def test_images_of_other_channels_are_named():
    network = Blocks(nn.Sequential(*conv_bn(1, 4, 3)), {}, nn.Flatten())
    with pytest.raises(ConfigError, match=r"levels of Chain .* image of 3 channels .* the in_channels of its space"):
        print(network.levels)
