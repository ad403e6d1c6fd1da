from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from trueshot.operations import LinearBottleneck
from trueshot.sharing import Attention, Bias, SharedBias, Split, Supernet, single_path
from trueshot.sharing.folding import fold
from trueshot.spaces import Chain, Site, Space, Topology, skeletons
from trueshot.spaces.steps import Concatenate, Step

CHAIN = Chain(
    image_size=12,
    classes=3,
    stem_width=4,
    fixed_width=6,
    head_width=8,
    layers=((6, 1), (6, 1), (8, 2), (8, 1)),
    kernels=(3, 5),
)


def supernet(sharing, space=CHAIN):
    torch.manual_seed(1)
    built = Supernet(space, sharing)
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if "vectors" in name:
                parameter.normal_()
    return built.double().train()


def grads(module):
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


class CountAdds(TorchDispatchMode):
    """Counts the additions of whole images."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.add.Tensor and args[0].dim() == 4:
            self.count += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("sharing", [Bias(depth=1), Bias(depth=2), SharedBias(depth=1), SharedBias(depth=3)])
def test_outputs_gradients_and_statistics_are_those_of_the_plain_steps(sharing):
    folded = supernet(sharing)
    plain = copy.deepcopy(folded)
    x = torch.randn(5, *CHAIN.input_shape, dtype=torch.float64)
    for arch in CHAIN.sample(6, np.random.default_rng(0)):
        row = tuple(int(gene) for gene in arch)
        ours, theirs = folded(x, arch), plain.body(x, row)
        torch.testing.assert_close(ours, theirs)
        for module, output in ((folded, ours), (plain, theirs)):
            module.zero_grad()
            output.square().sum().backward()
        found, wanted = grads(folded), grads(plain)
        assert found.keys() == wanted.keys()
        assert any("vectors" in name for name in found)
        for name, gradient in wanted.items():
            torch.testing.assert_close(found[name], gradient)
        for (name, buffer), other in zip(folded.named_buffers(), plain.buffers(), strict=True):
            torch.testing.assert_close(buffer, other, msg=name)


def test_the_copy_of_a_supernet_is_folded_with_its_own_weights():
    original = supernet(Bias(depth=1))
    other, x = copy.deepcopy(original), torch.randn(5, *CHAIN.input_shape, dtype=torch.float64)
    with torch.no_grad():
        for parameter in original.parameters():
            parameter.zero_()
    other(x, (0, 1, 2, 3)).sum().backward()
    assert other(x, (0, 1, 2, 3)).abs().sum() > 0
    assert grads(other)
    assert not grads(original)


@pytest.mark.parametrize("sharing", [Bias(depth=1), Bias(depth=2), SharedBias(depth=1)])
def test_training_takes_no_more_passes_than_without_vectors(sharing):
    x = torch.randn(2, *CHAIN.input_shape, dtype=torch.float64)
    counts = []
    for built in (supernet(single_path), supernet(sharing)):
        with CountAdds() as counter:
            built(x, (0, 0, 0, 0))
        counts.append(counter.count)
    assert counts[0] == counts[1] == 3  # the shortcuts


def test_scores_come_from_the_steps_of_the_skeleton():
    built, x = supernet(Bias(depth=1)), torch.randn(2, *CHAIN.input_shape, dtype=torch.float64)
    with torch.no_grad(), CountAdds() as counter:
        built(x, (0, 0, 0, 0))
    assert counter.count == 3 + 3
    built.eval()
    with CountAdds() as counter:
        built(x, (0, 0, 0, 0))
    assert counter.count == 3 + 3


class Own(Space):
    """Two sites in a row; the candidates are not bottlenecks."""

    name = "own"

    def assemble(self, place):
        def convolution():
            return nn.Sequential(nn.Conv2d(3, 3, 1))

        candidates = {"a": convolution, "b": convolution}
        blocks = {
            name: place(Site(decision=name, candidates=candidates, in_channels=3, out_channels=3)) for name in "01"
        }
        return skeletons.Chain(nn.Identity(), blocks, nn.Flatten())


@pytest.mark.parametrize(
    ("space", "sharing"),
    [
        (CHAIN, single_path),
        (CHAIN, Attention(depth=1)),
        (CHAIN, Split()),
        (Own(image_size=4, classes=48), Bias(depth=1)),
        (Topology(image_size=32, classes=3), Bias(depth=1)),
    ],
)
def test_nothing_is_folded_where_nothing_can_be(space, sharing):
    assert fold(Supernet(space, sharing).body.steps()) is None


def test_a_value_with_two_readers_or_two_writers_is_left_alone():
    blocks = list(supernet(Bias()).body.blocks.values())[:3]
    steps = [Step(block, node, node + 1, True) for node, block in enumerate(blocks)]
    assert fold(steps)[0].module is not blocks[0]
    assert fold(steps)[2].module is blocks[2].inner
    for added in (Step(nn.Identity(), 1, 3), Step(nn.Identity(), 0, 1)):
        # The first value is now read, or written, twice; the second still is not.
        folded = fold((*steps, added))
        assert folded[0].module is blocks[0]
        assert folded[2].module is blocks[2].inner


def test_a_concatenation_reads_and_writes_like_any_step():
    blocks = list(supernet(Bias()).body.blocks.values())[:3]
    steps = [Step(block, node, node + 1, True) for node, block in enumerate(blocks)]
    joined = fold((*steps, Concatenate((3, 1), 4)))
    assert joined[-1] == Concatenate((3, 1), 4)
    assert joined[0].module is blocks[0]
    assert joined[2].module is blocks[2].inner
    written = fold((*steps[:1], Concatenate((1,), 2), *(step._replace(source=step.source + 1) for step in steps[1:2])))
    assert written is None


def test_a_bottleneck_shifts_its_output():
    block = LinearBottleneck(4, 4, expansion=3, kernel=3).double()
    x, shift = torch.randn(3, 4, 5, 5, dtype=torch.float64), torch.randn(4, 1, 1, dtype=torch.float64)
    other = copy.deepcopy(block)
    result: Tensor = block(x, shift)
    torch.testing.assert_close(result, other(x) + shift)
    for one, two in zip(block.buffers(), other.buffers(), strict=True):
        assert torch.equal(one, two)
