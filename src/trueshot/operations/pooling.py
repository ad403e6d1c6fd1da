"""The 3x3 average of stride 1: right on every device, and in about the time that its reads and writes take."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

LEAST_VALUES, LEAST_SIDE = 2**17, 4
"""Smaller tensors and images are averaged faster by PyTorch's own pooling on processors."""

CHANNELS_A_PIXEL = 2
"""In channels-last format a depth-wise convolution is faster up to so many channels for each pixel of the side, for
PyTorch's own pooling is fast where channels are many (measured by ``benchmarks/pooling.py``)."""


class AveragePool(nn.AvgPool2d):
    """The 3x3 average of stride 1; at the border only pixels inside the image are averaged.

    Equal to ``nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)``: on processors to the last bit where
    the convolution adds up in the same order, as it does wherever it was tried, else to rounding. On a GPU in
    channels-last format that one takes over ten times as long, and its gradient is wrong in PyTorch 2.11
    (https://github.com/pytorch/pytorch/issues/188344).
    """

    def __init__(self) -> None:
        super().__init__(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Average; the memory format stays as it is."""
        kind = input.device.type
        if kind == "meta" or _is_traced():
            return super().forward(input)
        if kind == "cpu":
            return summed_and_divided(input) if convolution_wins(input) else super().forward(input)
        fused = _fused() if kind == "cuda" else None
        return average(input) if fused is None else fused(input)


def convolution_wins(x: Tensor) -> bool:
    """Return whether a depth-wise convolution averages ``x`` faster on a processor than PyTorch's own pooling."""
    if x.dtype != torch.float32 or x.dim() != 4 or x.numel() < LEAST_VALUES or min(x.shape[2:]) < LEAST_SIDE:
        return False
    # Without oneDNN a depth-wise convolution is slow.
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):
        return False
    channels_last = x.is_contiguous(memory_format=torch.channels_last)
    few = x.shape[1] <= CHANNELS_A_PIXEL * min(x.shape[2:])
    return few if channels_last else x.is_contiguous()


def summed_and_divided(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Average 3x3 pixels as PyTorch's pooling does: their sum, from the first line to the last, over their number."""
    averaged: Tensor = _Quotient.apply(x, False)
    return averaged


def average(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Average 3x3 pixels by a depth-wise convolution, on any device; equal to :class:`AveragePool` to rounding.

    Zero-cost proxies are made with it: division in place of the product would change their scores in the last digits.
    """
    summed: Tensor = _Sum.apply(x)
    return summed * _shares(*x.shape[2:], x.dtype, x.device)


def _summed(x: Tensor) -> Tensor:
    """Return the sum over 3x3 pixels, zero outside the image, channel by channel."""
    with torch.autocast(x.device.type, enabled=False):
        return F.conv2d(x, _ones(x.shape[1], x.dtype, x.device), padding=1, groups=x.shape[1])


def _format(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format


class _Sum(torch.autograd.Function):
    """The sum, which is its own transpose."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _summed(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        grad: Tensor = _Sum.apply(grads[0])
        return grad


class _Quotient(torch.autograd.Function):
    """The sum, then divided, or its transpose: divided, then the sum; the gradient of each is the other."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, transposed: bool) -> Tensor:
        ctx.transposed, ctx.format = transposed, _format(x)
        counts = _counts(*x.shape[2:], x.dtype, x.device)
        # In place, for a large tensor more costs more than the division.
        return _summed(x / counts) if transposed else _summed(x).div_(counts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        # As PyTorch's pooling does, whatever the format of what comes.
        grad = grads[0].contiguous(memory_format=ctx.format)
        return _Quotient.apply(grad, not ctx.transposed), None


# Tensors made in inference mode could not take part in a gradient later.
@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def _ones(channels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.ones(channels, 1, 3, 3, dtype=dtype, device=device).contiguous(memory_format=torch.channels_last)


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def _shares(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return one over the number of pixels that each average is over, ``(height, width)``."""
    return (1 / _counts(height, width, torch.float64, torch.device("cpu"))).to(device, dtype)


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def _counts(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the number of pixels that each average is over, ``(height, width)``."""
    rows, columns = (torch.full((side,), 3, dtype=dtype) for side in (height, width))
    for counts in (rows, columns):
        counts[0] -= 1
        counts[-1] -= 1
    return (rows[:, None] * columns).to(device)


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
