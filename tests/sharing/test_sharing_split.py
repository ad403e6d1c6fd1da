"""Split weights: structure, what a split changes and what not, the published lazy behaviour."""

import numpy as np
import pytest
import torch
from sharing_parts import SPACES, shaken

from trueshot.sharing import SinglePath, Split, Supernet, can_split, clones, single_path, split, splits_lazily
from trueshot.sharing.splitting import SplitPath
from trueshot.spaces import Chain, NasBench201

any_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
lazily = pytest.mark.parametrize("lazy", [False, True], ids=["eager", "lazy"])


@pytest.mark.parametrize(
    ("space", "parameters"),
    [
        (NasBench201(cells=2, affine=False, skip="linear_transformer"), 3_610_202),
        (Chain(classes=100), 86_153_780),
    ],
)
def test_parameters_after_the_split(space, parameters):
    with torch.device("meta"):
        net = Supernet(space, Split())
        plain = sum(p.numel() for p in Supernet(space, single_path).parameters())
        assert sum(p.numel() for p in net.parameters()) == plain
        split(net)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert sum(clone.parameter.numel() for clone in clones(net)) == parameters - plain


@any_space
@lazily
@pytest.mark.parametrize("train", [True, False])
def test_a_split_changes_no_output(space, lazy, train):
    net = shaken(Supernet(space, Split(lazy=lazy))).train(train)
    x = torch.randn(4, *space.input_shape)
    archs = space.sample(12, 0)
    before = [net(x, arch).detach() for arch in archs]
    split(net)
    count = sum(1 for _ in net.parameters())
    assert all(torch.equal(net(x, arch), output) for arch, output in zip(archs, before, strict=True))
    split(net)
    assert sum(1 for _ in net.parameters()) == count


def test_the_set_is_selected_by_the_choices_before():
    space = SPACES["chain"]
    net = Supernet(space, Split(depth=2)).eval()
    assert can_split(net)
    assert not splits_lazily(net)
    assert not can_split(Supernet(space, single_path))
    split(net)
    assert isinstance(net.body.blocks["0"], SinglePath)
    sizes = [len(net.body.blocks[name].sets) for name in ("1", "2")]
    assert sizes == [6, 36]
    shaken(net)
    x = torch.randn(2, 8, 4, 4)
    site = net.body.blocks["2"]
    assert torch.equal(site(x, (4, 3, 5)), site.sets[4 * 6 + 3].candidates[5](x))
    assert not torch.equal(site(x, (4, 3, 5)), site(x, (4, 2, 5)))


def test_statistics_are_split_too():
    space = SPACES["nasbench201"]
    net = Supernet(space, Split()).train()
    split(net)
    arch = np.array([3, 3, 3, 3, 3, 3], dtype=np.uint8)
    net(torch.randn(4, 3, 8, 8), arch)
    site = net.body.layers["cell1"].edges["0-2"]
    counts = [int(members.candidates[2][2].num_batches_tracked) for members in site.sets]
    assert counts == [0, 0, 0, 1, 0]


def test_clones_come_in_an_order_of_their_own():
    space = SPACES["chain"]
    net, other = (Supernet(space, Split()) for _ in range(2))
    assert clones(net) == []
    split(net)
    other.load_state_dict(net.state_dict())
    names = [{id(p): name for name, p in module.named_parameters()} for module in (net, other)]
    first, second = (
        [(own[id(clone.source)], own[id(clone.parameter)]) for clone in clones(module)]
        for own, module in zip(names, (net, other), strict=True)
    )
    assert first == second
    assert len(set(first)) == len(first) == sum(len(list(path.sets[0].parameters())) * 5 for path in _paths(net))
    assert all(".sets.0." in source and ".sets.0." not in parameter for source, parameter in first)


def _paths(net):
    return [module for module in net.modules() if isinstance(module, SplitPath)]


def test_a_lazy_set_starts_as_the_one_trained_before():
    space = SPACES["chain"]
    net = Supernet(space, Split(lazy=True)).train()
    split(net)
    path = net.body.blocks["1"]
    weight = [members.candidates[0][0].weight for members in path.sets]
    x = torch.randn(2, 8, 4, 4)
    # Combination 0 is the live set and is trained; set 3, met for the first time, starts from it.
    path(x, (0, 0, 0))
    weight[0].data.fill_(1.0)
    assert not torch.equal(weight[3], weight[0])
    path(x, (3, 1, 0))
    assert torch.equal(weight[3], weight[0])
    weight[3].data.fill_(2.0)
    # Evaluation of a set that does not exist takes the last and starts nothing.
    path.eval()
    assert torch.equal(path(x, (5, 0, 0)), path.sets[3](x, (5, 0, 0)))
    assert path.active((5, 0, 0)).parameters[0] is weight[3]
    assert not torch.equal(weight[5], weight[3])
    path.train()
    path(x, (0, 0, 0))
    path(x, (5, 0, 0))
    assert torch.equal(weight[5], weight[0])
    # What was begun travels with the state.
    fresh = Supernet(space, Split(lazy=True)).train()
    fresh.load_state_dict(net.state_dict())
    again = fresh.body.blocks["1"]
    assert again.memory.tolist() == [5, 1, 0, 0, 1, 0, 1]
    again(x, (2, 0, 0))
    assert torch.equal(again.sets[2].candidates[0][0].weight, weight[5])
    again(x, (3, 0, 0))
    assert torch.equal(again.sets[3].candidates[0][0].weight, weight[3])
