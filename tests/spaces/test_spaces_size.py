import dataclasses
import struct

import numpy as np
import pytest

from trueshot.search.extremes import extremes
from trueshot.spaces import Chain, NasBench201, Topology
from trueshot.spaces.costs import CostFunctions
from trueshot.spaces.size import Size
from trueshot.spaces.storage import save_network

SPACES = {
    "chain": Chain(
        image_size=16, classes=5, layers=((8, 1), (8, 2), (12, 1)), stem_width=8, fixed_width=8, head_width=16
    ),
    "topology": Topology(image_size=16, classes=5, nodes=(2, 2, 2), widths=(8, 12, 16), head_width=16),
    "nasbench201": NasBench201(cells=1, channels=4),
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_size_is_that_of_the_tensors_in_the_file(space, tmp_path):
    found = extremes(CostFunctions(space, (Size(space),)), "size")
    rows = np.concatenate([space.sample(4, 0), found.cheapest[None], found.most_expensive[None]])
    sizes = Size(space)(rows)
    for index, row in enumerate(rows):
        save_network(
            tmp_path / str(index),
            space.network(row),
            space=space,
            arch=space.format(row),
            name="n",
            classes=[str(label) for label in range(space.classes)],
            preprocessing={},
        )
        content = (tmp_path / str(index) / "model.safetensors").read_bytes()
        # Eight bytes say how long the header is.
        (header,) = struct.unpack("<Q", content[:8])
        assert sizes[index] == len(content) - 8 - header
    assert sizes[-2:].tolist() == [found.low, found.high]
    assert found.exact


def test_a_space_without_a_table_is_counted_network_by_network():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Tableless(Topology):
        cost_table = None

    plain = SPACES["topology"]
    space, archs = Tableless(**plain.arguments()), plain.sample(10, 0)
    assert Size(space).additive() is None
    assert Size(space)(archs).tolist() == Size(plain)(archs).tolist()
