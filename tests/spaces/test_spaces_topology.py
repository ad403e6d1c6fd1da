"""The topology space is ST-NAS': counts of the paper and the costs derived from its published p_drop."""

import numpy as np
import pytest
import torch
from torch import nn

from trueshot.cli.names import make_space
from trueshot.cli.values import fitted_space
from trueshot.core.errors import ConfigError
from trueshot.operations import LinearBottleneck
from trueshot.sampling import Matched, expected_parts
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import Topology
from trueshot.spaces.counting import count_params

SPACE = Topology()


def test_nodes_edges_and_topologies():
    edges = SPACE.edges()
    assert sum(SPACE.nodes) == 20
    assert edges[:19] == [(i, i + 1) for i in range(1, 20)]
    assert edges[19:] == sorted(edges[19:])
    assert {j - i for i, j in edges[19:]} == {2, 3}
    assert len(edges) == 54
    assert [decision.name for decision in SPACE.decisions] == [f"{i}-{j}" for i, j in edges]
    assert SPACE.topologies == 2**35 == 34_359_738_368
    assert SPACE.architectures == 10**15 * 9**4 * 11**17 * 10**18


def test_choices_by_kind_of_edge():
    options = SPACE.options
    stem, branch = options[:19].tolist(), options[19:].tolist()
    assert (stem.count(10), stem.count(9)) == (15, 4)
    assert (branch.count(11), branch.count(10)) == (17, 18)
    assert SPACE.droppable.tolist() == [0] * 19 + [1] * 35
    bottlenecks = tuple(f"E{e}K{k}" for e in (1, 3, 6) for k in (3, 5, 7))
    by_name = {decision.name: decision.options for decision in SPACE.decisions}
    assert by_name["1-2"] == (*bottlenecks, "identity")
    assert by_name["2-3"] == bottlenecks
    assert by_name["5-7"] == (*bottlenecks, "identity", "none")
    assert by_name["2-5"] == (*bottlenecks, "none")


def test_only_edge_2_5_has_stride_4_and_a_stage_has_one_width():
    strides, widths = {}, {}

    def place(site):
        source, target = map(int, site.decision.split("-"))
        strides[source, target] = site.stride
        widths.setdefault(SPACE.stage(source), set()).add(site.in_channels)
        widths.setdefault(SPACE.stage(target), set()).add(site.out_channels)
        return nn.Identity()

    with torch.device("meta"):
        SPACE.assemble(place)
    stem, branch = ([s for (i, j), s in strides.items() if (j - i == 1) == first] for first in (True, False))
    assert sorted(stem) == [1] * 15 + [2] * 4
    assert sorted(branch) == [1] * 17 + [2] * 17 + [4]
    assert strides[2, 5] == 4
    assert widths == {0: {16}, 1: {24}, 2: {40}, 3: {80}, 4: {160}}


def test_costs_of_the_fact_sheet():
    table = SPACE.cost_table
    always, branches = expected_parts(SPACE)
    assert table.fixed_madds == pytest.approx(16.734e6, abs=500)
    assert always - table.fixed_madds == pytest.approx(204.058e6, abs=500)
    assert branches == pytest.approx(315.530e6, abs=500)
    assert SPACE.bounds() == (20_672_240, 1_213_384_768)


def test_supernet_size():
    with torch.device("meta"):
        assert count_params(Supernet(SPACE, single_path)) == 25_381_256


def test_residual_can_be_left_out():
    small = {"nodes": (2,), "widths": (4,), "head_width": 8}
    for residual in (True, False):
        network = Topology(**small, residual=residual).network(np.array([0]))
        blocks = [m for m in network.modules() if isinstance(m, LinearBottleneck)]
        assert [block.shortcut for block in blocks] == [residual]


@pytest.mark.parametrize(
    "arguments",
    [
        {"nodes": (2, 2)},
        {"nodes": (), "widths": ()},
        {"nodes": (1,), "widths": (8,)},
        {"nodes": (2, 0), "widths": (8, 8)},
    ],
)
def test_an_impossible_plan_is_said(arguments):
    with pytest.raises(ConfigError, match="topology needs a width for each stage"):
        Topology(**arguments)


def test_the_wide_plan_has_room_for_the_published_networks():
    wide = make_space("topology", {"plan": "wide"})
    assert wide.widths == (16, 16, 24, 64, 320)
    assert wide == Topology(widths=(16, 16, 24, 64, 320))
    always, branches = expected_parts(wide)
    assert always + 0.4 * branches == pytest.approx(358e6, rel=0.005)
    # ST-NAS-A has 5.2M parameters at 326M, B 7.8M at 503M.
    rng = np.random.default_rng(0)
    drawn = wide.cost(Matched(wide, 0.6).sample(20_000, rng))
    for madds, params, low, high in ((326e6, 5.2e6, 0.4, 1.4), (503e6, 7.8e6, 1.2, 2.6)):
        near = drawn.params[np.abs(drawn.madds - madds) < 0.05 * madds]
        assert low < (params - near.mean()) / near.std() < high
    with pytest.raises(ConfigError, match="plan: space topology has no plan 'wild': did you mean wide"):
        make_space("topology", {"plan": "wild"})
    with pytest.raises(ConfigError, match="plan: space chain takes no such argument"):
        make_space("chain", {"plan": "wide"})


def test_a_plan_goes_over_what_a_preset_shrinks():
    space = fitted_space("topology", {"plan": "wide"}, {"topology": {"nodes": [2, 2], "widths": [4, 8]}}, None)
    assert space == make_space("topology", {"plan": "wide"})
