"""Averages over twins, and costs as scores."""

import numpy as np
import pytest
from jaxtyping import Float64, UInt8

from trueshot.core.errors import ConfigError
from trueshot.evaluation import CostScore, Evaluator, TwinMean
from trueshot.spaces import Chain, NasBench201
from trueshot.spaces.canonical.classes import every

SPACE = NasBench201()


class Numbers:
    """Scores every architecture by a number of its own and notes what was asked."""

    digest = "numbers"

    def __init__(self):
        self.asked = []

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        self.asked.extend(row.tobytes() for row in archs)
        return np.sin(archs.astype(np.float64) @ np.arange(1.0, 7.0)) + archs[:, 0]


@pytest.mark.parametrize("rule", ["nb201", "functional", "literal", None])
def test_scores_are_the_means_over_whole_classes(rule):
    inner = Numbers()
    evaluator = TwinMean(inner, SPACE, rule)
    assert isinstance(evaluator, Evaluator)
    asked = SPACE.sample(200, 0)
    scores = evaluator(asked)
    assert len(inner.asked) == len(set(inner.asked))
    # Slow oracle.
    rows, canonical = every(SPACE), SPACE.canonical(every(SPACE), rule)
    own = Numbers()(rows)
    for row, code, score in zip(asked, SPACE.canonical(asked, rule), scores, strict=True):
        members = (canonical == code).all(axis=1)
        assert score == pytest.approx(own[members].mean()), row
    assert evaluator(asked[:0]).shape == (0,)


def test_twins_score_alike_and_all_at_once_as_one_by_one():
    evaluator = TwinMean(Numbers(), SPACE, "nb201")
    rows = every(SPACE)
    scores = evaluator(rows)
    _, inverse = np.unique(SPACE.canonical(rows, "nb201"), axis=0, return_inverse=True)
    for _, members in zip(
        range(50), np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1]), strict=False
    ):
        assert np.ptp(scores[members]) == 0
    np.testing.assert_array_equal(evaluator(rows[7:9]), scores[7:9])


def test_digest_and_bad_input():
    assert TwinMean(Numbers(), SPACE, "nb201").digest != TwinMean(Numbers(), SPACE, "functional").digest
    with pytest.raises(ConfigError, match=r"too many to list: sample it instead, and leave \+twins out"):
        TwinMean(Numbers(), Chain())
    with pytest.raises(ConfigError, match="no canonical rule 'nb301'"):
        TwinMean(Numbers(), SPACE, "nb301")


def test_costs_are_scores():
    archs = SPACE.sample(5, 0)
    costs = SPACE.cost(archs)
    params, madds = CostScore(SPACE), CostScore(SPACE, "madds")
    assert isinstance(params, Evaluator)
    np.testing.assert_array_equal(params(archs), costs.params)
    np.testing.assert_array_equal(madds(archs), costs.madds)
    assert params(archs).dtype == np.float64
    assert len({params.digest, madds.digest, CostScore(NasBench201(cells=1)).digest}) == 3
    with pytest.raises(ConfigError, match="has no cost 'latency': choose one of madds, params"):
        CostScore(SPACE, "latency")
