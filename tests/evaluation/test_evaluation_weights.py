"""A supernet at other weights than its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from evaluation_parts import SPACE, same, snapshot

from trueshot.core.errors import CheckpointError
from trueshot.evaluation.weights import installed
from trueshot.sharing import Bias, Split, Supernet, single_path, split

ARCHS = SPACE.sample(8, 0)


def outputs(supernet):
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return torch.stack([supernet.eval()(x, arch) for arch in ARCHS])


def train_a_little(supernet, seed):
    optimizer = torch.optim.SGD(supernet.parameters(), lr=0.1)
    x = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    for arch in SPACE.sample(10, seed):
        supernet.train()(x, arch).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("over", [single_path, Bias()])
def test_weights_from_before_a_split_fit_after_it(lazy, over):
    torch.manual_seed(0)
    supernet = Supernet(SPACE, Split(lazy=lazy, over=over))
    train_a_little(supernet, 1)
    before, expected = snapshot(supernet), outputs(supernet)
    split(supernet)
    train_a_little(supernet, 2)
    after, own = snapshot(supernet), outputs(supernet)
    assert not torch.equal(own, expected)
    with installed(supernet, before):
        assert torch.equal(outputs(supernet), expected)
    assert torch.equal(outputs(supernet), own)
    assert same(snapshot(supernet), after)


def test_lazily_split_weights_of_an_earlier_epoch_know_which_sets_were_trained_then():
    torch.manual_seed(0)
    supernet = Supernet(SPACE, Split(lazy=True))
    split(supernet)
    train_a_little(supernet, 1)
    early, expected = snapshot(supernet), outputs(supernet)
    train_a_little(supernet, 2)
    with installed(supernet, early):
        assert torch.equal(outputs(supernet), expected)


def test_weights_of_another_supernet_are_refused_and_change_nothing():
    supernet = Supernet(SPACE, Split())
    split(supernet)
    own = snapshot(supernet)
    foreign = {name: value for name, value in own.items() if "head" not in name}
    with pytest.raises(CheckpointError, match="is of another supernet"), installed(supernet, foreign):
        pass
    assert same(snapshot(supernet), own)
    assert np.isfinite(outputs(supernet).numpy()).all()
