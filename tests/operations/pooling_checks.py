"""What any 3x3 average must be; needs no pytest, so that a bare machine can run it."""

import torch
from torch import nn

REFERENCE = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
SHAPES = [(2, 3, 5, 4), (1, 8, 1, 1), (3, 2, 1, 2), (2, 16, 2, 2), (1, 4, 7, 1), (2, 8, 16, 16)]
FORMATS = [torch.channels_last, torch.contiguous_format]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 2e-2}


def check(pool, shape, memory_format, dtype, device="cpu"):
    """Compare averages and gradients with PyTorch's in float64 on the processor, whose are right in any format."""
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(shape, generator=draw).to(dtype)
    gradient = torch.randn(shape, generator=draw).to(dtype)
    exact = images.double().clone().requires_grad_()
    expected = REFERENCE(exact)
    expected.backward(gradient.double())
    given = images.to(device, copy=True).contiguous(memory_format=memory_format).requires_grad_()
    found = pool(given)
    found.backward(gradient.to(device))
    assert found.dtype == dtype
    assert found.is_contiguous(memory_format=memory_format)
    close = {"rtol": 0, "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(found.detach().cpu().double(), expected.detach(), **close)
    torch.testing.assert_close(given.grad.cpu().double(), exact.grad, **close)
