"""The 3x3 average of stride 1: right on every device, and in about the time that its reads and writes take."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

DEPTHWISE_ON_CPU = False
"""Whether processors average by a depth-wise convolution: two to three times as fast, and equal to rounding only."""


class AveragePool(nn.AvgPool2d):
    """The 3x3 average of stride 1; at the border only pixels inside the image are averaged.

    Equal to ``nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)`` to rounding. On a GPU in channels-last
    format that one takes over ten times as long, and its gradient is wrong in PyTorch 2.11
    (https://github.com/pytorch/pytorch/issues/188344).
    """

    def __init__(self) -> None:
        super().__init__(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Average; the memory format stays as it is."""
        kind = input.device.type
        if kind == "meta" or (kind == "cpu" and not DEPTHWISE_ON_CPU) or _is_traced():
            return super().forward(input)
        fused = _fused() if kind == "cuda" else None
        return average(input) if fused is None else fused(input)


def average(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Average 3x3 pixels by a depth-wise convolution, on any device."""
    summed: Tensor = _Sum.apply(x)
    return summed * _shares(*x.shape[2:], x.dtype, x.device)


class _Sum(torch.autograd.Function):
    """The sum over 3x3 pixels, zero outside the image, channel by channel; it is its own transpose."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return F.conv2d(x, _ones(x.shape[1], x.dtype, x.device), padding=1, groups=x.shape[1])

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> Tensor:
        grad: Tensor = _Sum.apply(grads[0])
        return grad


# Tensors made in inference mode could not take part in a gradient later.
@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def _ones(channels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.ones(channels, 1, 3, 3, dtype=dtype, device=device).contiguous(memory_format=torch.channels_last)


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def _shares(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return one over the number of pixels that each average is over, ``(height, width)``."""
    rows, columns = (torch.full((side,), 3.0, dtype=torch.float64) for side in (height, width))
    for counts in (rows, columns):
        counts[0] -= 1
        counts[-1] -= 1
    return (1 / (rows[:, None] * columns)).to(device, dtype)


def _is_traced() -> bool:
    """Return whether the network is being exported or compiled, where PyTorch's own pooling is understood."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


@functools.cache
def _fused() -> Callable[[Tensor], Tensor] | None:
    """Return the one-kernel average for GPUs, ``None`` where Triton is not installed."""
    try:
        from trueshot.operations.pooling_cuda import average
    except ImportError:
        return None
    return average
