"""Shapes on the meta device are those of real tensors, found without PyTorch's compiler."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trueshot.operations.activation import ReLU6
from trueshot.spaces.meta import on_meta

MODULES = {
    "batch norm": lambda: nn.BatchNorm2d(6),
    "activations": lambda: nn.Sequential(nn.ReLU(), ReLU6(), nn.Hardswish(), nn.Sigmoid(), nn.Dropout(0.5)),
    "pool": lambda: nn.AvgPool2d(2, ceil_mode=True),
    "to one pixel": lambda: nn.AdaptiveAvgPool2d(1),
    "to a side": lambda: nn.AdaptiveAvgPool2d((2, None)),
    "classifier": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)),
    "no bias": lambda: nn.Linear(7, 3, bias=False),
    "convolution": lambda: nn.Conv2d(6, 4, 3, stride=2, padding=1, groups=2),
}


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_modules_give_the_shapes_that_they_give_on_images(make):
    expected = make().eval()(torch.randn(2, 6, 5, 7))
    with on_meta():
        module = make().eval()
        found = module(torch.empty(2, 6, 5, 7))
        again = module(torch.empty(2, 6, 5, 7))
    assert found.is_meta
    assert found.shape == again.shape == expected.shape
    assert all(parameter.is_meta for parameter in module.parameters())


def test_sums_products_and_joins():
    a, b = torch.randn(2, 3, 4, 4), torch.randn(3, 1, 1)
    uses = (
        lambda x, y: x + y,
        lambda x, y: y * x,
        lambda x, y: x - y,
        lambda x, y: x.add(y),
        lambda x, y: 2 * x + 1,
        lambda x, y: torch.cat([x, x], dim=1),
        lambda x, y: torch.cat((y, y, y)),
        lambda x, y: F.relu(x).mean(dim=(2, 3)),
    )
    for use in uses:
        with on_meta():
            found = use(torch.empty_like(a, device="meta"), torch.empty_like(b, device="meta"))
        assert found.is_meta
        assert found.shape == use(a, b).shape


def test_tensors_with_values_keep_them():
    values = torch.arange(3.0)
    with on_meta():
        assert torch.equal(values + values, 2 * torch.arange(3.0, device="cpu"))
        assert torch.equal(torch.cat([values, values]).relu(), torch.tensor([0.0, 1, 2, 0, 1, 2], device="cpu"))
        assert nn.init.ones_(values).tolist() == [1.0, 1.0, 1.0]


def test_spaces_are_costed_without_the_compiler():
    script = """
import sys
from trueshot.cli.space import describe, supernet_parts
from trueshot.spaces import Chain, NasBench201, Topology
for space in (Chain(), Topology(), NasBench201()):
    describe(space), supernet_parts(space)
print([name for name in ("torch._dynamo", "torchvision", "pandas", "timm") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
