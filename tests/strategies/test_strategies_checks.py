"""What a user's own parts give is refused in a line before anything is trained on it."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from trueshot.core.errors import ConfigError
from trueshot.sampling import Uniform
from trueshot.search.bounds import Bounds
from trueshot.spaces import NasBench201, Site, Space
from trueshot.spaces.costs import CostFunctions, standard_costs
from trueshot.strategies.checks import check_costs, check_head, check_sampler, checked_found
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Headed(Space):
    """One spot, and a head that says what it was told to."""

    name = "headed"
    says: str = "ten"

    def assemble(self, place):
        body = place(Site(decision="a", candidates={"x": nn.Sequential}, in_channels=3, out_channels=3))
        width = {"ten": 10, "right": self.classes, "map": self.classes}[self.says]
        head = nn.Conv2d(3, width, 1) if self.says == "map" else nn.Sequential(nn.Flatten(), nn.LazyLinear(width))
        return nn.Sequential(body, head)


@pytest.mark.parametrize(("says", "told"), [("ten", r"gives \(1, 10\)"), ("map", r"gives \(1, 4, 8, 8\)")])
def test_a_head_gives_a_logit_for_each_class(says, told):
    shape = {"image_size": 8, "classes": 4}
    with pytest.raises(ConfigError, match=rf"what space headed assembles {told} for 1 images, not logits \(1, 4\)"):
        check_head(Headed(says=says, **shape))
    state = torch.random.get_rng_state()
    check_head(Headed(says="right", **shape))
    check_head(NasBench201())
    assert torch.equal(torch.random.get_rng_state(), state)
