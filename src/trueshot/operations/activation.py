"""ReLU6 that keeps one tensor for the backward pass instead of two."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class _ClampInPlace(torch.autograd.Function):
    """Clamp to [0, 6] in place and keep the result, from which the gradient follows: it is 1 strictly between both."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x.clamp_(0.0, 6.0))
        ctx.save_for_backward(x)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        gradient: Tensor = torch.ops.aten.hardtanh_backward(gradients[0], result, 0.0, 6.0)
        return gradient


class ReLU6(nn.ReLU6):
    """ReLU6 in place, with the values and gradients of PyTorch's own to the last bit, in less memory and time.

    PyTorch keeps the *input* of ReLU6 for the backward pass, in place or not, so that a copy of it stays beside the
    result, which the next convolution keeps anyway. Here only the result stays: a third less for convolution, BatchNorm
    and ReLU6 together. The gradient cannot be differentiated again.
    """

    def __init__(self) -> None:
        super().__init__(inplace=True)

    def forward(self, input: Tensor) -> Tensor:
        """Clamp ``input`` to [0, 6] in place and return it."""
        if torch.compiler.is_exporting():
            # The same values from an operator that exporters take as it is: they are done in half the time.
            return input.clamp(0.0, 6.0)
        if input.requires_grad and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            result: Tensor = _ClampInPlace.apply(input)
            return result
        return F.relu6(input, inplace=True)
