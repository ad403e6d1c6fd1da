import pytest
import torch
from torch import nn

from trueshot.operations.nasbench201 import ResidualReduction, average_pool, linear_transformer, relu_conv_bn


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_by_the_published_formulas():
    for width in (16, 32, 64):
        assert count(relu_conv_bn(width, 1)) == width**2 + 2 * width
        assert count(relu_conv_bn(width, 3)) == 9 * width**2 + 2 * width
        assert count(relu_conv_bn(width, 3, affine=False)) == 9 * width**2
        assert count(linear_transformer(width)) == width**2
    assert count(average_pool()) == 0
    assert count(ResidualReduction(16, 32)) == 14_464
    assert count(ResidualReduction(32, 64)) == 57_600


def test_the_input_of_a_convolution_is_left_as_it_was():
    x = torch.randn(2, 4, 5, 5)
    before = x.clone()
    relu_conv_bn(4, 3)(x)
    torch.testing.assert_close(x, before, rtol=0, atol=0)


def test_pooling_averages_over_pixels_of_the_image_only():
    torch.testing.assert_close(average_pool()(torch.ones(1, 2, 4, 4)), torch.ones(1, 2, 4, 4))
    corner = average_pool()(torch.arange(9.0).reshape(1, 1, 3, 3))[0, 0, 0, 0]
    assert corner == pytest.approx((0 + 1 + 3 + 4) / 4)


@pytest.mark.parametrize("size", [16, 7, 1])
def test_reduction_halves_and_ends_without_activation(size):
    block = ResidualReduction(3, 6).eval()
    output = block(torch.randn(4, 3, size, size))
    assert output.shape == (4, 6, -(-size // 2), -(-size // 2))
    assert (output < 0).any()
    assert [type(m) for m in block.shortcut] == [nn.AvgPool2d, nn.Conv2d]
