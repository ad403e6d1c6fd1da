import itertools

import torch
from torch import nn

from trueshot.spaces.skeletons import Cell, CellStack, live_edges

EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]


class Times(nn.Module):
    """Multiplies; absent where the context says so, and counts its calls."""

    def __init__(self, edge, factor):
        super().__init__()
        self.edge, self.factor, self.calls = edge, factor, 0

    def absent(self, absent):
        return self.edge in absent

    def forward(self, x, absent):
        self.calls += 1
        return x * self.factor


def paths(present):
    """All ways from 0 to 3, by walking."""
    ways = [[(0, 3)], [(0, 1), (1, 3)], [(0, 2), (2, 3)], [(0, 1), (1, 2), (2, 3)]]
    return [way for way in ways if all(edge in present for edge in way)]


def test_a_cell_is_the_sum_over_paths_and_runs_live_edges_only():
    factors = dict(zip(EDGES, (2.0, 3.0, 5.0, 7.0, 11.0, 13.0), strict=True))
    cell = Cell({edge: Times(edge, factors[edge]) for edge in EDGES})
    x = torch.ones(1, 1, 2, 2)
    for there in itertools.product([False, True], repeat=6):
        present = tuple(edge for edge, yes in zip(EDGES, there, strict=True) if yes)
        absent = frozenset(EDGES) - frozenset(present)
        for module in cell.edges.values():
            module.calls = 0
        expected = sum(torch.tensor([factors[edge] for edge in way]).prod() for way in paths(present))
        torch.testing.assert_close(cell(x, absent), x * expected)
        live = {edge for way in paths(present) for edge in way}
        assert live_edges(present, 0, 3) == live
        assert {module.edge for module in cell.edges.values() if module.calls} == live
        assert {module.edge for module in cell.idle(absent)} == set(EDGES) - live


def test_nothing_placed_and_always_there_mix_with_what_may_be_absent():
    cell = Cell({(0, 1): Times((0, 1), 2.0), (0, 2): None, (1, 2): Shift()})
    x = torch.ones(1, 1, 1, 1)
    assert cell(x, ()).item() == 3.0
    assert cell(x, ((0, 1),)).item() == 0.0
    assert [type(module) for module in cell.idle(((0, 1),))] == [Times, Shift]


class Shift(nn.Module):
    def forward(self, x, *context):
        return x + 1


def test_edges_are_summed_by_target_then_source_whatever_their_order():
    a = Cell({edge: Times(edge, 2.0) for edge in EDGES})
    b = Cell({edge: Times(edge, 2.0) for edge in reversed(EDGES)})
    x = torch.randn(1, 2, 3, 3)
    assert torch.equal(a(x, ()), b(x, ()))


def test_only_cells_of_a_stack_are_given_the_context():
    stack = CellStack(nn.Identity(), {"a": Cell({(0, 1): Times((0, 1), 2.0)}), "b": nn.ReLU()}, nn.Flatten())
    assert stack(torch.ones(1, 1, 1, 2), ()).tolist() == [[2.0, 2.0]]
    assert not hasattr(stack, "idle")
