"""The 3x3 average as one kernel that reads its input and writes its output once; needs Triton."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 1024


def average(x: Tensor) -> Tensor:
    """Average 3x3 pixels of ``(n, c, h, w)`` on a GPU; at the border only pixels inside the image are averaged.

    Sums are in float32, in float64 for float64. Contiguous and channels-last tensors keep their format; any other
    is made contiguous.
    """
    averaged: Tensor = _Average.apply(x, False)
    return averaged


class _Average(torch.autograd.Function):
    """The average, or its transpose; the gradient of each is the other."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, transposed: bool) -> Tensor:
        ctx.transposed = transposed
        return _launch(x, transposed)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return _Average.apply(grads[0], not ctx.transposed), None


def _launch(x: Tensor, transposed: bool) -> Tensor:
    channels_last = x.is_contiguous(memory_format=torch.channels_last)
    if not channels_last:
        x = x.contiguous()
    out = torch.empty_like(x)
    _, channels, height, width = x.shape
    # Lines of a pixel's neighbours lie side by side in both formats; only how many values a pixel has differs.
    inner = channels if channels_last else 1
    total = x.numel()
    if total:
        grid = (triton.cdiv(total, _BLOCK),)
        with torch.cuda.device(x.device):
            _kernel[grid](
                x, out, total, height, width, inner, transposed, x.dtype == torch.float64, total >= 2**31, _BLOCK
            )
    return out


@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    source,
    target,
    total,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    INNER: tl.constexpr,
    TRANSPOSED: tl.constexpr,
    DOUBLE: tl.constexpr,
    LARGE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    accumulator: tl.constexpr = tl.float64 if DOUBLE else tl.float32
    number = tl.program_id(0)
    if LARGE:
        number = number.to(tl.int64)
    at = number * BLOCK + tl.arange(0, BLOCK)
    inside = at < total
    column = (at // INNER) % WIDTH
    row = (at // (INNER * WIDTH)) % HEIGHT
    summed = tl.zeros((BLOCK,), dtype=accumulator)
    for down in tl.static_range(-1, 2):
        for right in tl.static_range(-1, 2):
            r = row + down
            c = column + right
            there = inside & (r >= 0) & (r < HEIGHT) & (c >= 0) & (c < WIDTH)
            value = tl.load(source + at + (down * WIDTH + right) * INNER, mask=there, other=0.0).to(accumulator)
            if TRANSPOSED:
                rows = 1 + (r > 0).to(tl.int32) + (r < HEIGHT - 1).to(tl.int32)
                columns = 1 + (c > 0).to(tl.int32) + (c < WIDTH - 1).to(tl.int32)
                value = value / (rows * columns).to(accumulator)
            summed += value
    if not TRANSPOSED:
        rows = 1 + (row > 0).to(tl.int32) + (row < HEIGHT - 1).to(tl.int32)
        columns = 1 + (column > 0).to(tl.int32) + (column < WIDTH - 1).to(tl.int32)
        summed = summed / (rows * columns).to(accumulator)
    tl.store(target + at, summed.to(target.dtype.element_ty), mask=inside)
