"""The linear bottleneck against MobileNetV2's definition, written out."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trueshot.operations import LinearBottleneck, conv_bn, initialise


def _norm(x: torch.Tensor, norm: nn.BatchNorm2d) -> torch.Tensor:
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


@pytest.mark.parametrize("expansion", [1, 3, 6])
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize(("stride", "out"), [(1, 4), (1, 6), (2, 4), (4, 6)])
def test_bottleneck_is_expand_filter_project(expansion, kernel, stride, out):
    block = LinearBottleneck(4, out, expansion=expansion, kernel=kernel, stride=stride).eval()
    initialise(block)
    for norm in (m for m in block if isinstance(m, nn.BatchNorm2d)):
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
    convs, norms = ([m for m in block if isinstance(m, kind)] for kind in (nn.Conv2d, nn.BatchNorm2d))
    x = torch.randn(2, 4, 9, 9)
    y, layers = x, list(zip(convs, norms, strict=True))
    if expansion > 1:
        conv, norm = layers.pop(0)
        y = F.relu6(_norm(F.conv2d(y, conv.weight), norm))
    (conv, norm), (last, last_norm) = layers
    filtered = F.conv2d(y, conv.weight, stride=stride, padding=kernel // 2, groups=4 * expansion)
    y = _norm(F.conv2d(F.relu6(_norm(filtered, norm)), last.weight), last_norm)
    y = y + x if stride == 1 and out == 4 else y
    torch.testing.assert_close(block(x), y)
    assert y.shape[2] == math.ceil(9 / stride)


def test_shortcut_can_be_left_out():
    block = LinearBottleneck(4, 4, expansion=3, kernel=3, residual=False).eval()
    x = torch.randn(1, 4, 5, 5)
    torch.testing.assert_close(block(x), nn.Sequential(*block)(x))


def test_input_is_not_changed_in_place():
    x = torch.randn(1, 4, 5, 5)
    kept = x.clone()
    for expansion in (1, 3):
        LinearBottleneck(4, 4, expansion=expansion, kernel=3)(x)
    assert torch.equal(x, kept)


def test_conv_bn_has_no_bias_and_keeps_the_size():
    conv, norm, activation = conv_bn(3, 8, 5)
    assert conv.bias is None
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(activation, nn.ReLU6)
    assert conv(torch.zeros(1, 3, 7, 7)).shape == (1, 8, 7, 7)
    assert len(conv_bn(3, 8, activation=False)) == 2


def test_initialisation_has_the_stated_spread():
    module = nn.Sequential(nn.Conv2d(64, 64, 3, bias=False), nn.BatchNorm2d(64), nn.Linear(500, 400))
    for parameter in module.parameters():
        nn.init.constant_(parameter, 9.0)
    initialise(module)
    conv, norm, linear = module
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.02)
    assert (norm.weight == 1).all()
    assert (norm.bias == 0).all()
    assert linear.weight.abs().max().item() == pytest.approx(1 / math.sqrt(400), rel=0.01)
    assert linear.weight.abs().max() <= 1 / math.sqrt(400)
    assert (linear.bias == 0).all()
