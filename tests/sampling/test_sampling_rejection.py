"""Rejection of architectures without a live convolution."""

import numpy as np
import pytest

from trueshot.core.errors import ConfigError
from trueshot.sampling import (
    FixedPool,
    LiveConvolution,
    Remembers,
    Sampler,
    StrictlyFair,
    Uniform,
    has_live_convolution,
)
from trueshot.spaces import Chain, NasBench201, Topology
from trueshot.spaces.canonical.classes import every
from trueshot.spaces.liveness import runs_convolution

SPACE = NasBench201()
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


def _oracle(cell):
    """Walk all paths from input to output and look for a convolution on one without ``none``."""

    def paths(node):
        if node == 3:
            yield ()
        for (source, target), operation in zip(EDGES, cell, strict=True):
            if source == node and operation != 0:
                yield from ((operation, *rest) for rest in paths(target))

    return any(operation in (2, 3) for path in paths(0) for operation in path)


def test_what_a_skeleton_runs_tells_the_same_as_what_a_space_prunes():
    archs = every(SPACE)[::11]
    small = NasBench201(cells=1, channels=4)
    assert (runs_convolution(small, archs) == has_live_convolution(SPACE, archs)).all()


def test_13642_architectures_have_a_live_convolution():
    archs = every(SPACE)
    found = has_live_convolution(SPACE, archs)
    assert found.sum() == 13_642
    some = np.random.default_rng(0).permutation(len(archs))[:1500]
    assert found[some].tolist() == [_oracle(cell) for cell in archs[some]]
    # Skips that are convolutions in the supernet alone do not count.
    assert has_live_convolution(NasBench201(skip="linear_transformer"), archs).sum() == 13_642
    assert has_live_convolution(NasBench201(sub_space="only_conv"), every(NasBench201(sub_space="only_conv"))).all()


def test_in_spaces_without_dead_parts_any_convolution_counts():
    assert has_live_convolution(Chain(), Chain().sample(20, 0)).all()
    space = Topology(nodes=(3,), widths=(4,))
    identity = [d.options.index("identity") for d in space.decisions]
    assert has_live_convolution(space, np.array([identity], dtype=np.uint8)).tolist() == [False]


def test_uniform_sampling_stays_uniform_over_what_is_left():
    sampler = LiveConvolution(SPACE, Uniform(SPACE))
    assert isinstance(sampler, Sampler)
    assert isinstance(sampler, Remembers)
    drawn = sampler.sample(30_000, np.random.default_rng(0))
    assert drawn.shape == (30_000, 6)
    assert has_live_convolution(SPACE, drawn).all()
    np.testing.assert_array_equal(drawn, sampler.sample(30_000, np.random.default_rng(0)))
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    # Unseen architectures have zero counts: variance of a uniform draw is its mean.
    every_count = np.append(counts, np.zeros(13_642 - len(counts)))
    assert every_count.var() == pytest.approx(30_000 / 13_642, rel=0.1)


def test_steps_stay_strictly_fair():
    sampler = LiveConvolution(SPACE, StrictlyFair(SPACE))
    assert sampler.per_step == 5
    drawn = sampler.sample(5 * 40 + 3, np.random.default_rng(0))
    assert len(drawn) == 203
    steps = np.sort(drawn[:200].reshape(40, 5, 6), axis=1)
    assert (steps == np.arange(5)[:, None]).all()
    assert has_live_convolution(SPACE, drawn).all()
    assert sampler.sample(0, np.random.default_rng(0)).shape == (0, 6)


def test_a_sampler_that_never_draws_one_is_refused():
    pool = FixedPool(SPACE, np.ones((1, 6), dtype=np.uint8))
    with pytest.raises(ConfigError, match="no step of 1 architectures of nasbench201 has live convolutions"):
        LiveConvolution(SPACE, pool).sample(1, np.random.default_rng(0))
