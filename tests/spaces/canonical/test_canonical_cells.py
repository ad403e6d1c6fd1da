import itertools
from functools import partial

import numpy as np
import pytest
import torch
from cell_oracle import EDGES, graph_code, live_edges, string_code, terms_code
from torch import nn

from trueshot.operations.nasbench201 import average_pool, relu_conv_bn
from trueshot.spaces.canonical import cells
from trueshot.spaces.skeletons import Cell

ROWS = list(itertools.product(range(5), repeat=6))
ARRAY = np.array(ROWS, dtype=np.uint8)


def classes(codes):
    """Number the classes by their first members."""
    seen = {}
    return np.array([seen.setdefault(code, len(seen)) for code in codes])


@pytest.fixture(scope="module")
def functional_oracle():
    return classes([graph_code(row, distribute=True) for row in ROWS])


NB201 = partial(string_code, hashes=True, skips=True)


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        (partial(string_code, hashes=False, skips=True), 12_751),
        (partial(string_code, hashes=False, skips=False, drop_none=True), 11_155),
        (partial(string_code, hashes=True, skips=False), 9_785),
        (partial(string_code, hashes=False, skips=False, drop_none=True, drop_empty=True), 8_765),
        (NB201, 6_466),
        (partial(NB201, collapse=True), 6_285),
        (partial(NB201, keep=False), 5_390),
        (partial(terms_code, distribute=False), 4_930),
        (partial(terms_code, distribute=True), 4_660),
    ],
)
def test_the_oracle_reproduces_the_known_counts(rule, count):
    assert len({rule(row) for row in ROWS}) == count


def test_nb201_codes_equal_the_strings():
    ours, strings = classes(cells.nb201_codes(ARRAY).tolist()), classes(map(NB201, ROWS))
    np.testing.assert_array_equal(ours, strings)
    sizes = np.sort(np.bincount(ours))[::-1]
    assert len(sizes) == 6_466
    assert sizes[:6].tolist() == [275, 275, 275, 250, 225, 100]
    assert (sizes == 1).sum() == 5_116


def test_functional_codes_equal_all_numberings(functional_oracle):
    ours = classes(cells.functional_codes(ARRAY).tolist())
    np.testing.assert_array_equal(ours, functional_oracle)
    assert ours.max() + 1 == 5_044


def test_without_distributed_pooling_there_are_more_classes():
    rng = np.random.default_rng(0)
    rows = [ROWS[position] for position in rng.choice(len(ROWS), 400, replace=False)]
    apart = {graph_code(row, distribute=False) for row in rows}
    assert len(apart) >= len({graph_code(row, distribute=True) for row in rows})


def test_codes_do_not_depend_on_the_batch():
    rows = ARRAY[np.random.default_rng(1).permutation(len(ARRAY))[:100]]
    for code in (cells.nb201_codes, cells.functional_codes):
        np.testing.assert_array_equal(code(rows), np.concatenate([code(row[None]) for row in rows]))
        assert len(code(rows[:0])) == 0


def test_live_edges_equal_the_four_paths():
    live = cells.live_edges(ARRAY != cells.NONE)
    expected = np.array([[edge in live_edges(row) for edge in range(6)] for row in ROWS])
    np.testing.assert_array_equal(live, expected)
    assert live.any(axis=1).sum() == 15_284


def convolution(kind):
    module = relu_conv_bn(2, 1 if kind == cells.CONV1 else 3)
    nn.init.normal_(module[2].running_mean)
    nn.init.uniform_(module[2].running_var, 0.5, 2.0)
    nn.init.normal_(module[2].weight)
    nn.init.normal_(module[2].bias)
    return module.double().eval()


def live_convolutions(row):
    return [edge for edge in sorted(live_edges(row)) if row[edge] in (cells.CONV1, cells.CONV3)]


def output(row, placed, x):
    """Run a real cell whose convolutions stand in ``placed`` by edge."""
    edges = {}
    for edge, ends in enumerate(EDGES):
        if row[edge] == cells.SKIP:
            edges[ends] = nn.Sequential()
        elif row[edge] == cells.POOL:
            edges[ends] = average_pool()
        else:
            edges[ends] = placed.get(edge)
    return Cell(edges)(x)


@torch.no_grad()
def same_function(first, second, x):
    """Whether some match of the weights of the live convolutions gives equal outputs."""
    ours, theirs = live_convolutions(first), live_convolutions(second)
    if sorted(first[edge] for edge in ours) != sorted(second[edge] for edge in theirs):
        return False
    modules = [convolution(first[edge]) for edge in ours]
    expected = output(first, dict(zip(ours, modules, strict=True)), x)
    for order in itertools.permutations(range(len(ours))):
        if all(first[ours[k]] == second[edge] for k, edge in zip(order, theirs, strict=True)):
            placed = {edge: modules[k] for k, edge in zip(order, theirs, strict=True)}
            if torch.allclose(output(second, placed, x), expected, rtol=1e-9, atol=1e-9):
                return True
    return False


def pairs(of, apart, n, seed):
    """Draw pairs of one class of ``of`` that lie in different classes of ``apart``."""
    rng = np.random.default_rng(seed)
    members = [group for group in (np.flatnonzero(of == label) for label in np.unique(of)) if len(group) > 1]
    found = []
    while len(found) < n:
        a, b = rng.choice(members[rng.integers(len(members))], 2, replace=False)
        if apart[a] != apart[b]:
            found.append((ROWS[a], ROWS[b]))
    return found


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(2, 2, 4, 4, dtype=torch.float64)


def test_functional_twins_are_one_function(x):
    functional = classes(cells.functional_codes(ARRAY).tolist())
    for first, second in pairs(functional, np.arange(len(ROWS)), 60, seed=2):
        assert same_function(first, second, x), (first, second)


def test_twins_of_the_literature_alone_are_different_functions(x):
    functional = classes(cells.functional_codes(ARRAY).tolist())
    nb201 = classes(cells.nb201_codes(ARRAY).tolist())
    assert sum(len(set(functional[nb201 == label])) > 1 for label in range(nb201.max() + 1)) == 430
    for first, second in pairs(nb201, functional, 40, seed=3):
        assert not same_function(first, second, x), (first, second)


def test_cells_of_equal_operations_but_other_classes_are_different_functions(x):
    functional = classes(cells.functional_codes(ARRAY).tolist())
    counts = classes([tuple(sorted(row[edge] for edge in live_edges(row))) for row in ROWS])
    for first, second in pairs(counts, functional, 40, seed=4):
        assert not same_function(first, second, x), (first, second)
