"""ResNet-18 with residual blocks added between its feature maps (ST-NAS, section 3.1 and Table 1)."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, conv1x1

from trueshot.core.errors import ConfigError
from trueshot.spaces.counting import count_madds

BLOCKS = 8
"""Residual blocks in the chain of ResNet-18, two a stage; feature map i is the output of block i, map 0 the stem's."""


def _stage(feature: int) -> int:
    return max(0, feature - 1) // 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class SkipResNet:
    """Description of a ResNet-18 with additional residual blocks; it owns no weights.

    Attributes:
        skips: pairs (source, target) of feature maps, 0 to 8 and at least 2 apart, each joined by a residual block
            whose output is added to the target.
        width: channels of the first stage, rounded; each later stage has twice as many.
        image_size: side of the input in pixels; ``classes``, ``in_channels``: as for a space.
        small: the stem for small images: a 3x3 convolution at full resolution and no pooling.
    """

    skips: tuple[tuple[int, int], ...] = ()
    width: float = 64.0
    image_size: int = 224
    classes: int = 1000
    in_channels: int = 3
    small: bool = False

    def __post_init__(self) -> None:
        """Check the plan."""
        wrong = [skip for skip in self.skips if not 0 <= skip[0] <= skip[1] - 2 <= BLOCKS - 2]
        if wrong or len(set(self.skips)) != len(self.skips) or self.width < 1:
            raise ConfigError(f"a ResNet-18 of width {self.width} with skips {self.skips} cannot be built")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the four stages."""
        return tuple(max(1, round(self.width * 2**stage)) for stage in range(4))

    @property
    def madds(self) -> int:
        """Multiply-adds of one image."""
        return _madds(self)

    def network(self) -> nn.Module:
        """Build it with fresh weights."""
        return _Network(self)

    def block(self, source: int, target: int) -> BasicBlock:
        """Build the residual block from one feature map to another."""
        start, end = _stage(source), _stage(target)
        inside, out, stride = self.widths[start], self.widths[end], 2 ** (end - start)
        shortcut = None
        if start != end:
            shortcut = nn.Sequential(conv1x1(inside, out, stride), nn.BatchNorm2d(out))
        return BasicBlock(inside, out, stride, shortcut)


@lru_cache(maxsize=256)
def _madds(plan: SkipResNet) -> int:
    with torch.device("meta"):
        return count_madds(plan.network(), (plan.in_channels, plan.image_size, plan.image_size))


class _Network(nn.Module):
    def __init__(self, plan: SkipResNet) -> None:
        super().__init__()
        first, last = plan.widths[0], plan.widths[-1]
        if plan.small:
            stem = [nn.Conv2d(plan.in_channels, first, 3, 1, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU()]
        else:
            stem = [nn.Conv2d(plan.in_channels, first, 7, 2, 3, bias=False), nn.BatchNorm2d(first), nn.ReLU()]
            stem.append(nn.MaxPool2d(3, 2, 1))
        self.stem = nn.Sequential(*stem)
        self.chain = nn.ModuleList(plan.block(i, i + 1) for i in range(BLOCKS))
        self.pairs = plan.skips
        self.skips = nn.ModuleList(plan.block(i, j) for i, j in plan.skips)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, plan.classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.stem(x)]
        for target, block in enumerate(self.chain, start=1):
            out = block(maps[-1])
            for (source, end), skip in zip(self.pairs, self.skips, strict=True):
                if end == target:
                    out = out + skip(maps[source])
            maps.append(out)
        logits: Tensor = self.head(maps[-1])
        return logits


def random_skips(count: int, rng: np.random.Generator) -> tuple[tuple[int, int], ...]:
    """Draw ``count`` distinct pairs of feature maps that no block of the chain joins, all equally likely."""
    pairs = [(i, j) for i in range(BLOCKS + 1) for j in range(i + 2, BLOCKS + 1)]
    chosen = rng.choice(len(pairs), size=count, replace=False)
    return tuple(sorted(pairs[index] for index in chosen))


def at_madds(plan: SkipResNet, target: int) -> SkipResNet:
    """Return ``plan`` at the width whose MAdds are closest to ``target``."""
    low, high = 1.0, plan.width
    while dataclasses.replace(plan, width=high).madds < target:
        high *= 2
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if dataclasses.replace(plan, width=middle).madds <= target else (low, middle)
    ends = [dataclasses.replace(plan, width=width) for width in (low, high)]
    return min(ends, key=lambda found: abs(found.madds - target))
