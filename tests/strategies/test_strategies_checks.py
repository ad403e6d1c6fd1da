"""What a user's own parts give is refused in a line before anything is trained on it."""

import dataclasses

import numpy as np
import pytest

from trueshot.core.errors import ConfigError
from trueshot.sampling import Uniform
from trueshot.search.bounds import Bounds
from trueshot.spaces import NasBench201
from trueshot.spaces.costs import CostFunctions, standard_costs
from trueshot.strategies.checks import check_costs, check_sampler, checked_found
from trueshot.strategies.protocol import Found
from trueshot.strategies.setup import Context

SPACE = NasBench201()


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A sampler that draws what it was made with."""

    rows: tuple
    per_step = 1

    def sample(self, n, rng):
        return np.array(self.rows, dtype=np.uint8)


def test_a_sampler_draws_as_many_architectures_as_asked_for():
    check_sampler(Uniform(SPACE), SPACE)
    with pytest.raises(ConfigError, match=r"sampler Drawing drew what is no batch of architectures: .*\(n, 6\), not"):
        check_sampler(Drawing(((0,) * 5,) * 2), SPACE)
    with pytest.raises(ConfigError, match=r"position 6 of 6 .*: 5 is no option of it"):
        check_sampler(Drawing(((0, 0, 0, 0, 0, 5),) * 2), SPACE)
    with pytest.raises(ConfigError, match="sampler Drawing drew 3 architectures where 2 were asked for"):
        check_sampler(Drawing(((0,) * 6,) * 3), SPACE)


@dataclasses.dataclass(frozen=True)
class Flat:
    """A cost of one number for all."""

    name, title, unit = "flat", "flat", "mJ"

    def __call__(self, archs):
        return 3.0


def test_a_cost_that_bounds_nothing_is_tried_too():
    check_costs(standard_costs(SPACE))
    with pytest.raises(ConfigError, match="flat"):
        check_costs(CostFunctions(SPACE, (*standard_costs(SPACE), Flat())))


class Alike:
    """An evaluator to which all are alike."""

    digest = "alike"

    def __call__(self, archs):
        return np.zeros(len(archs))


def found(archs, scores):
    """Return what a strategy could return where nothing checks its types."""
    made = object.__new__(Found)
    values = {"archs": archs, "scores": np.array(scores, dtype=np.float64), "evaluator": Alike(), "scored_by": "alike"}
    values |= {"told": (), "more": (), "values": {}}
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


def where(**bounds):
    """Return what a strategy worked with, as far as it matters here."""
    context = object.__new__(Context)
    for name, value in {"space": SPACE, "costs": standard_costs(SPACE), "bounds": Bounds.of(**bounds)}.items():
        object.__setattr__(context, name, value)
    return context


def test_a_strategy_ends_with_what_it_found():
    rows = SPACE.sample(2, 0)
    assert checked_found(found(rows, [1.0, 2.0]), "mine", where()).archs is rows
    with pytest.raises(ConfigError, match="strategy mine ended with NoneType: `run` must return"):
        checked_found(None, "mine", where())
    for archs, scores, told in ((rows[:0], [], "0 architectures"), (rows, [1.0], r"2 .* scores of shape \(1,\)")):
        with pytest.raises(ConfigError, match=f"strategy mine found {told}"):
            checked_found(found(archs, scores), "mine", where())
    with pytest.raises(ConfigError, match=r"strategy mine found what is no batch of architectures: .*\(2, 4\)"):
        checked_found(found(rows[:, :4], [1.0, 2.0]), "mine", where())


def test_what_was_found_outside_the_bounds_is_left_out():
    rows = np.array([[3] * 6, [1] * 6], dtype=np.uint8)
    cheap, dear = sorted(SPACE.cost(rows).madds.tolist())
    kept = checked_found(found(rows, [1.0, 2.0]), "mine", where(max_madds=cheap))
    assert SPACE.cost(kept.archs).madds.tolist() == [cheap]
    assert kept.scores.tolist() == [1.0 if SPACE.cost(rows).madds[0] == cheap else 2.0]
    assert len(checked_found(found(rows, [1.0, 2.0]), "mine", where(max_madds=dear)).archs) == 2
    with pytest.raises(ConfigError, match="none of the 2 architectures that strategy mine found is inside the bounds"):
        checked_found(found(rows, [1.0, 2.0]), "mine", where(max_madds=1))
