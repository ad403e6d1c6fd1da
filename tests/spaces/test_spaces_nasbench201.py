import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from trueshot.core.errors import ArchitectureError, ConfigError
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import NasBench201
from trueshot.spaces.canonical import every
from trueshot.spaces.counting import count_madds, count_params
from trueshot.spaces.description import describe, rebuild

INDEX_0 = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
INDEX_11 = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|"
INDEX_284 = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|none~0|nor_conv_1x1~1|none~2|"
NAMED = {
    0: INDEX_0,
    11: INDEX_11,
    284: INDEX_284,
    857: "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    6111: "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
    1651: "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
}
TINY = NasBench201(image_size=8, classes=3, channels=4, cells=1)


def test_the_space_and_its_sub_spaces():
    assert NasBench201().architectures == 15_625
    assert NasBench201(sub_space="no_none").architectures == 4_096
    assert NasBench201(sub_space="only_conv").architectures == 64
    assert [d.name for d in NasBench201().decisions] == ["0-1", "0-2", "1-2", "0-3", "1-3", "2-3"]
    names = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    assert {d.options for d in NasBench201().decisions} == {names}
    assert {d.options for d in NasBench201(sub_space="no_none").decisions} == {names[1:]}
    assert {d.options for d in NasBench201(sub_space="only_conv").decisions} == {names[2:4]}


def test_published_strings_and_indices():
    space = NasBench201()
    for index, text in NAMED.items():
        row = space.parse(text)
        assert space.format(row) == text
        assert space.index(row[None]).tolist() == [index]
        np.testing.assert_array_equal(space.at(np.array([index])), row[None])
    rows = every(space)
    assert np.sort(space.index(rows)).tolist() == list(range(15_625))
    np.testing.assert_array_equal(space.at(space.index(rows)), rows)
    assert NasBench201(sub_space="only_conv").index(np.zeros((1, 6), dtype=np.uint8)).tolist() == [4317]


@pytest.mark.skipif("TRUESHOT_DATA" not in os.environ, reason="needs nasbench201.parquet under $TRUESHOT_DATA")
def test_the_index_is_the_order_of_the_benchmark():
    space = NasBench201()
    strings = pq.read_table(Path(os.environ["TRUESHOT_DATA"]) / "nasbench201.parquet")["arch"].to_pylist()
    rows = space.at(np.arange(15_625))
    assert [space.format(row) for row in rows[::25]] == strings[::25]
    parsed = np.array([space.parse(text) for text in strings])
    np.testing.assert_array_equal(parsed, rows)


@pytest.mark.parametrize(
    ("text", "params", "madds"),
    [
        (INDEX_0, (129_306, 135_156, 136_456), (15_647_370, 15_653_220, 3_919_480)),
        (INDEX_11, (802_426, 808_276, 809_576), (113_951_370, 113_957_220, 28_495_480)),
        (INDEX_284, (101_306, 107_156, 108_456), (11_715_210, 11_721_060, 2_936_440)),
    ],
)
def test_costs_of_the_official_records(text, params, madds):
    for space, wanted in zip(
        (NasBench201(), NasBench201(classes=100), NasBench201(classes=120, image_size=16)),
        zip(params, madds, strict=True),
        strict=True,
    ):
        costs = space.cost(space.parse(text)[None])
        assert (costs.params[0], costs.madds[0]) == wanted


def test_costs_follow_the_closed_form_everywhere():
    space = NasBench201()
    rows = every(space)
    ones, threes = (rows == 2).sum(axis=1), (rows == 3).sum(axis=1)
    costs = space.cost(rows)
    np.testing.assert_array_equal(costs.params, 73_306 + 28_000 * ones + 243_040 * threes)
    np.testing.assert_array_equal(costs.madds, 7_783_050 + 3_932_160 * ones + 35_389_440 * threes)
    assert len(np.unique(costs.params)) == 28


def test_costs_are_those_of_the_network_where_no_edge_is_dead():
    for row in TINY.prune(TINY.sample(20, 0)):
        network = TINY.network(row)
        costs = TINY.cost(row[None])
        assert count_params(network) == costs.params[0]
        assert count_madds(network, TINY.input_shape, TINY.convention) == costs.madds[0]


def test_dead_edges_are_charged_but_not_run():
    row = TINY.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|")
    bare = TINY.prune(row[None])[0]
    assert TINY.format(bare) == "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    assert TINY.live(row[None]).tolist() == [[False, False, False, True, False, False]]
    dead, alive = TINY.network(row), TINY.network(bare)
    assert count_params(dead) == TINY.cost(row[None]).params[0] > count_params(alive)
    assert count_madds(dead, TINY.input_shape) == count_madds(alive, TINY.input_shape)
    with torch.no_grad():
        dead(torch.randn(4, 3, 8, 8))
    norms = {name: m for name, m in dead.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert {name for name, norm in norms.items() if norm.num_batches_tracked == 0} == {
        f"layers.cell{cell}.edges.{edge}.2" for cell in (1, 2, 3) for edge in ("0-1", "2-3")
    }


def test_pruning_all_rows_keeps_their_functions():
    space = NasBench201()
    rows = every(space)
    np.testing.assert_array_equal(space.canonical(space.prune(rows)), space.canonical(rows))
    part = NasBench201(sub_space="no_none")
    np.testing.assert_array_equal(part.prune(every(part)), every(part))


def test_the_supernet_equals_stand_alone_networks_and_leaves_dead_edges_alone():
    torch.manual_seed(0)
    supernet = Supernet(TINY, single_path)
    x = torch.randn(4, 3, 8, 8)
    for row in TINY.sample(40, 1):
        supernet.train()
        before = {id(m): m.num_batches_tracked.item() for m in supernet.modules() if isinstance(m, nn.BatchNorm2d)}
        logits = supernet(x, row)
        logits.sum().backward()
        active = supernet.active(row)
        run = {
            id(m)
            for m in supernet.modules()
            if isinstance(m, nn.BatchNorm2d) and m.num_batches_tracked.item() > before[id(m)]
        }
        assert run == {id(norm) for norm in active.norms}
        touched = {id(p) for p in supernet.parameters() if p.grad is not None}
        supernet.zero_grad()
        if TINY.live(row[None]).any():
            assert touched == {id(p) for p in active.parameters}
        supernet.eval()
        assert torch.equal(supernet(x, row), supernet.network(row)(x))


def test_a_cell_without_a_live_path_gives_zero_and_still_trains():
    supernet = Supernet(TINY, single_path)
    row = TINY.parse("|nor_conv_3x3~0|" + "+|none~0|none~1|" + "+|none~0|none~1|nor_conv_3x3~2|")
    logits = supernet(torch.randn(4, 3, 8, 8), row)
    logits.sum().backward()
    assert torch.equal(logits[0], logits[1])
    assert supernet.body.head[-1].bias.grad.tolist() == [4.0] * 3


def test_parts_of_the_published_supernet():
    """Table 3 of the inter-choice paper, row by row."""
    supernet = Supernet(NasBench201(cells=2, affine=False, skip="linear_transformer"), single_path)
    layers = {name: count_params(layer) for name, layer in supernet.body.layers.items()}
    assert count_params(supernet.body.stem) == 464
    assert list(layers.values()) == [16_896, 16_896, 14_464, 67_584, 67_584, 57_600, 270_336, 270_336]
    assert count_params(supernet.body.head) == 778
    assert count_params(supernet) == 782_938
    assert count_params(Supernet(NasBench201(cells=2, affine=False), single_path)) == 718_426


def test_the_final_space_has_the_costs_of_the_benchmark():
    shared = NasBench201(affine=False, skip="linear_transformer")
    assert shared.final() == NasBench201()
    assert Supernet(TINY, single_path)(torch.randn(2, 3, 8, 8), [0] * 6).shape == (2, 3)


def test_a_mixture_can_stand_at_every_site():
    class Mixture(nn.Module):
        def __init__(self, site):
            super().__init__()
            self.members = nn.ModuleList(c() for c in site.candidates.values() if c is not None)

        def forward(self, x, weights):
            return sum(weight * member(x) for weight, member in zip(weights[1:], self.members, strict=True))

    network = TINY.assemble(Mixture)
    weights = torch.full((5,), 0.2, requires_grad=True)
    network(torch.randn(2, 3, 8, 8), weights).sum().backward()
    # The first weight is that of "none".
    assert (weights.grad != 0).tolist() == [False, True, True, True, True]


@pytest.mark.parametrize("size", [8, 28, 15])
def test_other_sizes(size):
    space = NasBench201(image_size=size, in_channels=1, classes=7, channels=3, cells=1)
    network = space.network(space.sample(1, 0)[0])
    assert network(torch.randn(2, 1, size, size)).shape == (2, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 0}, "one channel and one cell"),
        ({"cells": 0}, "one channel and one cell"),
        ({"sub_space": "half"}, "full, no_none, only_conv"),
        ({"skip": "none"}, "identity, linear_transformer"),
        ({"classes": 0}, "classes"),
    ],
)
def test_unusable_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        NasBench201(**arguments)


def test_malformed_architectures_name_the_position():
    space = NasBench201()
    with pytest.raises(ArchitectureError, match=r"position 2 of 6 .*'conv'.*nor_conv_3x3"):
        space.parse(NAMED[0].replace("nor_conv_1x1~0|skip_connect~1|+", "conv~0|skip_connect~1|+"))
    with pytest.raises(ArchitectureError, match="node 3"):
        space.parse("|none~0|+|none~0|none~1|+|none~0|none~1|")
    with pytest.raises(ArchitectureError, match="position 7"):
        space.parse(NAMED[0] + "+|none~0|none~1|none~2|none~3|")
    with pytest.raises(ArchitectureError, match="ends before it"):
        space.parse("|none~0|+|none~0|none~1|")
    with pytest.raises(ArchitectureError, match=r"'none'.*not one of"):
        NasBench201(sub_space="no_none").parse(NAMED[1651])
    with pytest.raises(ConfigError, match="15624"):
        space.at(np.array([15_625]))
    with pytest.raises(ConfigError, match="full space"):
        NasBench201(sub_space="no_none").at(np.array([0]))


def test_it_survives_json():
    space = NasBench201(channels=8, sub_space="no_none", affine=False)
    assert rebuild(describe(space)) == space
