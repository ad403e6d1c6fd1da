"""Evaluators made of evaluators, and evaluation at given weights."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from evaluation_parts import SPACE, batches, make_supernet, same, snapshot

from trueshot.core.cache import EvaluationCache
from trueshot.core.errors import CheckpointError, ConfigError
from trueshot.core.fingerprint import fingerprint
from trueshot.evaluation import (
    Cached,
    Canonical,
    Evaluator,
    Mean,
    Median,
    OneShot,
    Recalibration,
    Reporting,
    WithWeights,
    parameter_expectation,
    score_expectation,
    single_checkpoint,
)
from trueshot.training.snapshots import mean_parameters, save_snapshot

ARCHS = SPACE.sample(6, 3)


class Sum:
    """Scores by the weighted sum of the genes and remembers what it was asked."""

    def __init__(self, weight=1.0):
        self.weight, self.asked = weight, []

    @property
    def digest(self):
        return f"sum {self.weight}"

    def __call__(self, archs):
        self.asked.append(len(archs))
        return self.weight * archs.sum(axis=1).astype(np.float64)


@pytest.fixture
def supernet():
    return make_supernet()


@pytest.fixture
def one_shot(supernet):
    recalibration = Recalibration(mode="reset", batches=1, batch_size=16)
    return OneShot(supernet, batches(2, 8, 1), calibration=batches(2, 8, 2), recalibration=recalibration, metric="loss")


@pytest.fixture
def states():
    return [snapshot(make_supernet(seed)) for seed in (1, 2, 3)]


def with_weights_loaded(one_shot, state):
    """The slow way: a supernet that was really loaded."""
    other = make_supernet(9)
    other.load_state_dict(state)
    return OneShot(
        other,
        one_shot.validation,
        calibration=[(images, images[:, 0, 0, 0]) for images in one_shot.calibration],
        recalibration=one_shot.recalibration,
        metric="loss",
    )


def test_all_are_evaluators(one_shot, states):
    combined = (Mean([one_shot]), WithWeights(one_shot, one_shot.supernet, states[0]), Reporting(one_shot, print))
    assert all(isinstance(evaluator, Evaluator) for evaluator in (one_shot, *combined))


def test_a_single_checkpoint_scores_and_is_named_like_the_supernet_that_loaded_it(one_shot, states):
    before = snapshot(one_shot.supernet)
    evaluator, slow = single_checkpoint(one_shot, states[0]), with_weights_loaded(one_shot, states[0])
    assert np.array_equal(evaluator(ARCHS), slow(ARCHS))
    assert not np.array_equal(evaluator(ARCHS), one_shot(ARCHS))
    assert evaluator.digest == slow.digest != one_shot.digest
    assert same(before, one_shot.supernet.state_dict())


def test_score_expectation_is_the_mean_of_the_singles(one_shot, states, tmp_path):
    paths = [tmp_path / f"{index}.ckpt" for index in range(3)]
    for path, state in zip(paths, states, strict=True):
        save_snapshot(path, state)
    expected = np.mean([with_weights_loaded(one_shot, state)(ARCHS) for state in states], axis=0)
    for snapshots in (states, paths):
        evaluator = score_expectation(one_shot, snapshots)
        np.testing.assert_allclose(evaluator(ARCHS), expected, rtol=1e-12)
        assert evaluator.digest == score_expectation(one_shot, states).digest
    assert score_expectation(one_shot, states[:2]).digest != score_expectation(one_shot, states).digest


def test_parameter_expectation_scores_the_mean_of_the_weights(one_shot, states, tmp_path):
    single = parameter_expectation(one_shot, states[:1])
    assert np.array_equal(single(ARCHS), single_checkpoint(one_shot, states[0])(ARCHS))
    expected = with_weights_loaded(one_shot, mean_parameters(states))
    save_snapshot(tmp_path / "0.ckpt", states[0])
    evaluator = parameter_expectation(one_shot, [tmp_path / "0.ckpt", *states[1:]])
    assert np.array_equal(evaluator(ARCHS), expected(ARCHS))
    assert evaluator.digest == expected.digest


def test_own_weights_come_back_after_an_error(one_shot, states):
    before = snapshot(one_shot.supernet)
    broken = {
        name: torch.full_like(value, torch.nan) if value.is_floating_point() else value
        for name, value in states[0].items()
    }
    with pytest.raises(Exception, match="not finite"):
        single_checkpoint(one_shot, broken)(ARCHS)
    assert same(before, one_shot.supernet.state_dict())


def test_weights_of_another_supernet_are_refused(one_shot, states, tmp_path):
    name = next(iter(states[0]))
    fewer = {key: value for key, value in states[0].items() if key != name}
    for state in (fewer, {**states[0], "more": torch.zeros(1)}, {**states[0], name: torch.zeros(1)}):
        with pytest.raises(CheckpointError, match="of another supernet"):
            single_checkpoint(one_shot, state)(ARCHS)
    save_snapshot(tmp_path / "fewer.ckpt", fewer)
    with pytest.raises(CheckpointError, match=r"fewer\.ckpt"):
        single_checkpoint(one_shot, tmp_path / "fewer.ckpt")(ARCHS)


def test_mean_and_median():
    members = [Sum(1.0), Sum(2.0), Sum(9.0)]
    base = Sum()(ARCHS)
    np.testing.assert_allclose(Mean(members)(ARCHS), 4 * base)
    np.testing.assert_allclose(Median(members)(ARCHS), 2 * base)
    assert (
        len({Mean(members).digest, Median(members).digest, Mean(members[:2]).digest, Mean(members[::-1]).digest}) == 4
    )
    for kind in (Mean, Median):
        with pytest.raises(ConfigError, match="at least one"):
            kind([])


def test_the_cache_is_asked_first_and_duplicates_are_scored_once(tmp_path):
    inner = Sum()
    with EvaluationCache(tmp_path / "evaluations.parquet") as cache:
        evaluator = Cached(inner, cache, describe=lambda rows: {"arch": [SPACE.format(row) for row in rows]})
        twice = np.concatenate([ARCHS[2:5], ARCHS[2:5][::-1]])
        assert np.array_equal(evaluator(twice), Sum()(twice))
        assert np.array_equal(evaluator(ARCHS), Sum()(ARCHS))
        assert inner.asked == [3, 3]
        assert evaluator(ARCHS[:0]).shape == (0,)
    again = Sum()
    assert np.array_equal(Cached(again, EvaluationCache(tmp_path / "evaluations.parquet"))(ARCHS), Sum()(ARCHS))
    assert again.asked == []
    other = Sum(2.0)
    assert np.array_equal(Cached(other, cache)(ARCHS), 2 * Sum()(ARCHS))


def test_the_cache_keeps_every_chunk_of_an_interrupted_call():
    class Stopping(Sum):
        def __call__(self, archs):
            if len(self.asked) == 2:
                raise KeyboardInterrupt
            return super().__call__(archs)

    cache = EvaluationCache(None)
    with pytest.raises(KeyboardInterrupt):
        Cached(Stopping(), cache, chunk=2)(ARCHS)
    assert len(cache) == 4
    rest = Sum()
    Cached(rest, cache, chunk=5)(ARCHS)
    assert rest.asked == [2]


def test_progress_is_told_group_by_group(one_shot, states):
    told = []
    for every, groups in ((float("inf"), [1, 2, 3]), (0.0, [1] * 6)):
        told.clear()
        evaluator = Reporting(Sum(), told.append, every=every)
        assert np.array_equal(evaluator(ARCHS), Sum()(ARCHS))
        assert told == groups
        assert evaluator.digest == Sum().digest
    told.clear()
    expectation = score_expectation(one_shot, states, told.append)
    np.testing.assert_array_equal(expectation(ARCHS), score_expectation(one_shot, states)(ARCHS))
    assert sum(told) == 18
    assert expectation.digest == score_expectation(one_shot, states).digest


def test_twins_share_the_score_of_their_canonical_row():
    class Folding:
        """A space whose first gene does not matter."""

        def canonical(self, archs, rule):
            assert rule == "first"
            return np.concatenate([np.zeros_like(archs[:, :1]), archs[:, 1:]], axis=1)

    inner = Sum()
    canonical = Canonical.__new__(Canonical)
    canonical.evaluator, canonical.space, canonical.rule = inner, Folding(), "first"
    archs = np.array([[1, 2], [3, 2], [0, 1]], dtype=np.uint8)
    assert canonical(archs).tolist() == [2.0, 2.0, 1.0]
    assert inner.asked == [2]
    plain = Canonical(inner, SPACE, "literal")
    assert np.array_equal(plain(ARCHS), Sum()(ARCHS))
    assert plain.digest != canonical.digest


def test_fingerprints_tell_content_apart():
    tensor = torch.arange(4.0)
    contents = [
        (tensor,),
        (tensor.double(),),
        (tensor.reshape(2, 2),),
        (tensor + 1,),
        ([tensor, tensor],),
        (tensor, tensor),
        ({"a": tensor},),
        ({"b": tensor},),
        ("ab", "c"),
        ("a", "bc"),
        (["ab"], "c"),
        (1,),
        ("1",),
        (1.0,),
        (None,),
        (True,),
        (),
    ]
    assert len({fingerprint(*content) for content in contents}) == len(contents)
    assert fingerprint(tensor.reshape(2, 2).t().contiguous().t()) == fingerprint(tensor.reshape(2, 2))
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(torch.tensor(3)) != fingerprint(torch.tensor(4))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda archs: np.ones(len(archs) - 1), r"float64 of shape \(5,\)"),
        (lambda archs: np.ones((len(archs), 1)), r"float64 of shape \(6, 1\)"),
        (lambda archs: None, r"object of shape \(\)"),
    ],
)
def test_an_evaluator_that_gives_no_number_for_each_is_named(wrong, told):
    class Mine:
        digest = "mine"

        def __call__(self, archs):
            return wrong(archs)

    with pytest.raises(
        ConfigError, match=f"evaluator Mine must give one number for each of 6 architectures, not {told}$"
    ):
        Cached(Mine(), EvaluationCache(None))(ARCHS)
