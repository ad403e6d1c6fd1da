"""The linear bottleneck of MobileNetV2 and the plain convolution around it."""

from __future__ import annotations

import math
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trueshot.operations.activation import ReLU6


def conv_bn(
    in_channels: int, out_channels: int, kernel: int = 1, *, stride: int = 1, groups: int = 1, activation: bool = True
) -> list[nn.Module]:
    """Return convolution (no bias, padding ``kernel // 2``), BatchNorm and, unless told otherwise, ReLU6."""
    modules: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    if activation:
        modules.append(ReLU6())
    return modules


def classifier_head(in_channels: int, width: int, classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Return 1x1 convolution to ``width`` channels, mean over the image, dropout and linear classifier.

    Shapes: ``(n, in_channels, h, w)`` to ``(n, classes)``.
    """
    return nn.Sequential(
        *conv_bn(in_channels, width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(width, classes),
    )


class LinearBottleneck(nn.Sequential):
    """Expand by 1x1, filter depth-wise by KxK, project by 1x1 without activation (MobileNetV2; "E6K5" in ST-NAS).

    The expanding convolution is left out at ``expansion`` 1. With ``residual`` the input is added to the output where
    stride and width allow it. Shapes: ``(n, in_channels, h, w)`` to ``(n, out_channels, h / stride, w / stride)``,
    rounded up.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        expansion: int,
        kernel: int,
        stride: int = 1,
        residual: bool = True,
    ) -> None:
        hidden = in_channels * expansion
        super().__init__(
            *(conv_bn(in_channels, hidden) if expansion != 1 else []),
            *conv_bn(hidden, hidden, kernel, stride=stride, groups=hidden),
            *conv_bn(hidden, out_channels, activation=False),
        )
        self.shortcut = residual and stride == 1 and in_channels == out_channels

    def forward(
        self, input: Float[Tensor, "n c h w"], shift: Float[Tensor, "d 1 1"] | None = None
    ) -> Float[Tensor, "n d i j"]:
        """Apply the bottleneck; a ``shift`` is added to the output, without a pass over it."""
        output: Tensor
        if shift is None:
            output = super().forward(input)  # type: ignore[no-untyped-call]
        else:
            *layers, norm = self
            output = input
            for layer in layers:
                output = layer(output)
            bias = cast(Tensor, norm.bias) + shift.flatten()
            output = torch.func.functional_call(norm, {"bias": bias}, (output,))
        return output + input if self.shortcut else output


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Initialise in the manner of MobileNetV2 and FairNAS, in place, from PyTorch's global stream.

    Convolutions: normal with standard deviation ``sqrt(2 / (k * k * out_channels))``; BatchNorm: one and zero; linear
    layers: uniform in ``+-1 / sqrt(out_features)`` with zero bias.
    """
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            fan_out = child.kernel_size[0] * child.kernel_size[1] * child.out_channels
            nn.init.normal_(child.weight, 0.0, math.sqrt(2.0 / fan_out))
        elif isinstance(child, nn.BatchNorm2d) and child.affine:
            nn.init.ones_(child.weight)
            nn.init.zeros_(child.bias)
        elif isinstance(child, nn.Linear):
            bound = 1.0 / math.sqrt(child.out_features)
            nn.init.uniform_(child.weight, -bound, bound)
            nn.init.zeros_(child.bias)
