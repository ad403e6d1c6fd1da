"""Off-the-shelf networks at the MAdds of a searched one: scaled in width, with fewer strides on small images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torchvision.models import MNASNet
from torchvision.models import ShuffleNetV2 as TorchvisionShuffleNetV2

from trueshot.spaces import Chain
from trueshot.spaces.counting import count_madds
from trueshot.spaces.offtheshelf import MobileNetV2, reduction_for, scale_to_madds

FAIRNAS_A = "E3K7-E3K3-E3K7-E6K3-E6K7-E3K3-E3K3-E6K7-E6K7-E3K5-E6K3-E3K5-E3K5-E6K3-E6K3-E6K7-E6K3-E6K7-E6K5"
"""The architecture of Chu et al., ICCV 2021, in the space it was found in."""

_STRIDE = 32
"""Total stride of all these networks at 224 pixels."""

_TRIALS, _CLOSE, _NARROWEST = 8, 0.01, 0.02


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What every rival must fit: shape of the images, classes, and channels before the classifier."""

    image_size: int
    classes: int
    in_channels: int
    head_width: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        return self.in_channels, self.image_size, self.image_size


@dataclass(frozen=True, kw_only=True)
class Rival:
    """An off-the-shelf network at a width; ``key`` tells it from any other."""

    key: str
    make: Callable[[], nn.Module]
    madds: int


def mobilenet_v2(frame: Frame, target: int) -> Rival:
    """MobileNetV2 (Sandler et al., CVPR 2018)."""
    plan = MobileNetV2(**dataclasses.asdict(frame), reduction=reduction_for(frame.image_size))
    plan = scale_to_madds(target, plan)
    return Rival(key=repr(plan), make=plan.network, madds=plan.madds)


def shufflenet_v2(frame: Frame, target: int) -> Rival:
    """ShuffleNetV2 (Ma et al., ECCV 2018), channels of 1.0x scaled."""

    def make(width: float) -> nn.Module:
        channels = [max(4, round(width * base / 4) * 4) for base in (24, 116, 232, 464)]
        head = round(frame.head_width * max(1.0, width))
        network: nn.Module = TorchvisionShuffleNetV2([4, 8, 4], [*channels, head], num_classes=frame.classes)
        return network

    return _scaled("shufflenetv2", make, frame, target)


def mnasnet(frame: Frame, target: int) -> Rival:
    """MNASNet-B1 (Tan et al., CVPR 2019): A1 of the paper without squeeze and excitation."""

    def make(width: float) -> nn.Module:
        network = MNASNet(width, num_classes=frame.classes, dropout=0.0)
        last = cast(nn.Conv2d, network.layers[14])
        network.layers[14] = nn.Conv2d(last.in_channels, frame.head_width, 1, bias=False)
        network.layers[15] = nn.BatchNorm2d(frame.head_width)
        network.classifier[1] = nn.Linear(frame.head_width, frame.classes)
        module: nn.Module = network
        return module

    return _scaled("mnasnet", make, frame, target)


def fairnas_a(frame: Frame, target: int) -> Rival:
    """FairNAS-A (Chu et al., ICCV 2021)."""

    def make(width: float) -> nn.Module:
        published = Chain()

        def channels(base: int) -> int:
            return max(2, round(base * width / 2) * 2)

        space = Chain(
            image_size=frame.image_size,
            classes=frame.classes,
            in_channels=frame.in_channels,
            head_width=frame.head_width,
            stem_width=channels(published.stem_width),
            fixed_width=channels(published.fixed_width),
            layers=tuple((channels(out), stride) for out, stride in published.layers),
        )
        return space.network(space.parse(FAIRNAS_A))

    return _scaled("fairnas-a", make, frame, target)


def _scaled(name: str, make: Callable[[float], nn.Module], frame: Frame, target: int) -> Rival:
    """Find a width whose MAdds are close to ``target``; the channels of small networks may allow none."""

    def built(width: float) -> nn.Module:
        return _fitted(make(width), frame)

    def madds(width: float) -> int:
        with torch.device("meta"):
            return count_madds(built(width), frame.shape)

    # MAdds grow about with the square of the width, so that a few steps of this kind meet the target.
    width, tried = 1.0, dict[float, int]()
    for _ in range(_TRIALS):
        tried[width] = madds(width)
        if abs(tried[width] - target) <= _CLOSE * target:
            break
        width = max(_NARROWEST, width * math.sqrt(target / tried[width]))
    best = min(tried, key=lambda found: abs(tried[found] - target))
    return Rival(key=f"{name} {best!r} {frame}", make=lambda: built(best), madds=tried[best])


def _fitted(network: nn.Module, frame: Frame) -> nn.Module:
    """Set the earliest strides of 2 to 1 where the images are small, and give the first layer their channels."""
    surplus = int(math.log2(_STRIDE // reduction_for(frame.image_size)))
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.MaxPool2d)]
    for index, layer in enumerate(layer for layer in layers if layer.stride in (2, (2, 2))):
        # The first two strides stand alone; in ShuffleNetV2 each later one is that of two parallel branches.
        position = index if index < 2 or not isinstance(network, TorchvisionShuffleNetV2) else 2 + (index - 2) // 2
        if position < surplus:
            layer.stride = 1 if isinstance(layer, nn.MaxPool2d) else (1, 1)
    first = next(layer for layer in layers if isinstance(layer, nn.Conv2d))
    if first.in_channels != frame.in_channels:
        first.in_channels = frame.in_channels
        first.weight = nn.Parameter(first.weight.new_empty(first.out_channels, frame.in_channels, *first.kernel_size))
        nn.init.kaiming_normal_(first.weight, mode="fan_out")
    return network
