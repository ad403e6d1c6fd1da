import dataclasses

import numpy as np
import pytest
from torch import nn

from trueshot.core.errors import ArchitectureError
from trueshot.reporting.drawing import draw_architecture
from trueshot.spaces import NONE, Chain, Site, Space, Topology


def gids(figure, prefix: str) -> set[str]:
    (axes,) = figure.axes
    return {patch.get_gid() for patch in axes.patches if (patch.get_gid() or "").startswith(prefix)}


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("nodes", [(2, 2, 4, 8, 4), (2, 2, 2), (1, 2, 2), (1, 1)])
def test_topology_draws_exactly_the_edges_that_are_there(nodes):
    space = Topology(nodes=nodes, widths=(16, 24, 40, 80, 160)[: len(nodes)])
    for row in space.sample(5, 0):
        options = [decision.options[choice] for decision, choice in zip(space.decisions, row, strict=True)]
        kept = {f"edge-{d.name}" for d, option in zip(space.decisions, options, strict=True) if option != NONE}
        figure = draw_architecture(space, row)
        assert gids(figure, "edge") == kept
        labels = ["id" if option == "identity" else option for option in options if option != NONE]
        for label in set(labels):
            # The key shows "id" once more.
            assert texts(figure).count(label) == labels.count(label) + (label == "id")


def test_labels_of_the_full_published_space_do_not_overlap():
    space = Topology()
    row = np.zeros(54, dtype=np.uint8)
    figure = draw_architecture(space, row)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text().startswith("E1K")]
    assert len(boxes) == 54
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_chain_draws_every_layer_with_its_operation():
    space = Chain()
    (row,) = space.sample(1, 0)
    figure = draw_architecture(space, row)
    assert len(gids(figure, "block")) == 19
    for option in set(space.format(row).split("-")):
        assert texts(figure).count(option) == space.format(row).split("-").count(option)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plain(Space):
    def assemble(self, place):
        candidates = {"convolution": nn.Sequential, "nothing much": nn.Sequential}
        sites = [Site(decision=f"d{i}", candidates=candidates, in_channels=3, out_channels=3) for i in range(11)]
        return nn.Sequential(*map(place, sites))


def test_any_other_space_gets_a_table_of_its_decisions():
    space = Plain()
    figure = draw_architecture(space, space.sample(1, 0)[0])
    assert len(gids(figure, "decision")) == 11
    assert {"d0", "d10", "convolution"} <= set(texts(figure))


def test_refuses_what_is_no_architecture():
    with pytest.raises(ArchitectureError, match="position 1"):
        draw_architecture(Chain(), np.full(19, 9))
