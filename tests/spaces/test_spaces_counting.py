"""The cost table against counting the network that is really built."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from trueshot.core.errors import ConfigError
from trueshot.operations import LinearBottleneck
from trueshot.spaces import NONE, Chain, NasBench201, Site, Space, Topology, counting
from trueshot.spaces.counting import count_madds, count_params
from trueshot.spaces.skeletons import Chain as Skeleton

SPACES = {
    "chain": Chain(),
    "topology": Topology(),
    "small-chain": Chain(image_size=13, classes=3, in_channels=1, layers=((5, 2), (5, 1), (7, 4)), stem_width=6),
    "small-topology": Topology(image_size=17, classes=4, nodes=(1, 2, 2), widths=(4, 5, 6), stem_stride=1),
}


def _count_by_running(network: nn.Module, input_shape: tuple[int, ...]) -> tuple[int, int]:
    """Slow oracle: run the network on the CPU and count each multiplication from the tensors that pass by."""
    total = 0

    def hook(module, inputs, output):
        nonlocal total
        (x,) = inputs
        if isinstance(module, nn.Linear):
            total += x.shape[-1] * output.shape[-1]
        else:
            kernel = module.kernel_size[0] * module.kernel_size[1]
            total += output.shape[1] * output.shape[2] * output.shape[3] * kernel * (x.shape[1] // module.groups)

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(hook)
    with torch.no_grad():
        network.eval()(torch.zeros(1, *input_shape))
    return sum(parameter.numel() for parameter in network.parameters()), total


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_table_equals_the_assembled_network(space):
    archs = space.sample(4, 0)
    cost = space.cost(archs)
    counted = [_count_by_running(space.network(row), space.input_shape) for row in archs]
    assert list(zip(cost.params.tolist(), cost.madds.tolist(), strict=True)) == counted


WALKED = {
    "chain": SPACES["small-chain"],
    "topology": SPACES["small-topology"],
    "nasbench201": NasBench201(channels=4, cells=1, image_size=16),
    "supernet of nasbench201": NasBench201(
        channels=4, cells=2, image_size=8, affine=False, skip="linear_transformer", sub_space="no_none"
    ),
}


@pytest.mark.parametrize("space", WALKED.values(), ids=WALKED)
def test_walking_networks_and_adding_up_decisions_give_equal_costs(space):
    """Edges that lead nowhere and the classifier's bias included, where the space counts them."""
    archs = space.sample(40 if len(space.decisions) < 19 else 3, 1)
    walked, table = counting.walked(space, archs), space.cost_table(archs)
    assert walked.params.tolist() == table.params.tolist()
    assert walked.madds.tolist() == table.madds.tolist()


def test_a_walk_counts_layers_of_any_class_and_modules_of_users():
    class Wide(nn.Conv2d):
        """Convolution of a class of its own."""

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.ModuleList([Wide(3, 3, 1), nn.Sequential(nn.ReLU(), nn.Conv2d(3, 3, 3, padding="same"))])

        def forward(self, x):
            return self.inner[0](x) + self.inner[1](x).relu()

    space = _free({"a": Twice, "b": partial(nn.AvgPool2d, 3, 1, 1), "c": lambda: nn.Sequential(nn.Conv2d(3, 3, 1))})
    archs = np.arange(3, dtype=np.uint8)[:, None]
    costs = counting.walked(space, archs)
    built = [_count_by_running(space.network(row), space.input_shape) for row in archs]
    assert list(zip(costs.params.tolist(), costs.madds.tolist(), strict=True)) == built
    assert costs.madds.tolist() == space.cost_table(archs).madds.tolist() == [36 * (9 + 81), 0, 36 * 9]


@pytest.mark.parametrize("metric", ["params", "madds"])
def test_bounds_are_the_extremes_of_all_architectures(metric):
    space = Topology(image_size=8, nodes=(1, 2), widths=(4, 8), head_width=8, expansions=(1, 3), kernels=(3,))
    every = np.stack([row.ravel() for row in np.meshgrid(*(np.arange(n) for n in space.options))], axis=1)
    assert len(every) == space.architectures
    costs = getattr(space.cost(every), metric)
    assert space.bounds(metric) == (costs.min(), costs.max())


def test_counting_leaves_the_module_as_it_was():
    block = nn.Sequential(nn.Conv2d(2, 4, 3, bias=True), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))
    block[1].eval()
    assert count_madds(block, (2, 4, 4)) == 2 * 2 * 4 * 18 + 16 * 3
    assert count_params(block) == 4 * 18 + 4 + 8 + 51
    assert [child.training for child in block] == [True, False, True, True]
    assert not any(child._forward_hooks for child in block)
    assert (block[1].running_mean == 0).all()


def test_equal_spaces_share_one_table():
    assert Topology(classes=10).cost_table is Topology(classes=10).cost_table
    assert Topology(classes=10).cost_table is not Topology(classes=11).cost_table


class Free(Space):
    """One site after another."""

    candidates: tuple[dict, ...] = ()

    def assemble(self, place):
        """Place what was given."""
        sites = [
            Site(decision=str(i), candidates=c, in_channels=3, out_channels=3) for i, c in enumerate(self.candidates)
        ]
        return Skeleton(nn.Identity(), {site.decision: place(site) for site in sites}, nn.Flatten())


def _free(*candidates: dict) -> Space:
    return type("Given", (Free,), {"candidates": candidates})(image_size=6)


def test_candidates_of_different_shape_are_said():
    space = _free({"a": partial(nn.Conv2d, 3, 4, 1), "b": partial(nn.Conv2d, 3, 5, 1)})
    with pytest.raises(ConfigError, match=r"decision '0' differ in output shape \(a: \(4, 6, 6\), b: \(5, 6, 6\)\)"):
        _ = space.cost_table


def test_a_site_that_the_skeleton_forgets_is_said():
    class Forgetful(Free):
        candidates = ({"a": nn.Identity},)

        def assemble(self, place):
            super().assemble(place)
            return nn.Flatten()

    with pytest.raises(ConfigError, match="the site of decision '0' is never run by the skeleton"):
        _ = Forgetful().cost_table


def test_constructors_of_any_kind_are_measured():
    unhashable = partial(LinearBottleneck, 3, 3, **{"expansion": 1, "kernel": 3})

    def built(sizes):
        return nn.Conv2d(3, 3, sizes, padding="same")

    space = _free(
        {"partial": unhashable, "list": partial(built, [3, 3]), "lambda": lambda: nn.Conv2d(3, 3, 1), NONE: None}
    )
    assert space.cost_table.madds.tolist() == [[36 * (27 + 9), 36 * 81, 36 * 9, 0]]
    assert space.cost_table.params.tolist() == [[27 + 6 + 9 + 6, 84, 12, 0]]


def test_a_decision_of_two_sites_pays_for_both():
    class Twice(Free):
        def assemble(self, place):
            site = Site(decision="a", candidates={"x": partial(nn.Conv2d, 3, 3, 1)}, in_channels=3, out_channels=3)
            return Skeleton(nn.Identity(), {"first": place(site), "second": place(site)}, nn.Flatten())

    cost = Twice(image_size=2).cost(np.array([[0]]))
    assert (cost.params.tolist(), cost.madds.tolist()) == ([24], [72])
