"""Costs of what is run, against networks walked one by one."""

import numpy as np

from trueshot.spaces import Chain, NasBench201, Topology
from trueshot.spaces.live import _walk, live_costs

SPACE = NasBench201()


def test_dead_edges_are_not_charged():
    # Index 284 of the benchmark and the same with convolutions on edges that lead nowhere.
    dangling = SPACE.parse("|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|")
    clean = SPACE.parse("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    both = live_costs(SPACE, np.stack([dangling, clean]))
    assert both.params.tolist() == [73_306, 73_306]
    assert both.madds.tolist() == [7_783_050, 7_783_050]
    assert SPACE.cost(dangling[None]).params[0] == 73_306 + 2 * 243_040


def test_a_space_that_prunes_counts_as_its_networks_walked():
    archs = SPACE.sample(20, 0)
    walked = np.array([_walk(SPACE, tuple(row)) for row in archs.tolist()])
    found = live_costs(SPACE, archs)
    assert np.array_equal(found.params, walked[:, 0])
    assert np.array_equal(found.madds, walked[:, 1])
    assert (found.params <= SPACE.cost(archs).params).all()


def test_where_everything_leads_somewhere_these_are_the_costs():
    for space in (
        Topology(nodes=(1, 2), widths=(4, 6), kernels=(3,), head_width=8, image_size=8, classes=4),
        Chain(image_size=8, classes=4, layers=((6, 1), (8, 2)), stem_width=6, fixed_width=6, head_width=8),
    ):
        archs = space.sample(6, 0)
        live, costs = live_costs(space, archs), space.cost(archs)
        assert np.array_equal(live.params, costs.params)
        assert np.array_equal(live.madds, costs.madds)
