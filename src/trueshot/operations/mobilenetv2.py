"""MobileNetV2 (Sandler et al., CVPR 2018) of any width, for images of any size and number of channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from torch import nn

if TYPE_CHECKING:
    from torchvision.models import MobileNetV2

SETTING = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
"""Expansion, channels and blocks of each stage (Table 2 of the paper)."""

STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Stride of the first block of each stage, for images of 224 pixels."""


def make_divisible(value: float, divisor: int) -> int:
    """Round to the nearest multiple of ``divisor``, at least one, never more than a tenth below ``value``."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def blocks_of(blocks: int, depth: float) -> int:
    """Return the blocks of a stage at a depth: rounded up (EfficientNet, Tan and Le, ICML 2019)."""
    return max(1, math.ceil(round(blocks * depth, 6)))


def mobilenet_v2(
    *,
    width: float = 1.0,
    classes: int = 1000,
    in_channels: int = 3,
    stem_stride: int = 2,
    strides: Sequence[int] = STRIDES,
    head_width: int = 1280,
    divisor: int = 8,
    dropout: float = 0.0,
    depth: float = 1.0,
) -> MobileNetV2:
    """Build torchvision's MobileNetV2 with fresh weights drawn from PyTorch's global stream.

    Without arguments it is torchvision's own, without dropout: 3,504,872 parameters.

    Args:
        width: multiplies the channels of every layer; the layer before the classifier is widened but never narrowed.
        classes: number of classes.
        in_channels: channels of the images.
        stem_stride: stride of the first convolution.
        strides: of the first block of each of the seven stages; fewer strides of 2 suit small images.
        head_width: channels before the classifier at ``width`` 1 and below.
        divisor: channels are rounded to a multiple of it, never by more than a tenth downwards.
        dropout: before the classifier.
        depth: multiplies the blocks of every stage, rounded up as in EfficientNet.
    """
    # Importing it takes as long as PyTorch itself.
    from torchvision.models import MobileNetV2
    from torchvision.ops.misc import Conv2dNormActivation

    setting = [[t, c, blocks_of(n, depth), s] for (t, c, n), s in zip(SETTING, strides, strict=True)]
    network = MobileNetV2(
        num_classes=classes,
        width_mult=width,
        inverted_residual_setting=setting,
        round_nearest=divisor,
        dropout=dropout,
    )
    stem = cast(nn.Sequential, network.features[0])
    first = nn.Conv2d(in_channels, cast(nn.Conv2d, stem[0]).out_channels, 3, stem_stride, 1, bias=False)
    nn.init.kaiming_normal_(first.weight, mode="fan_out")
    stem[0] = first
    head = make_divisible(head_width * max(1.0, width), divisor)
    if head != network.last_channel:
        last = network.features[-1]
        network.features[-1] = Conv2dNormActivation(last[0].in_channels, head, 1, activation_layer=nn.ReLU6)
        network.classifier[1] = nn.Linear(head, classes)
        network.last_channel = head
        nn.init.kaiming_normal_(network.features[-1][0].weight, mode="fan_out")
        nn.init.normal_(network.classifier[1].weight, 0, 0.01)
        nn.init.zeros_(network.classifier[1].bias)
    return network
