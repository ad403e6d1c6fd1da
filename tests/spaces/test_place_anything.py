"""A space is written once: what stands at its sites is decided elsewhere, in a few lines, for every space alike."""

import inspect

import pytest
import torch
from torch import nn

from trueshot.sharing import Active, SinglePath, Supernet
from trueshot.sharing import single_path as plain
from trueshot.spaces import Chain, Topology

SPACES = {
    "chain": Chain(
        image_size=16, classes=5, layers=((8, 1), (8, 2), (12, 1)), stem_width=8, fixed_width=8, head_width=16
    ),
    "topology": Topology(image_size=16, classes=5, nodes=(2, 2, 2), widths=(8, 12, 16), head_width=16),
}
any_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


class Mixture(nn.Module):
    """All candidates of a site, summed with the weights of its decision; one number for each option."""

    def __init__(self, site):
        super().__init__()
        self.name = site.decision
        built = {name: None if make is None else make() for name, make in site.candidates.items()}
        self.present = [(index, name) for index, (name, module) in enumerate(built.items()) if module is not None]
        self.candidates = nn.ModuleDict({name: module for name, module in built.items() if module is not None})

    def forward(self, x, weights):
        return sum(weights[self.name][index] * self.candidates[name](x) for index, name in self.present)


class PreviousChoiceBias(nn.Module):
    """Single path whose input gets a bias that depends on this choice and on the one of the decision before."""

    def __init__(self, space, site):
        super().__init__()
        self.gene = space.genes[site.decision]
        self.options, before = len(site.candidates), len(space.decisions[self.gene - 1].options) if self.gene else 1
        self.choice = SinglePath(site, self.gene)
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


@pytest.mark.parametrize("parts", [(Mixture,), (PreviousChoiceBias, Add, biased)], ids=["mixture", "bias"])
def test_each_takes_less_than_40_lines(parts):
    assert sum(len(inspect.getsource(part).splitlines()) for part in parts) < 40


def _sites(body):
    return dict(body.blocks.items() if hasattr(body, "blocks") else body.edges.items())


@any_space
def test_a_one_hot_mixture_is_the_chosen_network(space):
    mixture = space.assemble(Mixture)
    x = torch.randn(4, *space.input_shape)
    for arch in space.sample(5, 1):
        pairs = zip(space.decisions, arch, strict=True)
        names = {decision.name: decision.options[choice] for decision, choice in pairs}
        weights = {d.name: torch.tensor([float(o == names[d.name]) for o in d.options]) for d in space.decisions}
        network = space.network(arch)
        network.stem.load_state_dict(mixture.stem.state_dict())
        network.head.load_state_dict(mixture.head.state_dict())
        for name, module in _sites(network).items():
            module.load_state_dict(_sites(mixture)[name].candidates[names[name]].state_dict())
        torch.testing.assert_close(mixture(x, weights), network(x))


@any_space
def test_every_weight_of_a_mixture_matters(space):
    mixture = space.assemble(Mixture)
    weights = {d.name: torch.full((len(d.options),), 1 / len(d.options), requires_grad=True) for d in space.decisions}
    mixture(torch.randn(4, *space.input_shape), weights).square().sum().backward()
    for decision in space.decisions:
        gradient = weights[decision.name].grad
        present = [option != "none" for option in decision.options]
        assert gradient[present].abs().min() > 0
        assert all(parameter.grad is not None for parameter in mixture.parameters())


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
