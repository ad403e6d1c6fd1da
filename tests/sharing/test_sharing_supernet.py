"""The single-path supernet against the stand-alone network with copied weights."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from trueshot.core.errors import ConfigError
from trueshot.sharing import Shared, Supernet, single_path
from trueshot.spaces import Chain, Site, Space, Topology

SPACES = {
    "chain": Chain(
        image_size=16, classes=5, layers=((8, 1), (8, 2), (12, 1)), stem_width=8, fixed_width=8, head_width=16
    ),
    "topology": Topology(image_size=16, classes=5, nodes=(1, 2, 2), widths=(8, 12, 16), head_width=16),
    "no-residual": Topology(image_size=8, classes=3, nodes=(4,), widths=(6,), head_width=8, residual=False),
}
any_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def _sites(body: nn.Module) -> nn.ModuleDict:
    return body.blocks if hasattr(body, "blocks") else body.edges


def _standalone(net: Supernet, arch: np.ndarray) -> tuple[nn.Module, dict[str, str]]:
    """Slow oracle: build ``arch`` by the space alone and copy each weight by name; return where each came from."""
    space, network = net.space, net.space.network(arch)
    source, names = net.body.state_dict(), {}
    for decision, choice in zip(space.decisions, arch, strict=True):
        if decision.options[choice] != "none":
            place = "blocks" if hasattr(net.body, "blocks") else "edges"
            index = sum(option != "none" for option in decision.options[:choice])
            names[f"{place}.{decision.name}"] = f"{place}.{decision.name}.candidates.{index}"
    full = {}
    for name in network.state_dict():
        site = next((site for site in names if name.startswith(f"{site}.")), None)
        full[name] = name if site is None else names[site] + name[len(site) :]
    network.load_state_dict({name: source[origin] for name, origin in full.items()})
    return network, full


def _shake(net: Supernet) -> Supernet:
    """Give BatchNorm statistics and weights that differ from their start."""
    for norm in (m for m in net.modules() if isinstance(m, _BatchNorm)):
        nn.init.normal_(norm.running_mean, std=0.2)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
    return net


@any_space
@pytest.mark.parametrize("train", [True, False])
def test_output_gradients_and_statistics_equal_the_standalone_network(space, train):
    net = _shake(Supernet(space, single_path)).train(train)
    x, y = torch.randn(6, *space.input_shape), torch.randint(space.classes, (6,))
    for arch in space.sample(4, 0):
        network, names = _standalone(net, arch)
        network.train(train)
        net.zero_grad(set_to_none=True)
        logits, expected = net(x, arch), network(x)
        assert torch.equal(logits, expected)
        F.cross_entropy(logits, y).backward()
        F.cross_entropy(expected, y).backward()
        shared = dict(net.body.named_parameters())
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(shared[names[name]].grad, parameter.grad)
        state = net.body.state_dict()
        for name, value in network.state_dict().items():
            assert torch.equal(state[names[name]], value), name


@any_space
def test_only_what_is_active_gets_gradients_and_new_statistics(space):
    net = Supernet(space, single_path)
    x = torch.randn(6, *space.input_shape)
    norms = [m for m in net.modules() if isinstance(m, _BatchNorm)]
    for arch in space.sample(6, 1):
        net.zero_grad(set_to_none=True)
        before = {id(norm): norm.num_batches_tracked.item() for norm in norms}
        net(x, arch).square().sum().backward()
        active = net.active(arch)
        with_gradient = [id(p) for p in net.parameters() if p.grad is not None]
        assert len(active.parameters) == len(set(map(id, active.parameters)))
        assert {id(p) for p in active.parameters} == set(with_gradient)
        ran = {id(norm) for norm in norms if norm.num_batches_tracked.item() > before[id(norm)]}
        assert {id(norm) for norm in active.norms} == ran
        assert sum(p.numel() for p in active.parameters) == space.cost(arch[None]).params[0]


@any_space
def test_network_takes_the_weights_along_and_leaves_the_supernet_alone(space):
    net = _shake(Supernet(space, single_path)).eval()
    state = copy.deepcopy(net.state_dict())
    x = torch.randn(3, *space.input_shape)
    for arch in space.sample(3, 2):
        torch.manual_seed(0)
        network = net.network(arch)
        assert torch.rand(()) == torch.rand((), generator=torch.Generator().manual_seed(0))
        assert torch.equal(network(x), net(x, arch))
        assert not network.training
        for parameter in network.parameters():
            parameter.data.fill_(float("nan"))
    for name, value in net.state_dict().items():
        assert torch.equal(value, state[name])


@any_space
def test_a_deep_copy_is_independent(space):
    net = Supernet(space, single_path)
    other = copy.deepcopy(net)
    arch = space.sample(1, 3)[0]
    assert not {id(p) for p in other.active(arch).parameters} & {id(p) for p in net.parameters()}
    assert {id(p) for p in other.active(arch).parameters} <= {id(p) for p in other.parameters()}


@any_space
def test_an_architecture_is_any_row_of_integers(space):
    net = Supernet(space, single_path).eval()
    x = torch.randn(1, *space.input_shape)
    row = space.sample(1, 4)[0]
    for arch in (row.astype(np.int64), row.tolist(), tuple(row.tolist())):
        assert torch.equal(net(x, arch), net(x, row))


def test_parameters_are_registered_once_and_survive_a_state_dict():
    space = SPACES["topology"]
    first, second = Supernet(space, single_path), Supernet(space, single_path)
    assert set(first.state_dict()) == {f"body.{name}" for name in first.body.state_dict()}
    second.load_state_dict(first.state_dict())
    arch = space.sample(1, 0)[0]
    x = torch.randn(2, *space.input_shape)
    assert torch.equal(first(x, arch), second(x, arch))


def test_a_placed_module_may_stand_at_several_sites():
    class Twice(Space):
        def assemble(self, place):
            candidates = {"plain": lambda: nn.Sequential(nn.Conv2d(3, 3, 3, padding=1)), "pool": nn.Identity}
            modules = [
                place(Site(decision="a", candidates=candidates, in_channels=3, out_channels=3)) for _ in range(2)
            ]
            return Body(*modules, classes=self.classes)

    class Body(nn.Module):
        def __init__(self, first, second, *, classes):
            super().__init__()
            self.first, self.second, self.head = first, second, nn.Linear(3, classes)

        def forward(self, x, *context):
            return self.head(self.second(self.first(x, *context), *context).mean((2, 3)))

    space = Twice(image_size=4, classes=2)

    def tied(space):
        memory = {}
        return lambda site: memory.setdefault(site.decision, single_path(space)(site))

    x = torch.randn(2, 3, 4, 4)
    for sharing, convolutions in ((single_path, 2), (tied, 1)):
        net = Supernet(space, sharing).eval()
        assert sum(p.numel() for p in net.parameters()) == convolutions * 84 + 8
        for arch in ([0], [1]):
            assert torch.equal(net.network(arch)(x), net(x, arch))


def test_the_protocol_is_met():
    net = Supernet(SPACES["chain"], single_path)
    assert all(isinstance(module, Shared) for module in _sites(net.body).values())


def test_a_way_of_sharing_that_places_nothing_is_told_in_a_line():
    def forgetful(space):
        return lambda site: None

    with pytest.raises(ConfigError, match=r"sharing forgetful placed None at a site of chain: return an nn.Module"):
        Supernet(SPACES["chain"], forgetful)
