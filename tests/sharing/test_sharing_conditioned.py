"""Vectors on the input of a site: bias, shared bias and attention, in every space."""

import copy

import numpy as np
import pytest
import torch
from sharing_parts import ALL, SPACES, VECTORS, shaken
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from trueshot.core.errors import ConfigError
from trueshot.sampling import StrictlyFair
from trueshot.sharing import (
    NASBENCH201_GRAPH,
    Attention,
    Bias,
    Shared,
    SharedBias,
    SinglePath,
    Supernet,
    single_path,
    split,
)
from trueshot.sharing.attention import Gate
from trueshot.sharing.bias import BiasSum, BiasTable
from trueshot.sharing.conditioned import Conditioned
from trueshot.sharing.priors import Combination
from trueshot.spaces import Chain, Chooser, NasBench201, Site
from trueshot.spaces.site import MayBeAbsent
from trueshot.training.optimizers import decay_groups

any_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
any_vector = pytest.mark.parametrize("sharing", VECTORS.values(), ids=VECTORS)
any_sharing = pytest.mark.parametrize("sharing", ALL.values(), ids=ALL)
PAPER = {"cells": 2, "affine": False}


def _parameters(space, sharing):
    with torch.device("meta"):
        return sum(p.numel() for p in Supernet(space, sharing).parameters())


def test_the_supernets_of_the_paper_have_its_parameters():
    assert _parameters(NasBench201(**PAPER, skip="linear_transformer"), single_path) == 782_938
    assert _parameters(NasBench201(**PAPER), single_path) == 718_426
    assert _parameters(Chain(classes=100), single_path) == 14_839_700


@pytest.mark.parametrize(
    ("sub_space", "extra"),
    [
        ("full", (33_200, 164_400, 812_400)),
        ("no_none", (21_248, 84_224, 333_056)),
        ("only_conv", (5_312, 10_560, 20_928)),
    ],
)
def test_extra_parameters_of_the_bias(sub_space, extra):
    space = NasBench201(**PAPER, sub_space=sub_space)
    plain = _parameters(space, single_path)
    assert tuple(_parameters(space, Bias(depth=depth)) - plain for depth in (1, 2, 3)) == extra


def test_extra_parameters_in_the_chain_and_of_the_other_ways():
    chain = Chain(classes=100)
    assert _parameters(chain, Bias()) - _parameters(chain, single_path) == 61_056
    space = NasBench201(**PAPER)
    plain = _parameters(space, single_path)
    # Twelve edges of each width, all but the very first with something before them; ten options make 16 hidden.
    channels = 12 * (16 + 32 + 64) - 16
    assert _parameters(space, SharedBias()) - plain == 10 * channels
    assert _parameters(space, Attention()) - plain == 11 * channels
    assert _parameters(space, Attention(own=False)) - plain == 6 * channels
    assert _parameters(space, Attention(layers=2)) - plain == 35 * 11 * 16 + 17 * channels


@any_space
@pytest.mark.parametrize("sharing", [Bias(), Bias(depth=3), SharedBias(depth=2)], ids=["1", "3", "shared"])
@pytest.mark.parametrize("train", [True, False])
def test_with_zero_bias_the_supernet_equals_the_plain_one(space, sharing, train):
    torch.manual_seed(0)
    plain = Supernet(space, single_path).train(train)
    torch.manual_seed(0)
    net = Supernet(space, sharing).train(train)
    x = torch.randn(4, *space.input_shape)
    for arch in space.sample(5, 0):
        assert torch.equal(net(x, arch), plain(x, arch))


@any_space
@any_sharing
@pytest.mark.parametrize("train", [True, False])
def test_the_network_computes_the_same_alone(space, sharing, train):
    net = Supernet(space, sharing)
    split(net)
    shaken(net).train(train)
    x, y = torch.randn(6, *space.input_shape), torch.randint(space.classes, (6,))
    for arch in space.sample(3, 1):
        network = net.network(arch).train(train)
        assert not any(isinstance(m, Shared) for m in network.modules())
        net.zero_grad(set_to_none=True)
        with torch.no_grad():
            assert torch.equal(net(x, arch), network(x))
        # Training may fold the vectors into what comes before, which rounds otherwise.
        logits, expected = net(x, arch), network(x)
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
        F.cross_entropy(logits, y).backward()
        F.cross_entropy(expected, y).backward()
        assert _convolution_gradients(net) == pytest.approx(_convolution_gradients(network), rel=1e-4)


def _convolution_gradients(module):
    weights = (m.weight for m in module.modules() if isinstance(m, nn.Conv2d))
    return sorted(float(weight.grad.norm()) for weight in weights if weight.grad is not None)


@any_space
@any_sharing
def test_only_what_is_active_gets_gradients_and_new_statistics(space, sharing):
    net = Supernet(space, sharing)
    split(net)
    x = torch.randn(6, *space.input_shape)
    norms = [m for m in net.modules() if isinstance(m, _BatchNorm)]
    for arch in StrictlyFair(space).sample(6, np.random.default_rng(2)):
        net.zero_grad(set_to_none=True)
        before = {id(norm): norm.num_batches_tracked.item() for norm in norms}
        net(x, arch).square().sum().backward()
        active = net.active(arch)
        assert len(active.parameters) == len(set(map(id, active.parameters)))
        assert {id(p) for p in active.parameters} == {id(p) for p in net.parameters() if p.grad is not None}
        ran = {id(norm) for norm in norms if norm.num_batches_tracked.item() > before[id(norm)]}
        assert {id(norm) for norm in active.norms} == ran


@any_space
@any_sharing
def test_a_deep_copy_is_independent_and_states_travel(space, sharing):
    net = Supernet(space, sharing)
    split(net)
    shaken(net).eval()
    other = copy.deepcopy(net)
    arch = space.sample(1, 3)[0]
    assert {id(p) for p in other.active(arch).parameters} <= {id(p) for p in other.parameters()}
    fresh = Supernet(space, sharing).eval()
    fresh.load_state_dict(net.state_dict())
    x = torch.randn(2, *space.input_shape)
    assert torch.equal(fresh(x, arch), net(x, arch))
    assert torch.equal(other(x, arch), net(x, arch))


def test_the_bias_follows_own_and_previous_choices():
    table = BiasTable(_combination((0, 6), (1, 6)), channels=3)
    assert table.vectors.shape == (6, 6, 1, 3, 1, 1)
    table.vectors.data.copy_(torch.arange(108.0).view(6, 6, 1, 3, 1, 1))
    assert table((2, 5, 0)).flatten().tolist() == table.vectors[2, 5].flatten().tolist() == [51.0, 52.0, 53.0]
    total = BiasSum(_combination((0, 6), (1, 6)), channels=2)
    for vectors in total.vectors:
        vectors.data.copy_(torch.arange(12.0).view(6, 2, 1, 1))
    assert total((2, 5, 0)).flatten().tolist() == [14.0, 16.0]


@pytest.mark.parametrize("layers", [1, 2])
def test_the_gate_is_a_network_on_one_hot_vectors(layers):
    gate = Gate(_combination((1, 3), (0, 5)), 4, layers)
    one_hot = torch.zeros(10)
    one_hot[2] = one_hot[5 + 4] = 1.0
    hidden = gate.first(one_hot)
    expected = torch.sigmoid(hidden if layers == 1 else gate.second[1](F.relu(hidden)))
    torch.testing.assert_close(gate((4, 2))[:, 0, 0], expected)
    assert gate.first.out_features == (4 if layers == 1 else 16)


def test_the_input_is_changed_before_the_candidate():
    space = SPACES["chain"]
    net = Supernet(space, Bias()).eval()
    site = net.body.blocks["1"]
    site.vector.vectors.data.normal_()
    x = torch.randn(2, 8, 4, 4)
    shifted = x + site.vector.vectors[3, 2]
    assert torch.equal(site(x, (3, 2, 0)), site.inner(shifted, (3, 2, 0)))
    assert isinstance(net.body.blocks["0"], SinglePath)


def test_absence_is_forwarded_and_dead_edges_use_nothing():
    space = SPACES["nasbench201"]
    net = Supernet(space, Bias())
    edges = [m for m in net.modules() if isinstance(m, Conditioned)]
    assert all(isinstance(edge, MayBeAbsent) for edge in edges)
    # Only edge 0-3 is live: all others lead nowhere.
    arch = space.parse("|none~0|+|none~0|nor_conv_3x3~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|")
    tables = [p for p in net.active(arch).parameters if p.ndim == 6]
    assert len(tables) == 3
    dead = space.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    assert net(torch.randn(2, 3, 8, 8), dead).shape == (2, 10)
    assert not [p for p in net.active(dead).parameters if p.ndim == 6]


def test_half_precision_stays_half():
    table = BiasTable(_combination((0, 2)), 3)
    inner = SinglePath(_site(), _site().chooser({"a": 0}))
    assert Conditioned(inner, table)(torch.zeros(1, 3, 2, 2, dtype=torch.bfloat16), (0,)).dtype == torch.bfloat16


def _combination(*choices):
    return Combination(tuple(Chooser.of_gene(gene, size) for gene, size in choices))


def _site():
    return Site(decision="a", candidates={"a": nn.Sequential, "b": nn.Sequential}, in_channels=3, out_channels=3)


def test_explicit_priors_of_the_cell():
    space = NasBench201(**PAPER, skip="linear_transformer")
    plain = _parameters(space, single_path)
    channels = 2 * (16 + 32 + 64)
    assert _parameters(space, Bias(priors=NASBENCH201_GRAPH)) - plain == channels * (25 + 25 + 125)


def test_weight_decay_of_the_bias_can_be_switched_off():
    for sharing, exempt in ((Bias(), False), (Bias(weight_decay=False), True), (SharedBias(weight_decay=False), True)):
        net = Supernet(SPACES["chain"], sharing)
        tables = {id(p) for name, p in net.named_parameters() if ".vector." in name}
        assert tables
        decay = {id(p) for group in decay_groups(net, 1e-4) if group["weight_decay"] for p in group["params"]}
        assert tables.isdisjoint(decay) == exempt
        assert tables <= decay or exempt


def test_bad_options_are_refused():
    with pytest.raises(ConfigError, match="1 or 2 layers, not 3"):
        Attention(layers=3)
    with pytest.raises(ConfigError, match="choose a smaller depth"), torch.device("meta"):
        Supernet(Chain(), Bias(depth=12))
