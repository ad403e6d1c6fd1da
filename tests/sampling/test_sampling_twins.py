"""De-isomorphic sampling, by the table and lazily, and the fixed pool."""

import numpy as np
import pytest

from trueshot.core.errors import ArchitectureError, ConfigError
from trueshot.sampling import (
    Deisomorphic,
    FixedPool,
    LazyDeisomorphic,
    LiveConvolution,
    Remembers,
    Sampler,
    Uniform,
    has_live_convolution,
)
from trueshot.spaces import Chain, NasBench201, Topology
from trueshot.spaces.canonical.classes import every

SPACE = NasBench201()


@pytest.mark.parametrize(("rule", "classes", "live"), [("nb201", 6466, 6321), ("literal", 15625, 13642)])
def test_the_classes_of_the_table(rule, classes, live):
    assert Deisomorphic(SPACE, rule).classes == classes
    assert Deisomorphic(SPACE, rule, require_live_conv=True).classes == live
    assert Deisomorphic(SPACE).classes == 5044


def test_classes_are_equally_likely_and_stand_for_themselves():
    sampler = Deisomorphic(SPACE, "nb201", per_step=3)
    assert isinstance(sampler, Sampler)
    assert not isinstance(sampler, Remembers)
    assert sampler.per_step == 3
    drawn = sampler.sample(60_000, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, SPACE.canonical(drawn, "nb201"))
    np.testing.assert_array_equal(drawn, sampler.sample(60_000, np.random.default_rng(0)))
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    mean = 60_000 / 6466
    # Variance of the counts of a uniform draw is their mean; uniform over architectures it would be many times that.
    assert len(counts) > 6455
    assert counts.var() == pytest.approx(mean, rel=0.1)


def test_a_random_member_has_equal_chances_within_its_class():
    drawn = Deisomorphic(SPACE, "nb201", member="random").sample(200_000, np.random.default_rng(0))
    canonical = SPACE.canonical(every(SPACE), "nb201")
    classes, sizes = np.unique(canonical, axis=0, return_counts=True)
    largest = classes[sizes.argmax()]
    members = every(SPACE)[(canonical == largest).all(axis=1)]
    hits = drawn[(SPACE.canonical(drawn, "nb201") == largest).all(axis=1)]
    # About 31 draws fall into this class of 275 members: nearly all are different.
    assert 10 < len(hits) < 60
    assert len(np.unique(hits, axis=0)) > 0.8 * len(hits)
    assert {row.tobytes() for row in hits} <= {row.tobytes() for row in members}


def test_with_live_convolutions_every_draw_has_one():
    for member in ("representative", "random"):
        drawn = Deisomorphic(SPACE, "nb201", member=member, require_live_conv=True).sample(
            2000, np.random.default_rng(0)
        )
        assert has_live_convolution(SPACE, drawn).all()


def test_a_space_too_large_for_the_table_is_refused():
    with pytest.raises(ConfigError, match="too many to list"):
        Deisomorphic(Topology()).sample(1, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="no canonical rule 'nb301'"):
        LazyDeisomorphic(SPACE, Uniform(SPACE), rule="nb301")


def test_lazily_a_class_is_stood_for_by_its_first_member():
    space = NasBench201(sub_space="no_none")
    sampler = LazyDeisomorphic(space, Uniform(space), rule="nb201")
    assert isinstance(sampler, Sampler)
    drawn = sampler.sample(3000, np.random.default_rng(0))
    # Slow oracle: one draw after the other.
    met, expected = {}, []
    rng = np.random.default_rng(0)
    while len(expected) < 3000:
        for row in Uniform(space).sample(3000 - len(expected), rng):
            (code,) = space.canonical(row[None], "nb201")
            if met.setdefault(code.tobytes(), row.tobytes()) == row.tobytes():
                expected.append(row)
    np.testing.assert_array_equal(drawn, expected)
    assert len(np.unique(space.canonical(drawn, "nb201"), axis=0)) == len(np.unique(drawn, axis=0))


def test_lazy_draws_remember_and_start_again():
    sampler = LazyDeisomorphic(SPACE, Uniform(SPACE), rule="nb201", per_step=2)
    rng = np.random.default_rng(0)
    parts = [sampler.sample(500, rng), sampler.sample(500, rng)]
    both = np.concatenate(parts)
    assert len(np.unique(SPACE.canonical(both, "nb201"), axis=0)) == len(np.unique(both, axis=0))
    sampler.restart()
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(parts, [sampler.sample(500, rng), sampler.sample(500, rng)])


def test_lazy_draws_work_where_nothing_can_be_listed():
    space = Topology()
    sampler = LazyDeisomorphic(space, Uniform(space), rule="equal_nodes")
    assert sampler.sample(50, np.random.default_rng(0)).shape == (50, 54)


def test_lazy_draws_of_live_convolutions_only():
    sampler = LazyDeisomorphic(SPACE, LiveConvolution(SPACE, Uniform(SPACE)), rule="nb201")
    assert has_live_convolution(SPACE, sampler.sample(1000, np.random.default_rng(0))).all()


def test_the_pool_is_drawn_uniformly():
    archs = SPACE.sample(78, 0)
    sampler = FixedPool(SPACE, archs, per_step=4)
    assert isinstance(sampler, Sampler)
    drawn = sampler.sample(7800, np.random.default_rng(0))
    found, counts = np.unique(drawn, axis=0, return_counts=True)
    np.testing.assert_array_equal(found, np.unique(archs, axis=0))
    assert np.abs(counts - 100).max() < 5 * 10
    with pytest.raises(ConfigError, match="pool of architectures of nasbench201 is empty"):
        FixedPool(SPACE, archs[:0])
    with pytest.raises(ArchitectureError, match="position 1 of 19"):
        FixedPool(Chain(), np.full((1, 19), 6, dtype=np.uint8))
