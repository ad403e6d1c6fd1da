"""The complete rule of topologies: against a search for matches of operations, and on real networks."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sum_oracle import classes, describe, matches

from trueshot.spaces import Topology
from trueshot.spaces.canonical import every, unique

TINY = {"head_width": 8, "classes": 3, "image_size": 8, "stem_stride": 1}
ONE = {"expansions": (1,), "kernels": (3,), **TINY}


def small(*nodes, **options):
    return Topology(nodes=nodes, widths=(4, 6, 8, 10)[: len(nodes)], **{**ONE, **options})


FOUR, FULL = small(4), Topology()


@pytest.mark.parametrize(
    ("space", "equal_nodes", "functional"),
    [
        (small(2), 2, 2),
        (small(3), 11, 8),
        (FOUR, 162, 95),
        (small(3, 1), 39, 33),
        (small(2, 2), 28, 24),
        (small(1, 3), 46, 33),
        (small(1, 1, 1, 1), 8, 8),
        (small(3, kernels=(3, 5), expansions=(1, 3)), 140, 116),
        (small(5), 2_739, 1_573),
        (small(3, 2), 298, 230),
        (small(2, 3), 328, 230),
        (small(2, 1, 2), 112, 96),
        (small(2, 2, expansions=(1, 3)), 414, 350),
    ],
    ids=lambda value: "-".join(map(str, value.nodes)) if isinstance(value, Topology) else str(value),
)
def test_canonical_is_the_least_of_all_twins(space, equal_nodes, functional):
    rows = every(space)
    canonical = space.canonical(rows, "functional")
    # Rows are in order: the first of a class is its least.
    np.testing.assert_array_equal(canonical, rows[classes(space, rows)])
    assert len(np.unique(canonical, axis=0)) == functional
    assert unique(space, "equal_nodes") == equal_nodes


@pytest.mark.parametrize("space", [FOUR, small(3, 2), small(2, 3)], ids=lambda space: str(space.nodes))
def test_the_inputs_that_bottlenecks_add_make_no_difference(space):
    rows = every(space)
    assert classes(space, rows, residual=True) == classes(space, rows)


def rows_of(space, count, seed, identity, none):
    """Random rows of which about such parts of all edges are identities and no connections."""
    rng = np.random.default_rng(seed)
    rows = space.sample(count, rng)
    for gene, decision in enumerate(space.decisions):
        drawn = rng.random(count)
        for name, low, high in (("identity", 0, identity), ("none", identity, identity + none)):
            if name in decision.options:
                rows[(low <= drawn) & (drawn < high), gene] = decision.options.index(name)
    return rows


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), identity=st.floats(0, 0.6), none=st.floats(0, 0.4))
def test_large_architectures_keep_their_terms(seed, identity, none):
    rows = rows_of(FULL, 6, seed, identity, none)
    canonical = FULL.canonical(rows, "functional")
    assert canonical.dtype == np.uint8
    np.testing.assert_array_equal(FULL.canonical(canonical, "functional"), canonical)
    # What the incomplete rule merges is merged.
    np.testing.assert_array_equal(FULL.canonical(FULL.canonical(rows, "equal_nodes"), "functional"), canonical)
    for row, twin in zip(rows, canonical, strict=True):
        assert any(True for _ in matches(describe(FULL, row), describe(FULL, twin)))
        assert twin.tolist() <= row.tolist()


def test_twins_found_by_chance_have_one_canonical_row():
    space = small(2, 4, 5, expansions=(1, 3, 6), kernels=(3, 5, 7))
    rng = np.random.default_rng(0)
    options = [decision.options for decision in space.decisions]
    found = 0
    for row in rows_of(space, 10, 1, 0.4, 0.4):
        first, twin = describe(space, row), row
        twins = {row.tobytes()}
        for _ in range(200):
            # What stands on two or three edges near one another changes places.
            start = rng.integers(1, 9)
            near = [gene for gene, (i, j) in enumerate(space.edges()) if start <= i and j <= start + 4]
            genes = rng.choice(near, min(len(near), int(rng.integers(2, 4))), replace=False)
            names = [options[gene][twin[gene]] for gene in np.roll(genes, 1)]
            if all(name in options[gene] for gene, name in zip(genes, names, strict=True)):
                changed = twin.copy()
                changed[genes] = [options[gene].index(name) for gene, name in zip(genes, names, strict=True)]
                if (changed != twin).any() and any(True for _ in matches(first, describe(space, changed))):
                    twin = changed
                    twins.add(twin.tobytes())
        different = np.stack([np.frombuffer(each, dtype=np.uint8) for each in twins])
        assert len(np.unique(space.canonical(different, "functional"), axis=0)) == 1
        found += len(twins) - 1
    assert found > 20


@torch.no_grad()
def output(space, row, x, operations=None, match=None, weights=None):
    """What a network computes; with the weights of another's operations, by their edges, where there is a match."""
    network = space.network(row).double().eval()
    edges = {f"{i}-{j}" for (i, j), *_ in describe(space, row)[0]}
    if weights is not None:
        network.stem.load_state_dict(weights["stem"])
        network.head.load_state_dict(weights["head"])
        for number, candidate in match.items():
            if number != "x":
                i, j = operations[candidate][0]
                network.edges[f"{i}-{j}"].load_state_dict(weights["edges"][number])
    else:
        weights = {"stem": network.stem.state_dict(), "head": network.head.state_dict()}
        weights["edges"] = [network.edges[f"{i}-{j}"].state_dict() for (i, j), *_ in describe(space, row)[0]]
    assert edges <= set(network.edges)
    return network(x), weights


def test_twins_compute_the_same_with_matched_weights():
    space = small(4, 1)
    rows = every(space)
    canonical = space.canonical(rows, "functional")
    moved = np.flatnonzero((canonical != space.canonical(rows, "equal_nodes")).any(axis=1))
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    for position in np.random.default_rng(0).choice(moved, 40, replace=False):
        row, twin = describe(space, rows[position]), describe(space, canonical[position])
        expected, weights = output(space, rows[position], x)
        found, _ = output(space, canonical[position], x, twin[0], next(matches(row, twin)), weights)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_others_compute_something_else_whatever_the_match():
    rows = np.unique(FOUR.canonical(every(FOUR), "functional"), axis=0)
    described = [describe(FOUR, row) for row in rows]
    pairs = [
        (one, other)
        for one, other in itertools.combinations(range(len(rows)), 2)
        if len(described[one][0]) == len(described[other][0]) <= 3
    ]
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    for choice in np.random.default_rng(0).choice(len(pairs), 40, replace=False):
        one, other = pairs[choice]
        expected, weights = output(FOUR, rows[one], x)
        operations = described[other][0]
        for order in itertools.permutations(range(len(operations))):
            found, _ = output(FOUR, rows[other], x, operations, dict(enumerate(order)), weights)
            assert (found - expected).abs().max() > 1e-6 * expected.abs().max()


def test_a_chain_of_one_value_is_one_function_however_long_the_way():
    by_name = {name: index for index, name in enumerate(FOUR.decisions[-1].options)}
    late = FOUR.parse("identity-identity-E1K3-none-none-none")
    early = FOUR.parse("E1K3-identity-identity-none-none-none")
    twice = FOUR.parse("E1K3-E1K3-identity-none-none-none")
    canonical = FOUR.canonical(np.stack([late, early, twice]), "functional")
    np.testing.assert_array_equal(canonical[0], canonical[1])
    assert (canonical[2] != canonical[0]).any()
    np.testing.assert_array_equal(canonical[0], [0, 1, 1, *[by_name["none"]] * 3])


def test_a_shared_operation_is_not_two_of_one_kind():
    # Node 2 is a(x); node 4 gets it twice in the first, and a second operation on x in the other.
    shared = FOUR.parse("E1K3-identity-identity-none-none-identity")
    separate = FOUR.parse("E1K3-identity-identity-E1K3-none-none")
    canonical = FOUR.canonical(np.stack([shared, separate]), "functional")
    assert (canonical[0] != canonical[1]).any()


def test_no_rows_have_no_twins():
    assert FULL.canonical(np.zeros((0, 54), dtype=np.uint8), "functional").shape == (0, 54)
