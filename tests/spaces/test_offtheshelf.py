import dataclasses

import pytest
import torch

from trueshot.core.errors import ConfigError
from trueshot.spaces.offtheshelf import MobileNetV2, _formula, reduction_for, scale_to_madds


def test_the_published_network():
    plan = MobileNetV2()
    assert (plan.params, plan.madds) == (3_504_872, 300_774_272)


@pytest.mark.parametrize(
    "plan",
    [
        MobileNetV2(),
        MobileNetV2(width=1.4),
        MobileNetV2(width=0.35, image_size=97, classes=7),
        MobileNetV2(width=0.07, divisor=4, image_size=8, in_channels=1, classes=10, reduction=2, head_width=128),
        MobileNetV2(width=0.01, divisor=1, image_size=33, reduction=1, head_width=64),
        MobileNetV2(width=2.2, image_size=64, reduction=16, head_width=100),
    ],
)
def test_formula_agrees_with_counting_a_real_network(plan):
    assert _formula(plan) == plan.madds


@pytest.mark.parametrize("reduction", [1, 2, 4, 8, 16, 32])
def test_reduction_is_the_total_stride(reduction):
    plan = MobileNetV2(image_size=64, width=0.1, classes=3, reduction=reduction)
    with torch.device("meta"):
        features = plan.network().features(torch.empty(1, 3, 64, 64))
    assert features.shape[2:] == (64 // reduction, 64 // reduction)


@pytest.mark.parametrize(("size", "reduction"), [(2, 1), (8, 2), (28, 4), (32, 8), (64, 16), (224, 32), (512, 32)])
def test_small_images_keep_four_pixels(size, reduction):
    assert reduction_for(size) == reduction


@pytest.mark.parametrize("target", [20_000_000, 60_000_000, 326_000_000, 503_000_000])
def test_scaled_to_a_target(target):
    found = scale_to_madds(target, MobileNetV2())
    assert found.madds == pytest.approx(target, rel=0.02)
    if found.divisor == 8:
        neighbours = [dataclasses.replace(found, width=found.width + step / 1000) for step in range(-30, 31)]
        assert abs(found.madds - target) <= min(
            abs(_formula(other) - target) for other in neighbours if other.width > 0
        )


def test_tiny_targets_use_smaller_divisors():
    plan = MobileNetV2(image_size=8, classes=10, in_channels=1, reduction=2, head_width=64)
    found = scale_to_madds(300_000, plan)
    assert found.madds == pytest.approx(300_000, rel=0.02)
    assert found.divisor < 8
    assert found.network()(torch.randn(2, 1, 8, 8)).shape == (2, 10)


def test_bad_plans_are_refused():
    with pytest.raises(ConfigError, match="reduction 3"):
        MobileNetV2(reduction=3)
    with pytest.raises(ConfigError, match="above zero"):
        MobileNetV2(width=0.0)
