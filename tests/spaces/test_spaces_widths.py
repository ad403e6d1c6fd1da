"""Spaces scaled in width to a cost."""

import dataclasses

import pytest
import torch
from torch import nn

from trueshot.core.errors import ConfigError
from trueshot.spaces import Chain, NasBench201, Space, Topology
from trueshot.spaces.offtheshelf import MobileNetV2
from trueshot.spaces.skeletons import Chain as Blocks
from trueshot.spaces.widths import scale_width

GREY = MobileNetV2(image_size=8, classes=10, in_channels=1, reduction=2, head_width=64)


@pytest.mark.parametrize("target", [20_000_000, 60_000_000, 326_000_000, 503_000_000])
def test_no_width_nearby_is_closer(target):
    found = scale_width(MobileNetV2(), lambda space: space.madds, target)
    assert found.madds == pytest.approx(target, rel=0.02)
    if found.divisor == 8:
        widths = [found.width + step / 1000 for step in range(-30, 31)]
        near = [dataclasses.replace(found, width=width).madds for width in widths if width > 0]
        assert abs(found.madds - target) <= min(abs(madds - target) for madds in near)


@pytest.mark.parametrize(
    ("space", "target", "width", "divisor", "madds"),
    [
        (MobileNetV2(), 326_000_000, 1.0625, 8, 330_963_008),
        (GREY, 979_610, 0.1042, 2, 1_003_840),
    ],
)
def test_widths_that_earlier_results_were_made_with(space, target, width, divisor, madds):
    found = scale_width(space, lambda scaled: scaled.madds, target)
    assert (found.width, found.divisor, found.madds) == (width, divisor, madds)


def test_tiny_targets_use_smaller_divisors():
    found = scale_width(GREY, lambda scaled: scaled.madds, 300_000)
    assert found.madds == pytest.approx(300_000, rel=0.02)
    assert found.divisor < 8
    assert found.network(found.parse(""))(torch.randn(2, 1, 8, 8)).shape == (2, 10)
    only = scale_width(GREY, lambda scaled: scaled.madds, 300_000, divisors=(8,))
    assert only.divisor == 8


@pytest.mark.parametrize(
    "space",
    [
        Chain(image_size=32, classes=10, head_width=64),
        Topology(image_size=32, classes=10, nodes=(2, 2), widths=(16, 24), head_width=64),
        NasBench201(),
    ],
    ids=lambda space: space.name,
)
@pytest.mark.parametrize("factor", [0.3, 2.5])
def test_any_space_is_scaled_to_the_cost_of_one_of_its_architectures(space, factor):
    row = space.sample(1, 1)[0]

    def madds(scaled):
        return int(scaled.cost(row[None]).madds[0])

    target = factor * madds(space)
    found = scale_width(space, madds, target, tolerance=0.1)
    assert madds(found) == pytest.approx(target, rel=0.1)
    assert found.format(row) == space.format(row)
    if hasattr(space, "head_width"):
        assert (found.head_width > space.head_width) == (factor > 1)


def test_scaling_multiplies_the_widths():
    chain = Chain(stem_width=32, fixed_width=16, layers=((24, 2), (40, 1)), head_width=100).scaled(1.5)
    assert (chain.stem_width, chain.fixed_width, chain.layers, chain.head_width) == (48, 24, ((40, 2), (64, 1)), 152)
    halved = Topology().scaled(0.5, divisor=4)
    assert (halved.widths, halved.head_width) == ((8, 12, 20, 40, 80), 1280)
    assert NasBench201().scaled(0.3, divisor=1).channels == 5
    assert MobileNetV2(width=0.5).scaled(0.5, divisor=2) == MobileNetV2(width=0.25, divisor=2)


class Fixed(Space):
    name = "fixed"

    def assemble(self, place):
        return Blocks(nn.Sequential(nn.Conv2d(self.in_channels, 4, 1)), {}, nn.Flatten())


class Stubborn(Fixed):
    name = "stubborn"

    def scaled(self, multiplier, divisor=8):
        return self


def test_what_cannot_be_scaled_is_said():
    with pytest.raises(ConfigError, match="space fixed does not say which widths it multiplies: define its method"):
        scale_width(Fixed(image_size=4), lambda space: 1, 10)
    with pytest.raises(ConfigError, match="space stubborn costs less than 1000 at 1000 times its width"):
        scale_width(Stubborn(image_size=4), lambda space: int(space.cost(space.sample(1, 0)).madds[0]), 1000)
