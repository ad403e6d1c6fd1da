import pytest
import torch
from torchvision.models import MobileNetV2
from torchvision.models.mobilenetv2 import _make_divisible

from trueshot.operations.mobilenetv2 import make_divisible, mobilenet_v2


@pytest.mark.parametrize("width", [1.0, 0.5, 1.4])
def test_it_is_torchvisions_network(width):
    theirs = MobileNetV2(num_classes=11, width_mult=width, dropout=0.0).eval()
    ours = mobilenet_v2(width=width, classes=11).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(ours(images), theirs(images))


def test_rounding_is_torchvisions():
    for divisor in (1, 2, 4, 8):
        for tenth in range(1, 2000):
            assert make_divisible(tenth / 10, divisor) == _make_divisible(tenth / 10, divisor)


def test_grey_images_small_strides_and_a_narrow_head():
    network = mobilenet_v2(
        width=0.25, classes=4, in_channels=1, stem_stride=1, strides=(1, 1, 1, 2, 1, 2, 1), head_width=64
    )
    assert network(torch.randn(2, 1, 8, 8)).shape == (2, 4)
    assert network.classifier[1].in_features == 64
