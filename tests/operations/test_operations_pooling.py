import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from trueshot.operations import pooling
from trueshot.operations.pooling import AveragePool, average

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


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("pool", [AveragePool(), average], ids=["module", "depth-wise"])
def test_averages_and_gradients_are_those_of_pytorch(pool, shape, memory_format, dtype):
    check(pool, shape, memory_format, dtype)


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
def test_gradients_of_gradients(memory_format):
    images = torch.randn(2, 2, 3, 2, dtype=torch.float64).contiguous(memory_format=memory_format).requires_grad_()
    assert torch.autograd.gradcheck(average, images)
    assert torch.autograd.gradgradcheck(average, images)


def test_what_was_cached_in_inference_mode_serves_training():
    with torch.inference_mode():
        average(torch.ones(1, 5, 6, 3))
    images = torch.ones(1, 5, 6, 3, requires_grad=True)
    (average(images) * images).sum().backward()
    assert images.grad is not None


def test_autocast_leaves_the_precision_alone():
    images = torch.randn(1, 4, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(average(images), average(images).float())
        assert average(images).dtype == torch.float32


def test_the_module_has_no_state_and_prints_as_pooling():
    pool = AveragePool()
    assert not pool.state_dict()
    assert isinstance(pool, nn.AvgPool2d)
    assert "kernel_size=3, stride=1, padding=1" in repr(pool)


def test_the_switch_decides_what_processors_run(monkeypatch):
    images = torch.randn(2, 4, 8, 8)
    assert torch.equal(AveragePool()(images), REFERENCE(images))
    monkeypatch.setattr(pooling, "DEPTHWISE_ON_CPU", True)
    assert torch.equal(AveragePool()(images), average(images))


INTERPRETED = """
import contextlib, os, sys
os.environ["TRITON_INTERPRET"] = "1"
sys.path.insert(0, {folder!r})
import torch
torch.cuda.device = lambda _: contextlib.nullcontext()
from test_operations_pooling import FORMATS, SHAPES, TOLERANCE, check
from trueshot.operations.pooling_cuda import average
for memory_format in FORMATS:
    for shape, dtype in zip(SHAPES, TOLERANCE):
        check(average, shape, memory_format, dtype)
    images = torch.randn(1, 1, 3, 2, dtype=torch.float64).contiguous(memory_format=memory_format).requires_grad_()
    assert torch.autograd.gradgradcheck(average, images)
"""


def test_the_kernel_run_by_tritons_interpreter():
    pytest.importorskip("triton")
    code = INTERPRETED.format(folder=str(Path(__file__).parent))
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ}, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_gpu_agrees_with_the_processor(shape, memory_format, dtype):
    check(AveragePool(), shape, memory_format, dtype, "cuda")
    check(average, shape, memory_format, dtype, "cuda")
