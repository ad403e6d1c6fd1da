"""Samplers: what is drawn, how often, and at what expected cost."""

import re
import time

import numpy as np
import pytest
from torch import nn

from trueshot.core.errors import BudgetError, ConfigError
from trueshot.sampling import Matched, Sampler, StrictlyFair, Uniform, describe_sampler, expected_parts
from trueshot.spaces import NONE, Chain, Site, Space, Topology
from trueshot.spaces.skeletons import Chain as Skeleton

CHAIN, TOPOLOGY = Chain(), Topology()


@pytest.mark.parametrize("sampler", [Uniform(CHAIN), StrictlyFair(CHAIN), Matched(TOPOLOGY, 0.6)])
def test_draws_are_reproducible_architectures(sampler):
    assert isinstance(sampler, Sampler)
    archs = sampler.sample(25, np.random.default_rng(0))
    assert archs.shape == (25, len(sampler.space.decisions))
    np.testing.assert_array_equal(sampler.space.check(archs), archs)
    np.testing.assert_array_equal(archs, sampler.sample(25, np.random.default_rng(0)))
    assert (archs != sampler.sample(25, np.random.default_rng(1))).any()


def test_p_drop_of_the_published_target():
    assert Matched.to_target(TOPOLOGY, 347e6).p_drop == pytest.approx(0.6, abs=1e-3)


@pytest.mark.parametrize(("madds", "p_drop"), [(326e6, 0.667), (400e6, 0.432), (503e6, 0.106)])
def test_p_drop_of_the_fact_sheet(madds, p_drop):
    matched = Matched.to_target(TOPOLOGY, madds)
    assert matched.p_drop == pytest.approx(p_drop, abs=5e-4)
    assert matched.expected_madds == pytest.approx(madds)


def test_monte_carlo_meets_the_target():
    madds = TOPOLOGY.cost(Matched.to_target(TOPOLOGY, 347e6).sample(20_000, np.random.default_rng(0))).madds
    assert madds.mean() == pytest.approx(347e6, rel=0.01)
    assert madds.std() == pytest.approx(60e6, rel=0.02)


def test_20000_architectures_are_drawn_and_costed_at_once():
    sampler = Matched.to_target(TOPOLOGY, 347e6)
    seconds = []
    for seed in range(5):
        start = time.perf_counter()
        TOPOLOGY.cost(sampler.sample(20_000, np.random.default_rng(seed)))
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5


def test_branches_are_dropped_with_p_drop_and_else_uniform():
    archs = Matched(TOPOLOGY, 0.3).sample(20_000, np.random.default_rng(0))
    for gene, decision in enumerate(TOPOLOGY.decisions):
        counts = np.bincount(archs[:, gene], minlength=len(decision.options)) / 20_000
        expected = np.full(len(counts), 1 / len(counts))
        if decision.none is not None:
            expected[:] = 0.7 / (len(counts) - 1)
            expected[decision.none] = 0.3
        # Five standard deviations of a frequency.
        assert (np.abs(counts - expected) < 5 * np.sqrt(expected * (1 - expected) / 20_000)).all()


def test_uniform_sampling_is_the_special_case_of_equation_3():
    small = Topology(nodes=(4,), widths=(4,), head_width=8)
    ((options,),) = {tuple({len(d.options) for d in small.decisions if d.none is not None})}
    uniform = small.cost(Uniform(small).sample(200_000, np.random.default_rng(0))).madds
    assert uniform.mean() == pytest.approx(Matched(small, 1 / options).expected_madds, rel=2e-3)


@pytest.mark.parametrize("p_drop", [0.0, 1.0])
def test_the_ends_are_reachable(p_drop):
    matched = Matched.to_target(TOPOLOGY, Matched(TOPOLOGY, p_drop).expected_madds)
    assert matched.p_drop == p_drop
    dropped = matched.sample(50, np.random.default_rng(0))[:, 19:] == [d.none for d in TOPOLOGY.decisions[19:]]
    assert dropped.all() if p_drop else not dropped.any()


@pytest.mark.parametrize("madds", [60e6, 3e9])
def test_an_unreachable_target_names_the_range(madds):
    with pytest.raises(BudgetError, match=r"no p_drop gives .* choose a target between 220\.8M and 536\.3M"):
        Matched.to_target(TOPOLOGY, madds)


def test_a_space_without_branches_cannot_be_matched():
    with pytest.raises(BudgetError, match="no edge that can be dropped"):
        Matched.to_target(CHAIN, 300e6)
    with pytest.raises(ConfigError, match="no edge that can be dropped"):
        Matched(CHAIN, 0.5)
    with pytest.raises(ConfigError, match=r"p_drop 1\.5 is no probability"):
        Matched(TOPOLOGY, 1.5)


class Mixed(Space):
    """Three decisions of 2, 3 and 5 options, the second with ``none`` first; nothing costs anything."""

    def assemble(self, place):
        """Place them in a row."""
        names = [["a", "b"], [NONE, "a", "b"], ["a", "b", "c", "d", "e"]]
        sites = [
            Site(
                decision=str(index),
                candidates={name: None if name == NONE else nn.Identity for name in options},
                in_channels=3,
                out_channels=3,
            )
            for index, options in enumerate(names)
        ]
        return Skeleton(nn.Identity(), {site.decision: place(site) for site in sites}, nn.Flatten())


def test_branches_that_cost_nothing_have_one_reachable_target():
    space = Mixed(image_size=2)
    assert expected_parts(space) == (0.0, 0.0)
    with pytest.raises(BudgetError, match="choose a target between 0 and 0"):
        Matched.to_target(space, 5.0)
    assert Matched.to_target(space, 0.0).p_drop == 0.0


def test_the_option_none_may_stand_anywhere():
    archs = Matched(Mixed(image_size=2), 0.5).sample(4000, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(archs[:, 1]) / 4000, [0.5, 0.25, 0.25], atol=0.04)


def test_strictly_fair_is_a_permutation_of_every_decision():
    sampler = StrictlyFair(CHAIN)
    assert sampler.per_step == 6
    steps = sampler.sample(6 * 50, np.random.default_rng(0)).reshape(50, 6, 19)
    np.testing.assert_array_equal(np.sort(steps, axis=1), np.broadcast_to(np.arange(6)[:, None], steps.shape))
    # Decisions are permuted independently of each other.
    assert (steps[:, :, 0] != steps[:, :, 1]).any()
    first = np.bincount(sampler.sample(6 * 4000, np.random.default_rng(1))[::6, 3], minlength=6)
    assert np.abs(first - 4000 / 6).max() < 5 * np.sqrt(4000 / 6)


@pytest.mark.parametrize("space", [Mixed(image_size=2), TOPOLOGY], ids=["mixed", "topology"])
def test_strictly_fair_with_unequal_decisions_is_as_even_as_can_be(space):
    sampler = StrictlyFair(space)
    size = sampler.per_step
    steps = sampler.sample(size * 200, np.random.default_rng(0)).reshape(200, size, -1)
    for gene, options in enumerate(space.options):
        counts = np.stack([np.bincount(step, minlength=int(options)) for step in steps[:, :, gene]])
        assert counts.min() >= 1
        assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1
        # No network of the step is the one that always gets the repeats.
        frequencies = np.stack([np.bincount(steps[:, k, gene], minlength=int(options)) for k in range(size)]) / 200
        assert np.abs(frequencies - 1 / options).max() < 5 * np.sqrt(0.25 / 200)


def test_a_last_step_may_be_cut_short():
    assert StrictlyFair(CHAIN).sample(8, np.random.default_rng(0)).shape == (8, 19)
    assert StrictlyFair(CHAIN).sample(0, np.random.default_rng(0)).shape == (0, 19)


def test_a_target_that_nobody_asked_for_never_fixes_the_topology():
    for most in (None, 1e12, 400e6):
        sampler = Matched.within(TOPOLOGY, most, most_dropped=0.8)
        droppable = TOPOLOGY.droppable.astype(bool)
        assert (sampler.dropped[droppable] >= 1 / TOPOLOGY.options[droppable]).all()
        assert not sampler.dropped[~droppable].any()
        madds = TOPOLOGY.cost(sampler.sample(4000, np.random.default_rng(0))).madds
        assert sampler.expected_madds == pytest.approx(madds.mean(), rel=0.01)
        assert not sampler.drops_nothing
    free = Matched.within(TOPOLOGY, None, most_dropped=0.8)
    assert free.p_drop == 0.0
    # Then it is uniform sampling: Eq. 3.
    always, branches = expected_parts(TOPOLOGY)
    uniform = TOPOLOGY.cost(Uniform(TOPOLOGY).sample(20_000, np.random.default_rng(0))).madds.mean()
    assert free.expected_madds == pytest.approx(uniform, rel=5e-3)
    assert free.expected_madds < always + branches
    told = r"with each branch left out with probability 0\.000, but no more rarely than uniformly: \S+ MAdds expected"
    assert re.fullmatch(told, describe_sampler(free))
    # A low bound is met as before, draw by draw.
    low = Matched.within(TOPOLOGY, 300e6, most_dropped=0.8)
    drawn = [
        Matched(TOPOLOGY, low.p_drop, floored=floored).sample(50, np.random.default_rng(1)) for floored in (False, True)
    ]
    assert low.p_drop > 0.5
    assert np.array_equal(*drawn)


def test_an_explicit_target_stays_exact_and_says_when_it_drops_nothing():
    always, branches = expected_parts(TOPOLOGY)
    full = Matched.to_target(TOPOLOGY, always + branches)
    assert full.expected_madds == pytest.approx(always + branches)
    assert full.drops_nothing
    assert describe_sampler(full).startswith("with every branch kept: only the full topology is sampled, ")
    assert "drops nothing" not in describe_sampler(Matched.to_target(TOPOLOGY, always + 0.9 * branches))
