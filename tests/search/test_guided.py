"""The proposer that asks for what a predictor expects to score best."""

import sys
from pathlib import Path

import numpy as np
import pytest
from search_parts import CHAIN, TOPOLOGY, search, separable

sys.path.append(str(Path(__file__).parents[1] / "prediction"))
from ridge_oracle import predict

from trueshot.core.cache import row_keys
from trueshot.core.errors import ConfigError
from trueshot.prediction.config import RidgeConfig
from trueshot.prediction.ridge import Ridge
from trueshot.search.bounds import Bounds
from trueshot.search.config import GuidedConfig, RandomSearchConfig
from trueshot.search.extremes import cost_range
from trueshot.search.guided import Guided
from trueshot.search.protocol import Proposer
from trueshot.search.random_search import RandomSearch
from trueshot.spaces.costs import standard_costs


class Noted:
    """A ridge regression that notes what it was fitted to and asked for."""

    digest = "noted"

    def __init__(self, space):
        self.inner, self.fits, self.pools = Ridge(space, RidgeConfig(penalty=0.5)), [], []

    def fit(self, archs, scores):
        self.fits.append((archs, scores))
        self.inner.fit(archs, scores)

    def __call__(self, archs):
        self.pools.append(archs)
        return self.inner(archs)


def guided(space, evaluations, *, first=20, pool=100, at_once=8, predictor=None, **more):
    config = GuidedConfig(evaluations=evaluations, first=first, pool=pool, at_once=at_once)
    return Guided(space, predictor or Ridge(space), config=config, **{"seed": 0, **more})


def test_it_asks_for_the_best_of_the_pool_by_what_was_told():
    noted, score = Noted(CHAIN), separable(0, CHAIN)
    proposer = guided(CHAIN, 50, predictor=noted)
    assert isinstance(proposer, Proposer)
    archs, scores, sizes = search(proposer, score)
    assert sizes == [20, 8, 8, 8, 6]
    assert len(set(row_keys(archs))) == 50
    known = 20
    for (fitted, told), pool, size in zip(noted.fits, noted.pools, sizes[1:], strict=True):
        np.testing.assert_array_equal(fitted, archs[:known])
        np.testing.assert_array_equal(told, scores[:known])
        assert len(pool) == 100
        expected = predict(CHAIN.options, archs[:known], scores[:known], pool, 0.5)
        best = pool[np.argsort(-expected, kind="stable")[:size]]
        np.testing.assert_array_equal(archs[known : known + size], best)
        known += size


@pytest.mark.parametrize("most", [None, 0.4])
def test_it_beats_random_search_inside_the_bounds(most):
    low, high = cost_range(standard_costs(TOPOLOGY), "madds")
    bounds = Bounds() if most is None else Bounds.of(max_madds=int(low + most * (high - low)))
    score = separable(3)
    archs, scores, _ = search(guided(TOPOLOGY, 200, first=60, pool=300, bounds=bounds), score)
    assert bounds.contains(TOPOLOGY.cost(archs)).all()
    random = RandomSearch(TOPOLOGY, config=RandomSearchConfig(evaluations=200), bounds=bounds, seed=0)
    assert scores.max() > search(random, score)[1].max() + 2.0


def test_it_waits_for_the_first_and_for_what_is_open():
    score = separable(1, CHAIN)
    proposer = guided(CHAIN, 40, first=10, at_once=4)
    first = proposer.ask(100)
    assert len(first) == 10
    assert proposer.ask(5).shape == (0, len(CHAIN.decisions))
    proposer.tell(first[1:], score(first[1:]))
    assert not len(proposer.ask(5))
    proposer.tell(first[:1], score(first[:1]))
    some = proposer.ask(3)
    more = proposer.ask(3)
    assert [len(some), len(more), len(proposer.ask(3))] == [3, 1, 0]
    proposer.tell(some, score(some))
    assert len(proposer.ask(9)) == 3


def test_a_later_score_replaces_the_earlier_in_what_is_learned():
    noted = Noted(CHAIN)
    proposer = guided(CHAIN, 30, predictor=noted)
    first = proposer.ask(20)
    proposer.tell(first, np.zeros(20))
    proposer.tell(first[::-1], np.arange(20.0))
    proposer.ask(2)
    assert noted.fits[0][1].tolist() == list(range(19, -1, -1))
    # Nothing is told in between, hence nothing is learned anew.
    proposer.ask(2)
    assert len(noted.fits) == 1


def test_equal_asks_and_tells_give_the_same_search():
    one, two = (search(guided(CHAIN, 60), separable(2, CHAIN), n=7)[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (search(guided(CHAIN, 60, seed=1), separable(2, CHAIN), n=7)[0] != one).any()


@pytest.mark.parametrize("pool", [2, 1000])
def test_it_ends_when_the_bounds_are_exhausted(pool):
    low = cost_range(standard_costs(CHAIN), "madds")[0]
    bounds = Bounds.of(max_madds=int(low * 1.005))
    everything = len(search(RandomSearch(CHAIN, bounds=bounds, seed=0), separable(0, CHAIN))[0])
    assert 10 < everything < 990
    archs, _, _ = search(guided(CHAIN, 990, first=5, pool=pool, bounds=bounds), separable(0, CHAIN))
    assert len(set(row_keys(archs))) == len(archs) == everything


def test_sizes_and_tells_are_checked():
    with pytest.raises(ConfigError, match=r"pool: .* is too small: give at least 2"):
        GuidedConfig(pool=1)
    assert GuidedConfig().scaled(0.1).evaluations == 99
    with pytest.raises(ValueError, match="asked for"):
        guided(CHAIN, 10).tell(CHAIN.sample(5, 0), np.zeros(5))


@pytest.mark.parametrize(
    ("given", "told"), [(np.full(100, np.nan), "0 of them finite"), (np.zeros(3), r"\(3,\) values")]
)
def test_a_predictor_must_give_a_number_for_each(given, told):
    class Broken(Noted):
        def __call__(self, archs):
            return given[: len(archs)]

    proposer = Guided(CHAIN, Broken(CHAIN), config=GuidedConfig(evaluations=40, first=20, pool=100), seed=0)
    proposer.tell(first := proposer.ask(20), np.arange(float(len(first))))
    with pytest.raises(ConfigError, match=f"predictor Broken gave .*{told}"):
        proposer.ask(2)
