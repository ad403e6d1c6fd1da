"""A space is written once: what stands at its sites is decided elsewhere, in a few lines, for every space alike."""

import inspect
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from loose_ends import LooseEnds
from mixture import Mixed, Mixture

from trueshot.core.errors import ConfigError
from trueshot.sharing import Active, Bias, SinglePath, Supernet
from trueshot.sharing import single_path as plain
from trueshot.spaces import Chain, NasBench201, Topology
from trueshot.spaces.counting import count_params

SPACES = {
    "chain": Chain(
        image_size=16, classes=5, layers=((8, 1), (8, 2), (12, 1)), stem_width=8, fixed_width=8, head_width=16
    ),
    "topology": Topology(image_size=16, classes=5, nodes=(2, 2, 2), widths=(8, 12, 16), head_width=16),
}
CELLS = {
    "nasbench201": NasBench201(image_size=8, classes=5, channels=4, cells=1),
    "loose ends": LooseEnds(),
}
any_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
any_at_all = pytest.mark.parametrize("space", [*SPACES.values(), *CELLS.values()], ids=[*SPACES, *CELLS])


class PreviousChoiceBias(nn.Module):
    """Single path whose input gets a bias that depends on this choice and on the one of the decision before."""

    def __init__(self, space, site):
        super().__init__()
        self.gene = space.genes[site.decision]
        self.options, before = len(site.candidates), len(space.decisions[self.gene - 1].options) if self.gene else 1
        self.choice = SinglePath(site, space.chooser(site))
        size = (1, site.in_channels, 1, 1)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(size)) for _ in range(before * self.options))

    def bias(self, arch):
        return self.biases[(arch[self.gene - 1] if self.gene else 0) * self.options + arch[self.gene]]

    def forward(self, x, arch):
        return self.choice(x + self.bias(arch), arch)

    def active(self, arch):
        own, chosen = self.choice.active(arch), self.choice.chosen(arch)
        return own if chosen is None else Active((self.bias(arch), *own.parameters), own.norms)

    def chosen(self, arch):
        chosen = self.choice.chosen(arch)
        return None if chosen is None else nn.Sequential(Add(self.bias(arch)), chosen)


class Add(nn.Module):
    """Add a learned tensor."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return x + self.value


def biased(space):
    """Share by single path with the bias."""
    return lambda site: PreviousChoiceBias(space, site)


@pytest.mark.parametrize("parts", [(Mixture, Mixed), (PreviousChoiceBias, Add, biased)], ids=["mixture", "bias"])
def test_each_takes_less_than_40_lines(parts):
    assert sum(len(inspect.getsource(part).splitlines()) for part in parts) < 40


def _sites(body):
    return dict(body.blocks.items() if hasattr(body, "blocks") else body.edges.items())


@any_at_all
def test_a_one_hot_mixture_is_the_chosen_network(space):
    net = Supernet(space, Mixed)
    x = torch.randn(4, *space.input_shape)
    for arch in space.sample(5, 1):
        network = net.network(arch)
        assert count_params(network) == count_params(space.network(arch))
        assert torch.equal(net(x, *net.context_of(arch)), network(x))


@any_at_all
def test_every_weight_of_a_mixture_matters(space):
    net = Supernet(space, Mixed)
    sizes = {site.key: tuple(site.candidates) for site in space.all_sites}
    weights = {key: torch.full((len(names),), 1 / len(names), requires_grad=True) for key, names in sizes.items()}
    (net(torch.randn(4, *space.input_shape), weights) ** 2).sum().backward()
    for key, names in sizes.items():
        present = [name != "none" for name in names]
        assert weights[key].grad[present].abs().min() > 0
    used = {id(parameter) for parameter in net.active(weights).parameters}
    assert used == {id(parameter) for parameter in net.parameters() if parameter.grad is not None}


@any_space
def test_the_row_that_a_mixture_favours_is_that_of_most_weight(space):
    net = Supernet(space, Mixed)
    for arch in space.sample(5, 2):
        (weights,) = net.context_of(arch)
        assert (space.derive({key: 0.1 + 0.5 * values for key, values in weights.items()}) == arch).all()
    key, values = next(iter(weights.items()))
    with pytest.raises(ConfigError, match=rf"has {len(values)} weights at site '{key}', not an array of shape \(1,\)"):
        space.derive({**weights, key: values[:1]})


@any_space
def test_weights_that_depend_on_choices_do_not_stand_over_a_mixture(space):
    with pytest.raises(ConfigError, match="depend on an architecture, but what Mixed places does not"):
        Bias(over=Mixed)(space)


def _twins(space):
    """Return the plain supernet and one with biases, with the same weights."""
    net, other = Supernet(space, plain), Supernet(space, biased)
    state = {name.replace(".candidates.", ".choice.candidates."): value for name, value in net.state_dict().items()}
    missing, unexpected = other.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(".biases." in name for name in missing)
    return net, other


@any_space
def test_a_zero_bias_is_the_plain_supernet_exactly(space):
    net, other = _twins(space)
    x = torch.randn(4, *space.input_shape)
    for arch in space.sample(5, 2):
        assert torch.equal(net(x, arch), other(x, arch))


@any_space
def test_the_bias_of_a_pair_changes_that_pair_only_and_goes_into_the_network(space):
    net, other = _twins(space)
    x = torch.randn(4, *space.input_shape)
    first = space.sample(1, 0)[0]
    second = first.copy()
    second[0] = (first[0] + 1) % space.options[0]
    gene = space.decisions[1].name
    with torch.no_grad():
        _sites(other.body)[gene].bias(first).normal_()
    assert not torch.equal(net(x, first), other(x, first))
    assert torch.equal(net(x, second), other(x, second))
    network, expected = other.network(first), other(x, first)
    torch.testing.assert_close(network(x), expected)
    other(x, first).sum().backward()
    used = {id(parameter) for parameter in other.active(first).parameters}
    assert used == {id(parameter) for parameter in other.parameters() if parameter.grad is not None}
