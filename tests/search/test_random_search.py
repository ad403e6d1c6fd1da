import numpy as np
import pytest

from trueshot.core.cache import row_keys
from trueshot.core.errors import ConfigError
from trueshot.search.bounds import Bounds, cost_range
from trueshot.search.protocol import Proposer
from trueshot.search.random_search import RandomSearch
from trueshot.spaces import Chain, Topology


def drain(proposer):
    asked = []
    while not proposer.finished:
        archs = proposer.ask()
        np.testing.assert_array_equal(archs, proposer.ask())
        if len(archs):
            proposer.tell(archs, np.zeros(len(archs)))
            asked.append(archs)
    assert len(proposer.ask()) == 0
    return asked


def test_distinct_inside_and_as_many_as_wished():
    space, bounds = Topology(), Bounds(max_madds=400_000_000)
    proposer = RandomSearch(space, evaluations=100, batch=45, bounds=bounds, seed=0)
    assert isinstance(proposer, Proposer)
    batches = drain(proposer)
    assert [len(batch) for batch in batches] == [45, 45, 10]
    archs = np.concatenate(batches)
    assert len(set(row_keys(archs))) == 100
    assert bounds.contains(space.cost(archs)).all()
    again = drain(RandomSearch(space, evaluations=100, batch=45, bounds=bounds, seed=0))
    np.testing.assert_array_equal(archs, np.concatenate(again))


def test_scores_change_nothing():
    proposers = [RandomSearch(Chain(), evaluations=20, batch=5, seed=1) for _ in range(2)]
    while not proposers[0].finished:
        asked = [proposer.ask() for proposer in proposers]
        np.testing.assert_array_equal(*asked)
        proposers[0].tell(asked[0], np.zeros(5))
        proposers[1].tell(asked[1], np.random.default_rng(0).normal(size=5))


def test_it_ends_when_the_bounds_are_exhausted():
    space = Chain()
    bounds = Bounds(max_madds=cost_range(space, "madds")[0])
    assert [len(batch) for batch in drain(RandomSearch(space, evaluations=30, batch=4, bounds=bounds, seed=0))] == [1]


def test_sizes_and_tells_are_checked():
    with pytest.raises(ConfigError):
        RandomSearch(Chain(), evaluations=0, seed=0)
    proposer = RandomSearch(Chain(), seed=0)
    with pytest.raises(ValueError, match="asked for"):
        proposer.tell(Chain().sample(45, 0), np.zeros(45))
    with pytest.raises(ValueError, match="finite"):
        proposer.tell(proposer.ask(), np.full(45, np.inf))
