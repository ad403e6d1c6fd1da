"""MobileNetV2 is a space of one architecture."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torchvision.models import MobileNetV2 as Torchvision

from trueshot.core.errors import ArchitectureError, ConfigError
from trueshot.evaluation import OneShot
from trueshot.sharing import Supernet, single_path
from trueshot.spaces.description import describe, rebuild
from trueshot.spaces.offtheshelf import MobileNetV2, reduction_for, scaled_to
from trueshot.spaces.widths import scale_width

SMALL = MobileNetV2(
    width=0.07, divisor=4, image_size=8, in_channels=1, classes=10, reduction=2, head_width=128, dropout=0.25
)


def test_the_published_network():
    space = MobileNetV2()
    costs = space.cost(space.sample(2, 0))
    assert (costs.params.tolist(), costs.madds.tolist()) == ([3_504_872] * 2, [300_774_272] * 2)
    assert space.bounds("params") == (3_504_872, 3_504_872)
    with torch.device("meta"):
        ours, theirs = space.network(space.sample(1, 0)[0]).state_dict(), Torchvision().state_dict()
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}


def test_it_computes_what_torchvision_computes():
    torch.manual_seed(0)
    space = MobileNetV2(width=0.25, image_size=32, classes=7)
    theirs = Torchvision(num_classes=7, width_mult=0.25)
    ours = space.network(space.parse(""))
    theirs.features[-1], theirs.classifier[1] = ours.features[-1], ours.classifier[1]
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    assert torch.equal(ours.get_submodule("features.0.0").weight, theirs.features[0][0].weight)


def test_it_has_one_architecture_without_decisions():
    assert (SMALL.decisions, SMALL.architectures, SMALL.topologies, SMALL.rules) == ((), 1, None, ("literal",))
    row = SMALL.parse("")
    assert (row.shape, row.dtype, SMALL.format(row)) == ((0,), np.uint8, "")
    drawn = SMALL.sample(5, 0)
    assert drawn.shape == SMALL.check(drawn).shape == SMALL.canonical(drawn).shape == (5, 0)
    assert SMALL.final() is SMALL
    assert rebuild(describe(SMALL)) == SMALL
    with pytest.raises(ArchitectureError, match=r"mobilenetv2 are an integer array \(n, 0\), not int64 \(1, 2\)"):
        SMALL.check(np.zeros((1, 2), dtype=np.int64))
    with pytest.raises(ArchitectureError, match="position 1: 'E3K3' is one too many"):
        SMALL.parse("E3K3")


def test_it_is_shared_and_scored_like_any_space():
    supernet = Supernet(SMALL, single_path).eval()
    row, x = SMALL.parse(""), torch.randn(6, 1, 8, 8)
    assert torch.equal(supernet(x, row), supernet.network(row)(x))
    scores = OneShot(supernet, [(x, torch.arange(6))], metric="loss")(SMALL.sample(3, 0))
    assert len(set(scores)) == 1


def test_random_streams_keep_their_name():
    name = (
        "MobileNetV2(image_size=8, classes=10, in_channels=1, width=0.07, divisor=4, reduction=2, head_width=128,"
        " dropout=0.25)"
    )
    assert SMALL.stream_name(SMALL.parse("")) == name
    assert MobileNetV2().stream_name(()) == (
        "MobileNetV2(image_size=224, classes=1000, in_channels=3, width=1.0, divisor=8, reduction=32, head_width=1280,"
        " dropout=0.0)"
    )


@pytest.mark.parametrize(
    "space",
    [
        MobileNetV2(),
        MobileNetV2(width=1.4),
        MobileNetV2(width=0.35, image_size=97, classes=7),
        SMALL,
        MobileNetV2(width=0.01, divisor=1, image_size=33, reduction=1, head_width=64),
        MobileNetV2(width=2.2, image_size=64, reduction=16, head_width=100),
    ],
)
def test_formula_agrees_with_counting_a_real_network(space):
    assert space.madds == space.cost(space.sample(1, 0)).madds[0]


@pytest.mark.parametrize("reduction", [1, 2, 4, 8, 16, 32])
def test_reduction_is_the_total_stride(reduction):
    space = MobileNetV2(image_size=64, width=0.1, classes=3, reduction=reduction)
    with torch.device("meta"):
        features = space.network(space.parse("")).features(torch.empty(1, 3, 64, 64))
    assert features.shape[2:] == (64 // reduction, 64 // reduction)


@pytest.mark.parametrize(("size", "reduction"), [(2, 1), (8, 2), (28, 4), (32, 8), (64, 16), (224, 32), (512, 32)])
def test_small_images_keep_four_pixels(size, reduction):
    assert reduction_for(size) == reduction


def test_bad_arguments_are_refused():
    with pytest.raises(ConfigError, match="reduction 3"):
        MobileNetV2(reduction=3)
    with pytest.raises(ConfigError, match="above zero"):
        MobileNetV2(width=0.0)
    with pytest.raises(ConfigError, match="image_size of space mobilenetv2 is 0"):
        MobileNetV2(image_size=0)


@pytest.mark.parametrize("depth", [1.0, 2 / 3, 1 / 3, 2.0])
def test_a_depth_multiplies_the_blocks_and_is_counted(depth):
    space = dataclasses.replace(SMALL, width=0.3, depth=depth)
    row = space.parse("")
    blocks = sum(max(1, math.ceil(round(n * depth, 6))) for n in (1, 2, 3, 4, 3, 3, 1))
    # A convolution before the blocks and one after them.
    assert len(space.network(row).get_submodule("features")) == blocks + 2
    assert space.madds == space.cost(row[None]).madds[0]
    assert (space.stream_name(row) == dataclasses.replace(space, depth=1.0).stream_name(row)) == (depth == 1)


@pytest.mark.parametrize(
    ("side", "target"), [(8, 100_000), (8, 400_000), (32, 5_000_000), (64, 33_000_000), (224, 60_000_000)]
)
def test_a_small_network_is_shallower_as_well_as_narrower_and_within_the_bound(side, target):
    plan = MobileNetV2(image_size=side, classes=10, reduction=reduction_for(side), head_width=128)
    found = scaled_to(plan, target)
    assert 0.8 * target <= found.madds <= target
    assert found.depth < 1
    narrow = scale_width(plan, lambda network: network.madds, target)
    assert found.width > narrow.width
    assert reduction_for(side) <= found.reduction <= 2 * reduction_for(side)


def test_a_large_network_is_only_wider():
    found = scaled_to(MobileNetV2(), 500_000_000)
    assert (found.depth, found.reduction) == (1.0, 32)
    assert 0.95 * 500_000_000 <= found.madds <= 500_000_000
