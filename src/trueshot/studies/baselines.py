"""Off-the-shelf networks at the MAdds of a searched one: scaled in width, with fewer strides on small images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torchvision.models import MNASNet, ShuffleNetV2

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
    """FairNAS-A (Chu et al., ICCV 2021)."""
    return _scaled("fairnas-a", _fairnas_a, frame, target)


def shufflenet_v2(frame: Frame, target: int) -> Baseline:
    """ShuffleNetV2 (Ma et al., ECCV 2018), the channels of 1.0x scaled."""
    return _scaled("shufflenetv2", _shufflenet_v2, frame, target)


def mnasnet(frame: Frame, target: int) -> Baseline:
    """MNASNet-B1 (Tan et al., CVPR 2019): A1 of the papers adds squeeze and excitation."""
    return _scaled("mnasnet", _mnasnet, frame, target)


def _scaled(name: str, make: Callable[[Frame, float], nn.Module], frame: Frame, target: int) -> Baseline:
    """Return the network at a width whose MAdds are close to ``target``, where the channels allow it."""

    def built(width: float) -> nn.Module:
        return _fitted(make(frame, width), frame)

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
    return Baseline(key=f"{name} {best!r} {frame}", make=lambda: built(best), madds=tried[best])


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


def _shufflenet_v2(frame: Frame, width: float) -> nn.Module:
    channels = [max(4, round(width * base / 4) * 4) for base in (24, 116, 232, 464)]
    head = round(frame.head_width * max(1.0, width))
    network: nn.Module = ShuffleNetV2([4, 8, 4], [*channels, head], num_classes=frame.classes)
    return network


def _mnasnet(frame: Frame, width: float) -> nn.Module:
    network = MNASNet(width, num_classes=frame.classes, dropout=0.0)
    last = cast(nn.Conv2d, network.layers[14])
    network.layers[14] = nn.Conv2d(last.in_channels, frame.head_width, 1, bias=False)
    network.layers[15] = nn.BatchNorm2d(frame.head_width)
    network.classifier[1] = nn.Linear(frame.head_width, frame.classes)
    module: nn.Module = network
    return module


def _fitted(network: nn.Module, frame: Frame) -> nn.Module:
    """Set the earliest strides of 2 to 1 where the images are small, and give the first layer their channels."""
    surplus = int(math.log2(_STRIDE // reduction_for(frame.image_size)))
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.MaxPool2d)]
    for index, layer in enumerate(layer for layer in layers if layer.stride in (2, (2, 2))):
        # The first two strides stand alone; in ShuffleNetV2 each later one is that of two parallel branches.
        place = index if index < 2 or not isinstance(network, ShuffleNetV2) else 2 + (index - 2) // 2
        if place < surplus:
            layer.stride = 1 if isinstance(layer, nn.MaxPool2d) else (1, 1)
    first = next(layer for layer in layers if isinstance(layer, nn.Conv2d))
    if first.in_channels != frame.in_channels:
        first.in_channels = frame.in_channels
        first.weight = nn.Parameter(first.weight.new_empty(first.out_channels, frame.in_channels, *first.kernel_size))
        nn.init.kaiming_normal_(first.weight, mode="fan_out")
    return network
