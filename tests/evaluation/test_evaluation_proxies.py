"""Zero-cost proxies against values worked out by hand on tiny networks."""

import numpy as np
import pytest
import torch
from torch import nn

from trueshot.core.random import Streams
from trueshot.evaluation.proxies.az import az
from trueshot.evaluation.proxies.gradients import jacob_cov, of_the_loss, synflow, zen
from trueshot.evaluation.proxies.initial import Workshop
from trueshot.evaluation.proxies.levels import blocks
from trueshot.evaluation.proxies.patterns import naswot, rectifies, swap
from trueshot.evaluation.proxies.sharing import computed_once
from trueshot.evaluation.proxies.spectral import covariance, entropies, trainabilities, transfer
from trueshot.spaces import Chain, NasBench201, Topology
from trueshot.spaces.skeletons import Chain as Blocks

SPACE = NasBench201(image_size=8, channels=4, cells=2)


def maps(*columns):
    """Return a feature map of one image, one row of pixels, by its channels."""
    return torch.tensor(columns, dtype=torch.float32)[None, :, None, :]


def linear(*weights):
    layers = []
    for weight in weights:
        layer = nn.Linear(len(weight[0]), len(weight), bias=False)
        layer.weight.data = torch.tensor(weight)
        layers.append(layer)
    return nn.Sequential(*layers)


def level_network(*modules):
    return Blocks(nn.Identity(), {str(n): m for n, m in enumerate(modules)}, nn.Flatten(), in_channels=1)


def signs(number, shape):
    return torch.randint(2, shape, generator=torch.Generator().manual_seed(number)) * 2.0 - 1.0


def one_step(module, images):
    return az(level_network(module), images, signs)["az-trainability"]


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (([1, 1, -1, -1], [1, -1, 1, -1]), 0.69315),
        (([1, 1, -1, -1], [2, -2, 2, -2]), 0.50040),
        (([1, 1, -1, -1], [1, 1, -1, -1]), 0.0),
        (([8, 8, 6, 6], [1, -1, 1, -1]), 0.69315),
    ],
)
def test_entropy_of_two_channels(channels, expected):
    assert entropies([covariance(maps(*channels))])[0] == pytest.approx(expected, abs=2e-5)


def test_constant_features_have_no_entropy():
    assert np.isnan(entropies([covariance(torch.ones(2, 3, 4, 4))])[0])
    # Of several, each has its own.
    many = [covariance(maps([1, 1, -1, -1], [2, -2, 2, -2])), covariance(torch.zeros(1, 3, 2, 2))]
    assert np.isnan(entropies(many)).tolist() == [False, True]


class _Says(nn.Module):
    """A block whose output is given."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        return self.output + 0 * x.sum()


def test_expressivity_adds_levels_and_progressivity_is_their_least_growth():
    first, second = maps([1, 1, -1, -1], [2, -2, 2, -2]), maps([1, 1, -1, -1], [1, -1, 1, -1])
    third = maps([1, 1, -1, -1], [1, 1, -1, -1])
    found = az(level_network(_Says(second), _Says(third)), first, None)
    assert found == {
        "az-expressivity": pytest.approx(1.19355, abs=2e-5),
        "az-progressivity": pytest.approx(-0.69315, abs=2e-5),
    }


class _Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def test_trainability_of_one_channel():
    images = torch.randn(3, 1, 2, 2)
    assert one_step(_Times(2.0), images) == pytest.approx(-0.5, abs=1e-5)
    assert one_step(_Times(-1.0), images) == pytest.approx(0.0, abs=2e-6)
    assert one_step(nn.Identity(), images) == -np.inf
    assert one_step(nn.AvgPool2d(2, divisor_override=1), images) == pytest.approx(-0.5, abs=1e-5)
    assert one_step(nn.AvgPool2d(2), images) == pytest.approx(-0.5, abs=1e-5)
    # The top left pixel of four: as a matrix (1, 0, 0, 0), whose singular value is 1.
    assert one_step(nn.MaxPool2d(1, stride=2), images) == pytest.approx(0.0, abs=2e-6)
    # No gradient comes through.
    assert one_step(_Says(torch.randn(3, 1, 2, 2)), images) == pytest.approx(2 - 1e6)


def test_blocks_that_pass_everything_are_left_out_of_the_mean():
    images = torch.randn(3, 1, 2, 2)
    both = az(level_network(nn.Identity(), _Times(2.0)), images, signs)
    assert both["az-trainability"] == pytest.approx(-0.5, abs=1e-5)
    # A block that changes the shape says nothing of whether all others are identities.
    halved = az(level_network(nn.Identity(), nn.AvgPool2d(2)), images, signs)
    assert halved["az-trainability"] == -np.inf


def test_transfer_against_the_plain_formula():
    g_in, g_out = torch.randn(2, 3, 5, 5), torch.randn(2, 4, 3, 3)
    padded = torch.zeros(2, 3, 6, 6)
    padded[:, :, :5, :5] = g_in
    expected = torch.zeros(12, 4, dtype=torch.float64)
    for image in range(2):
        for y in range(3):
            for x in range(3):
                patch = padded[image, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].reshape(-1).double()
                expected += torch.outer(patch, g_out[image, :, y, x].double()) / 18
    found = transfer(g_in, g_out)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    sigma = float(torch.linalg.svdvals(expected)[0])
    assert trainabilities([found])[0] == pytest.approx(2 - sigma - 1 / (sigma + 1e-6), abs=1e-5)


def test_blocks_are_those_of_the_whole_network():
    row = SPACE.parse("|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|none~0|nor_conv_1x1~1|nor_conv_3x3~2|")
    network = Workshop(SPACE, torch.device("cpu")).network(tuple(row.tolist()), Streams(0)).draw("he")
    images = torch.randn(4, 3, 8, 8)
    found = list(blocks(network, images, differentiable=True))
    names = network.node_names()
    assert len(found) == 1 + 6 + 2 == len(names)
    whole = network.intermediates(images, network.levels)
    for block, value in zip(found, whole, strict=True):
        torch.testing.assert_close(block.after, value)
    # The gradient of one block alone, against that of the module.
    reduction = network.layers["reduce1"]
    before = found[2].after.detach().requires_grad_(True)
    g_out = torch.randn_like(found[3].after)
    (expected,) = torch.autograd.grad(reduction(before), before, g_out)
    (gradient,) = torch.autograd.grad(found[3].after, found[3].before, g_out)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("batch", [3, 20, 40, 70])
def test_patterns_of_a_tiny_network(batch):
    network = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.ReLU())
    network[0].weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
    images = torch.tensor([[1.0, -1.0], [-1.0, -1.0], [2.0, 3.0]]).view(3, 1, 1, 2)
    assert swap(network, images) == 4
    assert naswot(network, images) == pytest.approx(np.log(32.0))
    repeated = images[[0, 0, 1, 2]]
    assert swap(network, repeated) == 4
    assert naswot(network, repeated) == -np.inf
    # Many images: patterns are longer than a word.
    many = torch.randn(batch, 1, 3, 4)
    on = (network(many) > 0).flatten(1)
    assert swap(network, many) == len({tuple(column) for column in on.T.tolist()})


def test_activation_kernel_against_the_plain_formula():
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 1), nn.ReLU6())
    images = torch.randn(7, 3, 6, 6)
    first = network[1](network[0](images))
    kernel = np.zeros((7, 7))
    for output in (first, network[3](network[2](first))):
        on = (output > 0).flatten(1).double().detach().numpy()
        kernel += on @ on.T + (1 - on) @ (1 - on).T
    assert naswot(network, images) == pytest.approx(np.linalg.slogdet(kernel)[1])
    assert rectifies(network)
    assert not rectifies(nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sigmoid()))


def test_gradient_of_the_loss():
    found = of_the_loss(linear([[1.0], [1.0]]), torch.tensor([[2.0]]), torch.tensor([0]))
    assert found == pytest.approx({"grad_norm": 2**0.5, "snip": 2.0, "fisher": 1.0})
    # Two layers add up, and what the loss does not depend on adds nothing.
    network = linear([[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.1], [-0.3, 0.2]])
    images, labels = torch.randn(4, 2), torch.tensor([0, 1, 1, 0])
    loss = nn.functional.cross_entropy(network(images), labels)
    grads = torch.autograd.grad(loss, [layer.weight for layer in network])
    network.spare = nn.Linear(3, 3)
    network.forward = lambda x: network[1](network[0](x))
    assert of_the_loss(network, images, labels)["grad_norm"] == pytest.approx(sum(float(g.norm()) for g in grads))


def test_fisher_of_a_convolution():
    layer = nn.Conv2d(2, 3, 2, bias=False)
    head = nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images, labels = torch.randn(5, 2, 4, 4), torch.tensor([0, 1, 2, 0, 1])
    output = layer(images)
    logits = output.mean(dim=(2, 3))
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(logits, labels), output)
    expected = 0.5 * ((output * gradient).sum(dim=(2, 3)) ** 2).mean(dim=0).sum() * 2 * 4
    assert of_the_loss(head, images, labels)["fisher"] == pytest.approx(float(expected.detach()), rel=1e-4)


def test_synaptic_flow():
    assert synflow(nn.Sequential(*linear([[1.0], [-2.0]]), nn.ReLU(), *linear([[3.0, -1.0]])), torch.ones(1, 1)) == 10.0

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.v = linear([[2.0]])[0], linear([[3.0]])[0]

        def forward(self, x):
            return self.v(x + self.w(x))

    assert synflow(Residual(), torch.ones(1, 1)) == 15.0
    bounded = nn.Sequential(*linear([[20.0]]), nn.ReLU6(), *linear([[-3.0]]))
    assert synflow(bounded, torch.ones(1, 1)) == 120.0
    assert bounded[1](torch.tensor(7.0)) == 6.0


def test_correlation_of_input_gradients():
    class Square(nn.Module):
        def forward(self, x):
            return (x**2).sum(dim=1) / 2

    # The gradient of each image is the image itself.
    assert jacob_cov(Square(), torch.tensor([[1.0, 2.0, 4.0], [2.0, 4.0, 8.0]])) == pytest.approx(-99_989.68, rel=1e-4)
    independent = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])
    assert jacob_cov(Square(), independent) == pytest.approx(-2.0, abs=1e-4)
    assert np.isnan(jacob_cov(Square(), torch.zeros(2, 4)))
    assert np.isnan(jacob_cov(_Says(torch.zeros(2, 4)), torch.zeros(2, 4)))


def test_zen_of_a_convolution():
    network = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    noise, other = torch.randn(2, 4, 1, 3, 3).unbind()

    def normalised(x):
        y = network[0](x)
        return (y - y.mean((0, 2, 3), keepdim=True)) / (y.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt(), y

    (first, a), (second, b) = normalised(noise), normalised(noise + 0.01 * other)
    running = 0.9 * (0.9 + 0.1 * a.var((0, 2, 3))) + 0.1 * b.var((0, 2, 3))
    expected = (first - second).abs().flatten(1).sum(1).mean().log() + 0.5 * running.mean().log()
    assert zen(network, noise, other) == pytest.approx(float(expected.detach()), rel=1e-4)


def test_rectifiers_and_averages_of_a_node_are_computed_once_and_alike():
    row = np.array([3, 2, 4, 3, 2, 4], dtype=np.uint8)
    network = Workshop(SPACE, torch.device("cpu")).network(tuple(row.tolist()), Streams(0)).draw("default")
    images = torch.randn(8, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    plain = az(network, images, signs), swap(network, images), naswot(network, images)
    with computed_once(network):
        shared = az(network, images, signs), swap(network, images), naswot(network, images)
    assert shared[0] == pytest.approx(plain[0], rel=1e-4)
    assert shared[1:] == (pytest.approx(plain[1], rel=0.01), pytest.approx(plain[2], rel=1e-4))
    assert all("forward" not in vars(module) for module in network.modules())


@pytest.mark.parametrize(
    "space",
    [
        SPACE,
        Topology(nodes=(1, 2), widths=(4, 6), kernels=(3,), head_width=8, image_size=8, classes=4),
        Chain(image_size=8, classes=4, layers=((6, 1), (8, 2)), stem_width=6, fixed_width=6, head_width=8),
    ],
)
def test_networks_of_the_workshop_compute_what_their_weights_say(space):
    workshop = Workshop(space, torch.device("cpu"))
    images = torch.randn(4, 3, 8, 8)
    for row in space.sample(3, 0):
        fresh = workshop.network(tuple(row.tolist()), Streams(1))
        for scheme, spread in (("normal", lambda n: 1.0), ("he", lambda n: (2 / n) ** 0.5), ("default", None)):
            network = fresh.draw(scheme, statistics=True)
            with torch.random.fork_rng():
                ordinary = space.network(row).train()
            ordinary.load_state_dict(network.state_dict())
            torch.testing.assert_close(network(images), ordinary(images))
            head = network.head[-1]
            if spread is not None:
                assert float(head.weight.std()) == pytest.approx(spread(head.in_features), rel=0.5)
                assert not head.bias.any()
            else:
                assert float(head.weight.abs().max()) <= head.in_features**-0.5
        again = Workshop(space, torch.device("cpu")).network(tuple(row.tolist()), Streams(1)).draw("default")
        assert all(
            torch.equal(a, b) for a, b in zip(again.parameters(), fresh.draw("default").parameters(), strict=True)
        )
