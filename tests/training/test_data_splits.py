import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueshot.core.errors import DataError
from trueshot.training.data.splits import apportion, draw, split, stratified_prefix, subset

COUNTS = st.lists(st.integers(3, 40), min_size=2, max_size=6)


def _labels(counts):
    return np.repeat(np.arange(len(counts)), counts)


def _split(labels, fraction, classes, parts=2, seed=0):
    return split(labels, fraction, classes=classes, parts=parts, generator=np.random.default_rng(seed))


@given(counts=COUNTS, share=st.floats(0, 1))
def test_apportion_keeps_total_bounds_and_proportion(counts, share):
    counts = np.asarray(counts)
    lower, upper = np.ones_like(counts), counts - 1
    total = round(share * counts.sum())
    shares = apportion(counts, total, lower, upper)
    assert shares.sum() == np.clip(total, lower.sum(), upper.sum())
    assert (lower <= shares).all()
    assert (shares <= upper).all()


def test_apportion_is_the_largest_remainder():
    counts = np.asarray([10, 7, 3])
    free = np.zeros(3, dtype=np.int64), counts
    assert apportion(counts, 10, *free).tolist() == [5, 4, 1] or apportion(counts, 10, *free).tolist() == [5, 3, 2]
    assert apportion(counts, 11, *free).tolist() == [5, 4, 2]
    assert apportion(np.asarray([100, 1]), 10, np.asarray([0, 1]), np.asarray([100, 1])).tolist() == [9, 1]


@given(counts=COUNTS, fraction=st.floats(0.01, 0.99), seed=st.integers(0, 5))
def test_split_is_disjoint_complete_and_on_both_sides(counts, fraction, seed):
    labels = _labels(counts)
    kept, aside = _split(labels, fraction, tuple("abcdef"[: len(counts)]), parts=3, seed=seed)
    assert sorted([*kept, *aside]) == list(range(len(labels)))
    assert (np.bincount(labels[aside], minlength=len(counts)) >= 1).all()
    assert (np.bincount(labels[kept], minlength=len(counts)) >= 2).all()


def test_split_mixes_the_classes_on_both_sides():
    labels = _labels([300, 300])
    for side in _split(labels, 0.5, ("a", "b")):
        for stretch in np.split(labels[side], 3):
            assert 25 < stretch.sum() < 75


def test_every_row_of_a_class_is_equally_likely():
    labels = _labels([6, 10])
    drawn = np.concatenate([_split(labels, 0.5, ("a", "b"), seed=seed)[1] for seed in range(400)])
    np.testing.assert_allclose(np.bincount(drawn) / 400, 0.5, atol=0.1)


def test_draw_follows_the_generator():
    labels = _labels([20, 20])
    first = draw(labels, np.asarray([5, 3]), np.random.default_rng(1))
    again = draw(labels, np.asarray([5, 3]), np.random.default_rng(1))
    other = draw(labels, np.asarray([5, 3]), np.random.default_rng(2))
    np.testing.assert_array_equal(first[0], again[0])
    assert set(first[0]) != set(other[0])
    assert np.bincount(labels[first[0]]).tolist() == [5, 3]


def test_split_names_the_class_that_is_too_small():
    with pytest.raises(DataError, match="class 'b' has 1 images, too few to split into 2 parts"):
        _split(np.asarray([0, 0, 0, 1]), 0.5, ("a", "b"))


def test_subset_without_a_limit_is_a_permutation():
    rows = subset(
        _labels([5, 5]), None, classes=("a", "b"), least=2, generator=np.random.default_rng(0), option="max_images"
    )
    assert sorted(rows) == list(range(10))
    assert rows.tolist() != list(range(10))


@given(counts=COUNTS, limit=st.integers(1, 60))
def test_stratified_prefix_takes_the_first_of_each_class(counts, limit):
    labels = np.random.default_rng(0).permutation(_labels(counts))
    chosen = stratified_prefix(labels, limit)
    assert len(chosen) == min(limit, len(labels))
    assert (np.diff(chosen) > 0).all()
    for number, count in enumerate(counts):
        own = np.flatnonzero(labels == number)
        taken = chosen[labels[chosen] == number]
        np.testing.assert_array_equal(taken, own[: len(taken)])
        assert abs(len(taken) - count * min(limit / len(labels), 1)) < 1 + 1e-9
