from collections import Counter

import numpy as np
import pytest
import torch

from trueshot.spaces import Topology
from trueshot.spaces.canonical import every

SMALL = {"expansions": (1,), "kernels": (3,), "head_width": 8, "classes": 3, "image_size": 8, "stem_stride": 1}
SPACES = [
    Topology(nodes=(4,), widths=(4,), **SMALL),
    Topology(nodes=(3, 1), widths=(4, 6), **SMALL),
    Topology(nodes=(2, 2), widths=(4, 6), residual=False, **SMALL),
    Topology(nodes=(2,), widths=(4,), **SMALL),
]
FIVE = Topology(nodes=(4, 1), widths=(4, 6), **SMALL)


def named(space, row):
    return {edge: d.options[int(o)] for edge, d, o in zip(space.edges(), space.decisions, row, strict=True)}


def first_equals(space, row):
    """For each node the first of the nodes that it is equal to."""
    option = named(space, row)
    first = {1: 1}
    for node in range(2, sum(space.nodes) + 1):
        incoming = {i: o for (i, j), o in option.items() if j == node and o != "none"}
        first[node] = first[node - 1] if incoming == {node - 1: "identity"} else node
    return first


def contents(space, row):
    """What flows from which value to which node, whichever of several equal nodes it leaves."""
    first = first_equals(space, row)
    flows = Counter((first[i], j, o) for (i, j), o in named(space, row).items() if o != "none")
    return frozenset(first.items()), frozenset(flows.items())


@pytest.mark.parametrize("space", SPACES, ids=lambda space: str(space.nodes))
def test_canonical_is_the_least_row_of_equal_contents(space):
    rows = every(space)
    keys = [contents(space, row) for row in rows]
    least = {}
    for key, row in zip(keys, rows.tolist(), strict=True):
        least.setdefault(key, row)
    canonical = space.canonical(rows, "equal_nodes")
    np.testing.assert_array_equal(canonical, [least[key] for key in keys])
    np.testing.assert_array_equal(space.canonical(rows), rows)


def test_there_are_twins_in_a_stage_of_three():
    assert len(np.unique(SPACES[1].canonical(every(SPACES[1]), "equal_nodes"), axis=0)) < SPACES[1].architectures


def test_canonical_keeps_the_contents_of_large_architectures():
    space = Topology()
    rng = np.random.default_rng(0)
    rows = space.sample(200, rng)
    # Many identities and few branches, else hardly any two nodes are equal.
    for gene, decision in enumerate(space.decisions):
        likely = "none" if "none" in decision.options else "identity"
        if likely in decision.options:
            rows[rng.random(200) < 0.6, gene] = decision.options.index(likely)
    canonical = space.canonical(rows, "equal_nodes")
    assert (canonical != rows).any(axis=1).mean() > 0.5
    for row, twin in zip(rows, canonical, strict=True):
        assert contents(space, row) == contents(space, twin)
        assert twin.tolist() <= row.tolist()
    np.testing.assert_array_equal(space.canonical(canonical, "equal_nodes"), canonical)


@torch.no_grad()
def test_twins_compute_the_same_with_their_weights_moved_along():
    rows = every(FIVE)
    canonical = FIVE.canonical(rows, "equal_nodes")
    moved = np.flatnonzero((rows != canonical).any(axis=1))
    torch.manual_seed(0)
    x = torch.randn(3, 3, 8, 8)
    for position in np.random.default_rng(0).choice(moved, 25, replace=False):
        row, twin = rows[position], canonical[position]
        source, target = FIVE.network(row).eval(), FIVE.network(twin).eval()
        target.stem.load_state_dict(source.stem.state_dict())
        target.head.load_state_dict(source.head.state_dict())
        first = first_equals(FIVE, row)
        waiting = {}
        for (i, j), option in named(FIVE, row).items():
            waiting.setdefault((first[i], j, option), []).append(f"{i}-{j}")
        for (i, j), option in named(FIVE, twin).items():
            name = waiting[first[i], j, option].pop() if option != "none" else None
            if name is not None:
                target.edges[f"{i}-{j}"].load_state_dict(source.edges[name].state_dict())
        torch.testing.assert_close(target(x), source(x))
