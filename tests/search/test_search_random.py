import numpy as np
import pytest
from search_parts import CHAIN, TOPOLOGY, search

from trueshot.core.cache import row_keys
from trueshot.core.errors import ConfigError
from trueshot.search.bounds import Bounds
from trueshot.search.config import RandomSearchConfig
from trueshot.search.extremes import cost_range
from trueshot.search.protocol import Proposer
from trueshot.search.random_search import RandomSearch
from trueshot.spaces.costs import standard_costs


def nothing(archs):
    return np.zeros(len(archs))


def random_search(space, evaluations, **more):
    return RandomSearch(space, config=RandomSearchConfig(evaluations=evaluations), **more)


def test_distinct_inside_and_as_many_as_wished():
    bounds = Bounds.of(max_madds=400_000_000)
    proposer = random_search(TOPOLOGY, 100, bounds=bounds, seed=0)
    assert isinstance(proposer, Proposer)
    archs, _, sizes = search(proposer, nothing)
    assert sizes == [45, 45, 10]
    assert len(set(row_keys(archs))) == 100
    assert bounds.contains(TOPOLOGY.cost(archs)).all()
    assert proposer.ask(5).shape == (0, 54)


def test_neither_scores_nor_the_size_of_an_ask_nor_waiting_change_anything():
    whole = search(random_search(CHAIN, 100, seed=1), nothing)[0]
    rng = np.random.default_rng(0)
    other, _, sizes = search(random_search(CHAIN, 100, seed=1), lambda archs: rng.normal(size=len(archs)), n=7)
    assert sizes == [7] * 14 + [2]
    np.testing.assert_array_equal(whole, other)
    proposer = random_search(CHAIN, 100, seed=1)
    np.testing.assert_array_equal(whole, proposer.ask(1000))
    assert not proposer.finished
    proposer.tell(whole[::-1], np.zeros(100))
    assert proposer.finished
    proposer.tell(whole[:1], np.ones(1))


def test_it_ends_when_the_bounds_are_exhausted():
    bounds = Bounds.of(max_madds=cost_range(standard_costs(CHAIN), "madds")[0])
    assert search(random_search(CHAIN, 30, bounds=bounds, seed=0), nothing)[2] == [1]


def test_sizes_and_tells_are_checked():
    with pytest.raises(ConfigError, match=r"evaluations: .* is too small: give at least 1"):
        RandomSearchConfig(evaluations=0)
    proposer = RandomSearch(CHAIN, seed=0)
    with pytest.raises(ValueError, match="asked for"):
        proposer.tell(CHAIN.sample(45, 0), np.zeros(45))
    with pytest.raises(ValueError, match="finite"):
        proposer.tell(proposer.ask(45), np.full(45, np.inf))
