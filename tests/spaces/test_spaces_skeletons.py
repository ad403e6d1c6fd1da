"""What a list of steps computes."""

import pytest
import torch
from torch import nn

from trueshot.spaces.steps import Concatenate, Step, node_values, run


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x, *context):
        return None if context == ("nothing",) else sum(context, self.factor) * x


def test_steps_apply_add_and_concatenate():
    x = torch.ones(1, 2, 1, 1)
    steps = [
        Step(Times(2), 0, 1),
        Step(Times(3), 0, 1),
        Step(Times(10), 1, 2, True),
        Concatenate((2, 1, 1), 3),
        Concatenate((1, 2, 0), 3),
    ]
    assert run(steps, x, (5,)).flatten().tolist() == [75 + 5, 75 + 5, 5 + 75, 5 + 75, 5 + 1, 5 + 1]
    values = node_values(steps[:3], x, (5,))
    assert {node: value.flatten().tolist() for node, value in values.items()} == {0: [1, 1], 1: [5, 5], 2: [75, 75]}


def test_a_node_that_nothing_was_added_to_has_no_value():
    steps = [Step(Times(2), 0, 1), Step(Times(3), 1, 2, True)]
    assert list(node_values(steps, torch.ones(1, 1, 1, 1), ("nothing",))) == [0, 1]
    with pytest.raises(KeyError):
        run([*steps, Concatenate((1, 2), 3)], torch.ones(1, 1, 1, 1), ("nothing",))
