"""Off-the-shelf networks, which stand beside what a search found: spaces of one architecture, scaled in width."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar

from trueshot.core.errors import ConfigError
from trueshot.spaces.site import Place
from trueshot.spaces.space import Space

if TYPE_CHECKING:
    import torch

_REDUCTIONS = (1, 2, 4, 8, 16, 32)
_LEAST_MAP = 4
"""Least side of the last feature map in pixels, where the image allows it (7 at 224 pixels)."""


_DEPTHS = (1.0, 2 / 3, 1 / 3)
_NARROWER = 1e-3


def reduction_for(image_size: int) -> int:
    """Return the total stride that suits an image: the largest up to 32 that leaves four pixels or more a side."""
    return max(r for r in _REDUCTIONS if r == 1 or image_size >= r * _LEAST_MAP)


def scaled_to(plan: MobileNetV2, target: int) -> MobileNetV2:
    """Return the network scaled in depth, width and resolution to at most so many MAdds, as close as they come.

    Of depths of one, two and three thirds, at the total stride that suits the image and at twice that (which halves the
    resolution of all that follows), that one is taken whose width was multiplied most like its depth, as in
    EfficientNet: a narrow network of full depth neither trains well nor runs fast. Above the plan's own cost the depth
    stays.

    Args:
        plan: the network at full size, with the total stride that suits the image.
        target: MAdds of one image.
    """
    from trueshot.spaces.widths import scale_width

    strides = [r for r in (plan.reduction, 2 * plan.reduction) if r in _REDUCTIONS and r <= plan.image_size]
    best, least = None, float("inf")
    for depth in _DEPTHS if target < plan.madds else (1.0,):
        for reduction in strides:
            shape = dataclasses.replace(plan, depth=depth, reduction=reduction)
            found = scale_width(shape, lambda network: network.madds, target)
            # The closest may lie above what the user allows.
            while found.madds > target and found.width > _NARROWER:
                found = dataclasses.replace(found, width=found.width - _NARROWER)
            off = abs(math.log(found.width / plan.width) - math.log(depth))
            if found.madds <= target and off < least:
                best, least = found, off
    return best or scale_width(plan, lambda network: network.madds, target)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MobileNetV2(Space):
    """MobileNetV2 (Sandler et al., CVPR 2018): one architecture without decisions, whose string is empty.

    Attributes:
        width: multiplier of the channels; ``divisor``: what they are a multiple of.
        reduction: total stride, a power of two up to 32. Below 32 the earliest strides of 2 become 1, as is usual for
            small images.
        head_width: channels before the classifier at ``width`` 1 and below.
        dropout: before the classifier.
        depth: multiplier of the blocks of every stage.
    """

    name: ClassVar[str] = "mobilenetv2"
    width: float = 1.0
    divisor: int = 8
    reduction: int = 32
    head_width: int = 1280
    dropout: float = 0.0
    depth: float = 1.0

    def __post_init__(self) -> None:
        """Check the plan."""
        super().__post_init__()
        if self.reduction not in _REDUCTIONS:
            raise ConfigError(
                f"reduction {self.reduction} of MobileNetV2 is none of {', '.join(map(str, _REDUCTIONS))}"
            )
        if self.width <= 0:
            raise ConfigError(f"width {self.width} of MobileNetV2 is not above zero")
        if self.depth <= 0:
            raise ConfigError(f"depth {self.depth} of MobileNetV2 is not above zero")

    @property
    def strides(self) -> list[int]:
        """Stride of the first convolution and of each of the seven stages."""
        from trueshot.operations.mobilenetv2 import STRIDES

        strides = [2, *STRIDES]
        skipped = _REDUCTIONS.index(32) - _REDUCTIONS.index(self.reduction)
        for index in [index for index, stride in enumerate(strides) if stride == 2][:skipped]:
            strides[index] = 1
        return strides

    def assemble(self, place: Place) -> torch.nn.Module:
        """Build torchvision's network, in which nothing is to be placed."""
        from trueshot.operations.mobilenetv2 import mobilenet_v2
        from trueshot.spaces.skeletons import FeatureStack

        first, *others = self.strides
        network = mobilenet_v2(
            width=self.width,
            classes=self.classes,
            in_channels=self.in_channels,
            stem_stride=first,
            strides=others,
            head_width=self.head_width,
            divisor=self.divisor,
            dropout=self.dropout,
            depth=self.depth,
        )
        return FeatureStack(network.features, network.classifier, in_channels=self.in_channels)

    def stream_name(self, row: Any) -> str:
        """Return the text that its random streams are named by; spelled out, so that a new field changes no numbers."""
        return (
            f"MobileNetV2(image_size={self.image_size!r}, classes={self.classes!r}, in_channels={self.in_channels!r},"
            f" width={self.width!r}, divisor={self.divisor!r}, reduction={self.reduction!r},"
            f" head_width={self.head_width!r}, dropout={self.dropout!r})"
            + (f", depth {self.depth!r}" if self.depth != 1 else "")
        )

    def scaled(self, multiplier: float, divisor: int = 8) -> MobileNetV2:
        """Return the network with all channels but those before the classifier scaled."""
        return dataclasses.replace(self, width=self.width * multiplier, divisor=divisor)

    @property
    def madds(self) -> int:
        """MAdds of one image, computed without building the network, as a search for a width would do many times."""
        from trueshot.operations.mobilenetv2 import SETTING, blocks_of, make_divisible

        def channels(base: int, width: float = self.width) -> int:
            return make_divisible(base * width, self.divisor)

        first, *strides = self.strides
        side = -(-self.image_size // first)
        width = channels(32)
        total = side**2 * 9 * self.in_channels * width
        for (expansion, base, blocks), stage_stride in zip(SETTING, strides, strict=True):
            for block in range(blocks_of(blocks, self.depth)):
                hidden, out = width * expansion, channels(base)
                total += side**2 * width * hidden * (expansion != 1)
                side = -(-side // (stage_stride if block == 0 else 1))
                total += side**2 * hidden * (9 + out)
                width = out
        head = channels(self.head_width, max(1.0, self.width))
        return total + side**2 * width * head + head * self.classes
