"""The ridge regression equals least squares with the penalty written out."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ridge_oracle import predict

from trueshot.core.errors import ConfigError
from trueshot.evaluation import Evaluator
from trueshot.prediction.config import RidgeConfig
from trueshot.prediction.protocol import Predictor
from trueshot.prediction.ridge import Ridge, one_hot
from trueshot.spaces import Chain, NasBench201, Topology

SPACES = {"chain": Chain(), "topology": Topology(), "nasbench201": NasBench201()}
any_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
BENCH = SPACES["nasbench201"]


def scored(space, n, seed=0):
    rng = np.random.default_rng(seed)
    archs = space.sample(n, rng)
    weights = np.random.default_rng(99).normal(size=(len(space.options), int(space.options.max())))
    return archs, 90.0 + weights[np.arange(len(space.options)), archs].sum(axis=1) + 0.1 * rng.normal(size=n)


@any_space
@pytest.mark.parametrize("penalty", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize("n", [1, 12, 300])
def test_it_equals_least_squares_with_the_penalty_written_out(space, penalty, n):
    archs, scores = scored(space, n)
    asked = space.sample(50, 7)
    ridge = RidgeConfig(penalty=penalty).build(SimpleNamespace(space=space))
    ridge.fit(archs, scores)
    expected = predict(space.options, archs, scores, asked, penalty)
    np.testing.assert_allclose(ridge(asked), expected, rtol=1e-9)


def test_it_finds_an_additive_score_and_far_from_data_says_the_mean():
    archs, scores = scored(BENCH, 500)
    ridge = Ridge(BENCH, RidgeConfig(penalty=1e-3))
    ridge.fit(archs, scores)
    asked, truth = scored(BENCH, 1000, seed=1)
    assert np.corrcoef(ridge(asked), truth)[0, 1] > 0.99
    heavy = Ridge(BENCH, RidgeConfig(penalty=1e12))
    heavy.fit(archs, scores)
    np.testing.assert_allclose(heavy(asked), scores.mean(), rtol=1e-6)


def test_one_hot_has_a_one_for_each_decision():
    archs = BENCH.sample(40, 0)
    encoded = one_hot(BENCH, archs)
    assert encoded.shape == (40, 30)
    assert (encoded.reshape(40, 6, 5).argmax(axis=2) == archs).all()
    assert (encoded.sum(axis=1) == 6).all()


def test_its_digest_names_what_it_learned_and_predictions_depend_on_the_row_alone():
    ridge, again = Ridge(BENCH), Ridge(BENCH)
    assert isinstance(ridge, Predictor)
    assert isinstance(ridge, Evaluator)
    archs, scores = scored(BENCH, 60)
    digests = {ridge.digest}
    for count in (30, 60):
        ridge.fit(archs[:count], scores[:count])
        digests.add(ridge.digest)
    assert len(digests) == 3
    again.fit(archs, scores)
    assert again.digest == ridge.digest
    assert ridge(archs).tolist() == [float(ridge(row[None])[0]) for row in archs]


def test_what_it_cannot_learn_from_is_refused():
    ridge = Ridge(BENCH)
    with pytest.raises(ValueError, match="the predictor has learned nothing: fit it first"):
        ridge(BENCH.sample(1, 0))
    with pytest.raises(ValueError, match="no architecture to learn from"):
        ridge.fit(BENCH.sample(0, 0), np.zeros(0))
    with pytest.raises(ValueError, match="scores must be finite"):
        ridge.fit(BENCH.sample(1, 0), np.array([np.inf]))
    with pytest.raises(ConfigError, match=r"penalty: .* is too small: give more than 0"):
        RidgeConfig(penalty=0)
