"""Zero-cost proxies against values worked out by hand on tiny networks."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trueshot.core.errors import ConfigError, DataError, TrainingError
from trueshot.core.random import Streams
from trueshot.evaluation import ZERO_COST_PROXIES, Evaluator, Mean, ZeroCost
from trueshot.evaluation.zero_cost import grad_norm, jacob_cov, naswot, snip, synflow
from trueshot.spaces import Chain, NasBench201

SPACE = NasBench201(image_size=8, channels=4, cells=1)
BATCH = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 10
any_proxy = pytest.mark.parametrize("proxy", ZERO_COST_PROXIES)


def _linear(*weights):
    layers = []
    for weight in weights:
        layer = nn.Linear(len(weight[0]), len(weight), bias=False)
        layer.weight.data = torch.tensor(weight)
        layers.append(layer)
    return nn.Sequential(*layers)


def test_synflow_of_a_linear_network_is_the_product_once_for_each_layer():
    first, second, third = [[1.0, -2.0], [3.0, 4.0]], [[-1.0, 1.0], [0.5, 2.0]], [[1.0, -3.0]]
    network = _linear(first, second, third)
    # |W1| 1 = (3, 7); |W2| of it = (10, 15.5); |W3| of it = 56.5, counted in each of the three layers.
    assert synflow(network, torch.randn(5, 2), torch.zeros(5)) == pytest.approx(3 * 56.5)


def test_synflow_passes_norms_and_bounds_by():
    plain = _linear([[20.0]], [[-3.0]])
    other = nn.Sequential(plain[0], nn.BatchNorm1d(1), nn.ReLU6(), plain[1])
    other[1].running_mean.fill_(5.0)
    assert synflow(other, torch.ones(1, 1), torch.zeros(1)) == pytest.approx(120.0)
    convolution = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, bias=False), nn.Flatten())
    nn.init.constant_(convolution[0].weight, -1.0)
    # A 2 x 2 image of ones: each of the four outputs sees four of them.
    assert synflow(convolution, torch.zeros(3, 1, 2, 2), torch.zeros(3)) == pytest.approx(16.0)


def test_gradient_norm_and_snip_of_a_linear_classifier():
    images, labels = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([0, 1])
    weight = torch.tensor([[0.3, -0.2], [0.1, 0.5]])
    # By hand: dL/dW = mean of (softmax - one hot) outer image.
    gradient = torch.zeros(2, 2)
    for x, y in zip(images, labels, strict=True):
        gradient += torch.outer(torch.softmax(weight @ x, 0) - F.one_hot(y, 2), x) / 2
    network = _linear(weight.tolist())
    assert grad_norm(network, images, labels) == pytest.approx(float(gradient.norm()), rel=1e-5)
    network.zero_grad()
    assert snip(network, images, labels) == pytest.approx(float((weight * gradient).abs().sum()), rel=1e-5)


def test_layers_add_up_and_what_is_not_used_counts_nothing():
    network = _linear([[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.1], [-0.3, 0.2]])
    network.spare = nn.Linear(3, 3)
    network.forward = lambda x: network[1](network[0](x))
    images, labels = torch.randn(4, 2), torch.tensor([0, 1, 1, 0])
    both = grad_norm(network, images, labels)
    assert both == pytest.approx(sum(float(network[i].weight.grad.norm()) for i in (0, 1)), rel=1e-5)


def test_activation_patterns_of_a_rectified_layer():
    network = nn.Sequential(*_linear([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 0.0]]), nn.ReLU())
    images = torch.tensor([[1.0, 1.0], [1.0, -2.0], [-1.0, -1.0]])
    # On: 1110, 1000, 0001; alike in 4, 2, 0 / 4, 2 / 4 places.
    kernel = np.array([[4, 2, 0], [2, 4, 2], [0, 2, 4]])
    assert naswot(network, images, torch.zeros(3)) == pytest.approx(np.log(np.linalg.det(kernel)))
    # Equal patterns have no volume: the floor keeps the score finite.
    assert naswot(network, images[[0, 0, 2]], torch.zeros(3)) < np.log(1e-6) + 5


def test_correlation_of_input_gradients():
    class Square(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return self.scale * (x**2).sum(dim=1) / 2

    # The gradient of each image is the image itself.
    images = torch.tensor([[1.0, 2.0, 4.0], [2.0, 0.0, -1.0], [0.0, 5.0, 1.0]])
    values = np.linalg.eigvalsh(np.corrcoef(images.numpy())).clip(0) + 1e-5
    expected = -(np.log(values) + 1 / values).sum()
    assert jacob_cov(Square(), images, torch.zeros(3)) == pytest.approx(expected, rel=1e-3)
    independent = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])
    alike = torch.tensor([[1.0, -1.0, 0.0, 0.0], [1.0, -1.0, 0.1, -0.1]])
    assert jacob_cov(Square(), independent, torch.zeros(2)) == pytest.approx(-2.0, abs=1e-3)
    assert jacob_cov(Square(), alike, torch.zeros(2)) < -50
    dead = torch.zeros(2, 4)
    assert jacob_cov(Square(), dead, torch.zeros(2)) < jacob_cov(Square(), alike, torch.zeros(2))


@any_proxy
def test_scores_are_pure_in_row_and_seed(proxy):
    evaluator = ZeroCost(SPACE, proxy, BATCH, Streams(0))
    assert isinstance(evaluator, Evaluator)
    archs = SPACE.sample(4, 0)
    torch.manual_seed(1)
    scores = evaluator(archs)
    assert np.isfinite(scores).all()
    assert torch.rand(()) == torch.rand((), generator=torch.Generator().manual_seed(1))
    np.testing.assert_array_equal(evaluator(archs[::-1]), scores[::-1])
    np.testing.assert_array_equal(evaluator(archs[2:3]), scores[2:3])
    other = ZeroCost(SPACE, proxy, BATCH, Streams(1))
    assert (other(archs) != scores).any()
    assert other.digest != evaluator.digest
    np.testing.assert_allclose(Mean([evaluator, other])(archs), (scores + other(archs)) / 2)
    assert evaluator(archs[:0]).shape == (0,)


@any_proxy
def test_a_network_that_leads_nowhere_scores_no_higher_than_a_convolutional_one(proxy):
    evaluator = ZeroCost(SPACE, proxy, BATCH, Streams(0))
    dead, alive = evaluator(np.array([[0] * 6, [3] * 6], dtype=np.uint8))
    assert np.isfinite([dead, alive]).all()
    assert dead < alive


@any_proxy
def test_proxies_work_on_the_chain(proxy):
    space = Chain(
        image_size=8, classes=4, layers=((6, 1), (8, 2)), stem_width=6, fixed_width=6, head_width=8, dropout=0.2
    )
    scores = ZeroCost(space, proxy, (BATCH[0], BATCH[1] % 4), Streams(0))(space.sample(3, 0))
    assert len(set(scores.tolist())) == 3


def test_digests_tell_proxies_and_images_apart():
    digests = {ZeroCost(SPACE, proxy, BATCH, Streams(0)).digest for proxy in ZERO_COST_PROXIES}
    digests.add(ZeroCost(SPACE, "snip", (BATCH[0][:4], BATCH[1][:4]), Streams(0)).digest)
    assert len(digests) == len(ZERO_COST_PROXIES) + 1


def test_bad_input_is_refused():
    with pytest.raises(ConfigError, match="'magic' is no zero-cost proxy: choose one of synflow"):
        ZeroCost(SPACE, "magic", BATCH, Streams(0))
    with pytest.raises(DataError, match="two images or more, not 1"):
        ZeroCost(SPACE, "snip", (BATCH[0][:1], BATCH[1][:1]), Streams(0))
    broken = BATCH[0].clone().fill_(float("nan")), BATCH[1]
    with pytest.raises(TrainingError, match=r"snip of architecture \|nor_conv_3x3~0\|.* is nan"):
        ZeroCost(SPACE, "snip", broken, Streams(0))(np.array([[3] * 6], dtype=np.uint8))
