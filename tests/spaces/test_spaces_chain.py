"""The chain space is FairNAS': pins from the published model and from Table 4 of the inter-choice paper."""

import numpy as np
import pytest
import torch

from trueshot.core.errors import ConfigError
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import Chain
from trueshot.spaces.counting import count_params
from trueshot.spaces.skeletons import named_parts

FAIRNAS_A = "E3K7-E3K3-E3K7-E6K3-E6K7-E3K3-E3K3-E6K7-E6K7-E3K5-E6K3-E3K5-E3K5-E6K3-E6K3-E6K7-E6K3-E6K7-E6K5"
TABLE_4 = [
    1_824, 34_800, 83_040, 90_048, 121_080, 121_080, 121_080, 164_760, 414_960, 414_960, 414_960, 449_712, 580_896,
    580_896, 580_896, 830_880, 2_157_120, 2_157_120, 2_157_120, 2_822_208, 540_260,
]  # fmt: skip


def test_fairnas_a_is_exact():
    space = Chain()
    cost = space.cost(space.parse(FAIRNAS_A)[None])
    assert cost.params.tolist() == [4_651_352]
    assert cost.madds.tolist() == [388_122_848]


def test_supernet_has_every_row_of_table_4():
    with torch.device("meta"):
        body = Supernet(Chain(classes=100), single_path).body
    parts = list(named_parts(body))
    assert [name for name, _ in parts] == ["stem", *(f"blocks.{i}" for i in range(19)), "head"]
    assert [count_params(module) for _, module in parts] == TABLE_4
    assert count_params(body) == 14_839_700


def test_decisions_are_the_six_bottlenecks_in_order():
    space = Chain()
    assert [decision.name for decision in space.decisions] == [str(i) for i in range(19)]
    assert {decision.options for decision in space.decisions} == {("E3K3", "E3K5", "E3K7", "E6K3", "E6K5", "E6K7")}
    assert space.architectures == 6**19
    assert space.topologies is None
    assert not space.droppable.any()


def test_it_scales_down_by_its_parameters():
    space = Chain(image_size=8, classes=10, in_channels=1, layers=((8, 1), (8, 2)), stem_width=8, stem_stride=1,
                  fixed_width=4, head_width=16)  # fmt: skip
    assert space.network(np.array([0, 5]))(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": ()}, "chain needs layers"),
        ({"layers": ((8, 0),)}, "chain needs layers"),
        ({"kernels": (3, 4)}, "kernels of space chain are different odd numbers"),
        ({"kernels": ()}, "kernels of space chain"),
        ({"expansions": (3, 3)}, "expansions of space chain"),
        ({"stem_width": 0}, "widths and strides of space chain are 1 or more, not 0"),
        ({"dropout": 1.0}, "dropout of space chain is 1.0"),
        ({"image_size": 0}, "image_size of space chain is 0"),
        ({"classes": -1}, "classes of space chain is -1"),
    ],
)
def test_an_impossible_plan_is_said(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Chain(**arguments)
