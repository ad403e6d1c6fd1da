"""The operations and the residual reduction block of NAS-Bench-201 (Dong and Yang, 2020)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from trueshot.operations.pooling import AveragePool


def relu_conv_bn(
    channels: int, kernel: int, out_channels: int | None = None, stride: int = 1, *, affine: bool = True
) -> nn.Sequential:
    """Return ReLU, convolution (padding ``kernel // 2``, no bias) and BatchNorm; of one width where no other is given.

    ReLU is not in place: its input is a node, which other edges read too.
    """
    width = out_channels or channels
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(width, affine=affine),
    )


def average_pool() -> nn.Sequential:
    """Return the 3x3 average of stride 1; at the border only pixels inside the image are averaged."""
    return nn.Sequential(AveragePool())


def linear_transformer(channels: int) -> nn.Sequential:
    """Return a 1x1 convolution without bias, norm or activation: a skip connection with weights (ScarletNAS)."""
    return nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False))


class ResidualReduction(nn.Module):
    """Halves the resolution: two convolutions beside an averaging shortcut without norm; no activation at the end.

    Shapes: ``(n, in_channels, h, w)`` to ``(n, out_channels, h / 2, w / 2)``, rounded up.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *relu_conv_bn(in_channels, 3, out_channels, 2),
            *relu_conv_bn(out_channels, 3),
        )
        # Rounding up only matters for odd sizes, which the published skeleton never meets.
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(in_channels, out_channels, 1, bias=False)
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        """Apply the block."""
        output: Tensor = self.shortcut(x) + self.main(x)
        return output
