"""Off-the-shelf networks of a given cost, to stand beside what a search found."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import torch
from torch import nn

from trueshot.core.errors import ConfigError
from trueshot.operations.mobilenetv2 import SETTING, STRIDES, make_divisible, mobilenet_v2
from trueshot.spaces.counting import count_madds, count_params

_REDUCTIONS = (1, 2, 4, 8, 16, 32)
_LEAST_MAP = 4
"""Least side of the last feature map in pixels, where the image allows it (7 at 224 pixels)."""


def reduction_for(image_size: int) -> int:
    """Return the total stride that suits an image: the largest up to 32 that leaves four pixels or more a side."""
    return max(r for r in _REDUCTIONS if r == 1 or image_size >= r * _LEAST_MAP)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MobileNetV2:
    """Description of a MobileNetV2; it owns no weights.

    Attributes:
        image_size: side of the square input in pixels; ``classes``, ``in_channels``: as for a space.
        width: multiplier of the channels; ``divisor``: what they are a multiple of.
        reduction: total stride, a power of two up to 32. Below 32 the earliest strides of 2 become 1, as is usual for
            small images.
        head_width: channels before the classifier at ``width`` 1 and below.
        dropout: before the classifier.
    """

    image_size: int = 224
    classes: int = 1000
    in_channels: int = 3
    width: float = 1.0
    divisor: int = 8
    reduction: int = 32
    head_width: int = 1280
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Check the plan."""
        if self.reduction not in _REDUCTIONS:
            raise ConfigError(
                f"reduction {self.reduction} of MobileNetV2 is none of {', '.join(map(str, _REDUCTIONS))}"
            )
        if self.width <= 0:
            raise ConfigError(f"width {self.width} of MobileNetV2 is not above zero")

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one input image."""
        return self.in_channels, self.image_size, self.image_size

    @property
    def strides(self) -> list[int]:
        """Stride of the first convolution and of each of the seven stages."""
        strides = [2, *STRIDES]
        skipped = _REDUCTIONS.index(32) - _REDUCTIONS.index(self.reduction)
        for index in [index for index, stride in enumerate(strides) if stride == 2][:skipped]:
            strides[index] = 1
        return strides

    def network(self) -> nn.Module:
        """Build it as an ordinary module with fresh weights."""
        strides = self.strides
        return mobilenet_v2(
            width=self.width,
            classes=self.classes,
            in_channels=self.in_channels,
            stem_stride=strides[0],
            strides=strides[1:],
            head_width=self.head_width,
            divisor=self.divisor,
            dropout=self.dropout,
        )

    @property
    def params(self) -> int:
        """Number of parameters."""
        return _costs(self)[0]

    @property
    def madds(self) -> int:
        """Multiply-adds of one image."""
        return _costs(self)[1]

    def arguments(self) -> dict[str, Any]:
        """Return the fields that rebuild this description."""
        return dataclasses.asdict(self)


@functools.lru_cache(maxsize=256)
def _costs(plan: MobileNetV2) -> tuple[int, int]:
    with torch.device("meta"):
        network = plan.network()
    return count_params(network), count_madds(network, plan.input_shape)


def scale_to_madds(target: int, plan: MobileNetV2, *, tolerance: float = 0.02) -> MobileNetV2:
    """Return ``plan`` at the width whose MAdds are closest to ``target``, from above or below.

    Widths are searched in steps of 1/10,000 with channels divisible by 8. Only where no width comes within
    ``tolerance`` (a fraction of the target) are divisors of 4, 2 and 1 tried, which narrow networks need.
    """
    best: MobileNetV2 | None = None
    for divisor in (8, 4, 2, 1):
        found = _closest_width(target, dataclasses.replace(plan, divisor=divisor))
        if best is None or abs(found.madds - target) < abs(best.madds - target):
            best = found
        if abs(best.madds - target) <= tolerance * target:
            break
    assert best is not None
    return best


def _closest_width(target: int, plan: MobileNetV2) -> MobileNetV2:
    """Bisect: MAdds never fall as the width grows."""

    def at(step: int) -> MobileNetV2:
        return dataclasses.replace(plan, width=step / 10_000)

    low, high = 1, 10_000
    while _formula(at(high)) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _formula(at(middle)) <= target else (low, middle)
    return min(at(low), at(high), key=lambda found: abs(_formula(found) - target))


def _formula(plan: MobileNetV2) -> int:
    """Compute the MAdds without building the network, which would take seconds in all; tests compare both."""

    def channels(base: int, width: float = plan.width) -> int:
        return make_divisible(base * width, plan.divisor)

    strides = plan.strides
    side = -(-plan.image_size // strides[0])
    width = channels(32)
    total = side**2 * 9 * plan.in_channels * width
    for (expansion, base, blocks), stage_stride in zip(SETTING, strides[1:], strict=True):
        for block in range(blocks):
            hidden, out = width * expansion, channels(base)
            total += side**2 * width * hidden * (expansion != 1)
            side = -(-side // (stage_stride if block == 0 else 1))
            total += side**2 * hidden * (9 + out)
            width = out
    head = channels(plan.head_width, max(1.0, plan.width))
    return total + side**2 * width * head + head * plan.classes
