import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from pooling_checks import FORMATS, REFERENCE, SHAPES, TOLERANCE, check

from trueshot.operations.pooling import AveragePool, average, convolution_wins, summed_and_divided


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("pool", [AveragePool(), average, summed_and_divided], ids=["module", "product", "division"])
def test_averages_and_gradients_are_those_of_pytorch(pool, shape, memory_format, dtype):
    check(pool, shape, memory_format, dtype)


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
@pytest.mark.parametrize("pool", [average, summed_and_divided], ids=["product", "division"])
def test_gradients_of_gradients(pool, memory_format):
    images = torch.randn(2, 2, 3, 2, dtype=torch.float64).contiguous(memory_format=memory_format).requires_grad_()
    assert torch.autograd.gradcheck(pool, images)
    assert torch.autograd.gradgradcheck(pool, images)


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


@pytest.mark.parametrize(
    ("shape", "memory_format", "dtype", "wins"),
    [
        ((256, 8, 16, 16), torch.channels_last, torch.float32, True),
        ((256, 64, 8, 8), torch.channels_last, torch.float32, False),  # many channels
        ((256, 64, 8, 8), torch.contiguous_format, torch.float32, True),
        ((4, 8, 16, 16), torch.channels_last, torch.float32, False),  # few values
        ((4096, 16, 2, 2), torch.contiguous_format, torch.float32, False),  # few pixels
        ((256, 8, 16, 16), torch.channels_last, torch.float64, False),  # not in oneDNN
        ((256, 8, 16, 16), torch.channels_last, torch.bfloat16, False),  # would be rounded twice
    ],
)
def test_processors_convolve_where_that_is_faster(shape, memory_format, dtype, wins, monkeypatch):
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    images = images.contiguous(memory_format=memory_format)
    assert convolution_wins(images) == (wins and torch.backends.mkldnn.is_available())
    monkeypatch.setattr(nn.AvgPool2d, "forward", lambda _, given: torch.full_like(given, 7))
    assert bool((AveragePool()(images) == 7).all()) != convolution_wins(images)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not convolution_wins(images)


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
def test_where_processors_convolve_nothing_changes(memory_format):
    check(AveragePool(), (64, 8, 16, 17), memory_format, torch.float32)
    images = torch.randn(64, 8, 16, 17).contiguous(memory_format=memory_format).requires_grad_()
    # A gradient that comes from a mean over all pixels lies in memory otherwise than the images.
    spread = torch.randn(64, 8, 1, 1).expand(images.shape)
    found, expected = (torch.autograd.grad(pool(images), images, spread)[0] for pool in (AveragePool(), REFERENCE))
    assert found.stride() == expected.stride()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_exports_know_the_average_as_pooling():
    images = torch.randn(64, 8, 16, 16)
    assert convolution_wins(images) or not torch.backends.mkldnn.is_available()
    graph = torch.export.export(AveragePool(), (images,)).graph
    assert [str(node.target) for node in graph.nodes if node.op == "call_function"] == ["aten.avg_pool2d.default"]


INTERPRETED = """
import contextlib, os, sys
os.environ["TRITON_INTERPRET"] = "1"
sys.path.insert(0, {folder!r})
import torch
torch.cuda.device = lambda _: contextlib.nullcontext()
from pooling_checks import FORMATS, SHAPES, TOLERANCE, check
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
