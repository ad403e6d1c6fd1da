"""Off-the-shelf networks at the MAdds of a searched one: scaled in width, with fewer strides on small images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from trueshot.spaces import Chain
from trueshot.spaces.counting import count_madds
from trueshot.spaces.offtheshelf import MobileNetV2, reduction_for
from trueshot.spaces.widths import scale_width

FAIRNAS_A = "E3K7-E3K3-E3K7-E6K3-E6K7-E3K3-E3K3-E6K7-E6K7-E3K5-E6K3-E3K5-E3K5-E6K3-E6K3-E6K7-E6K3-E6K7-E6K5"
"""The architecture of Chu et al., ICCV 2021, in the space it was found in."""

_STRIDE = 32
"""Total stride of these networks at 224 pixels."""

_TRIALS, _CLOSE, _NARROWEST = 8, 0.01, 0.02


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What every baseline must fit: shape of the images, classes, and channels before the classifier."""

    image_size: int
    classes: int
    in_channels: int
    head_width: int


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """An off-the-shelf network at a width; ``key`` tells it from any other."""

    key: str
    make: Callable[[], nn.Module]
    madds: int


def mobilenet_v2(frame: Frame, target: int) -> Baseline:
    """MobileNetV2 (Sandler et al., CVPR 2018)."""
    space = MobileNetV2(**dataclasses.asdict(frame), reduction=reduction_for(frame.image_size))
    space = scale_width(space, lambda scaled: scaled.madds, target)
    row = space.parse("")
    return Baseline(key=space.stream_name(row), make=lambda: space.network(row), madds=space.madds)


def fairnas_a(frame: Frame, target: int) -> Baseline:
    """FairNAS-A (Chu et al., ICCV 2021) at a width whose MAdds are close to ``target``, where the channels allow it."""

    def built(width: float) -> nn.Module:
        return _with_fewer_strides(_fairnas_a(frame, width), frame.image_size)

    def madds(width: float) -> int:
        with torch.device("meta"):
            return count_madds(built(width), (frame.in_channels, frame.image_size, frame.image_size))

    # MAdds grow about with the square of the width, so that a few steps of this kind meet the target.
    width, tried = 1.0, dict[float, int]()
    for _ in range(_TRIALS):
        tried[width] = madds(width)
        if abs(tried[width] - target) <= _CLOSE * target:
            break
        width = max(_NARROWEST, width * math.sqrt(target / tried[width]))
    best = min(tried, key=lambda found: abs(tried[found] - target))
    return Baseline(key=f"fairnas-a {best!r} {frame}", make=lambda: built(best), madds=tried[best])


def _fairnas_a(frame: Frame, width: float) -> nn.Module:
    published = Chain()

    def channels(base: int) -> int:
        return max(2, round(base * width / 2) * 2)

    space = Chain(
        **dataclasses.asdict(frame),
        stem_width=channels(published.stem_width),
        fixed_width=channels(published.fixed_width),
        layers=tuple((channels(out), stride) for out, stride in published.layers),
    )
    return space.network(space.parse(FAIRNAS_A))


def _with_fewer_strides(network: nn.Module, image_size: int) -> nn.Module:
    """Set the earliest strides of 2 to 1 where the images are small."""
    surplus = int(math.log2(_STRIDE // reduction_for(image_size)))
    strided = [module for module in network.modules() if isinstance(module, nn.Conv2d) and module.stride == (2, 2)]
    for convolution in strided[:surplus]:
        convolution.stride = (1, 1)
    return network
