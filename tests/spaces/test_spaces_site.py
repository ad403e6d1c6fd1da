"""What a site follows, and how the mistakes in a user's space are named."""

import copy
import dataclasses
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from trueshot.core.errors import ConfigError
from trueshot.sharing import Bias, Supernet, single_path
from trueshot.spaces import Chain, Decision, Site, Space
from trueshot.spaces.skeletons import Chain as Skeleton

TWO = {"a": nn.Sequential, "b": nn.Sequential}


def site(**changes):
    return Site(**{"candidates": TWO, "in_channels": 3, "out_channels": 3, **changes})


def test_a_site_of_one_decision_chooses_its_option():
    chooser = site(decision="y").chooser({"x": 0, "y": 1})
    assert (chooser.genes, chooser.size) == ((1,), 2)
    assert [chooser((5, option)) for option in (0, 1)] == [0, 1]
    assert site(decision="y").decisions == ("y",)
    assert site(decision="y").key == "y"
    assert site(decision="y", key="cell y").key == "cell y"
    assert dataclasses.replace(site(decision="y"), in_channels=1).in_channels == 1


def test_a_site_of_several_decisions_chooses_by_all_of_them():
    both = site(decisions=("z", "x"), choose=lambda z, x: (z + x) % 2, key="k")
    chooser = both.chooser({"x": 0, "y": 1, "z": 2})
    assert (chooser.genes, chooser.size) == ((2, 0), 2)
    assert [chooser((x, 9, z)) for z, x in ((0, 0), (0, 1), (1, 0), (1, 1))] == [0, 1, 1, 0]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"decision": "x", "decisions": ("y",), "choose": max, "key": "k"},
        {"decision": "x", "choose": max},
        {"decisions": ("x", "y"), "key": "k"},
        {"decisions": ("x", "y"), "choose": max},
        {"choose": max, "key": "k"},
    ],
)
def test_a_site_must_say_what_it_follows(given):
    with pytest.raises(ConfigError, match="does not say what it follows: give it 'decision', or else 'decisions'"):
        site(**given)


def test_wrong_choices_are_named():
    with pytest.raises(ConfigError, match="site 'k' follows decision 'y', which is none of its space: x"):
        site(decisions=("x", "y"), choose=max, key="k").chooser({"x": 0})
    chooser = site(decisions=("x",), choose=lambda x: x - 1, key="k").chooser({"x": 0})
    for row, index in ((0, -1), (3, 2)):
        with pytest.raises(ConfigError, match=f"site 'k' chooses candidate {index}, but has candidates 0 to 1"):
            chooser((row,))


class Given(Space):
    """Places the sites that it is given, one after another."""

    name = "given"
    given: tuple[Site, ...] = ()

    def assemble(self, place):
        return Skeleton(nn.Identity(), {s.key: place(s) for s in self.given}, nn.Flatten())


def space_of(*sites, **more):
    return type("Some", (Given,), {"given": sites, **more})(image_size=4)


def test_a_space_without_sites_is_one_architecture():
    space = space_of()
    row = space.parse("")
    assert row.shape == (0,)
    assert space.format(row) == ""
    assert (space.architectures, space.decisions, space.sample(3, 0).shape) == (1, (), (3, 0))
    assert space.cost(np.empty((2, 0), dtype=np.uint8)).madds.tolist() == [0, 0]
    assert space.bounds() == (0, 0)
    assert space.network(row)(torch.zeros(1, 3, 4, 4)).shape == (1, 48)
    assert Supernet(space, single_path)(torch.zeros(1, 3, 4, 4), row).shape == (1, 48)


def test_sites_of_several_decisions_need_declared_ones():
    both = site(decisions=("x", "y"), choose=max, key="k")
    with pytest.raises(ConfigError, match="site 'k' of space given follows several decisions: the space must say them"):
        _ = space_of(both).decisions
    declared = tuple(Decision(name=name, options=("p", "q")) for name in "xy")
    space = space_of(both, site(decision="y", candidates={"p": nn.Sequential, "q": nn.Sequential}), decisions=declared)
    assert space.architectures == 4
    assert space.cost_table is None
    with pytest.raises(ConfigError, match="follows several decisions: the space must say by its own 'derive'"):
        space.derive({"k": [1.0, 0.0], "y": [1.0, 0.0]})
    with pytest.raises(ConfigError, match="site 'k' of space given follows several decisions, for which there are no"):
        Supernet(space, Bias(priors=((), (0,))))
    with pytest.raises(ConfigError, match="decision 'y' has other options at a site of given"):
        space_of(both, site(decision="y"), decisions=declared).network(np.array([0, 0]))


@pytest.mark.parametrize(
    ("wrong", "what"), [(nn.Conv2d(3, 3, 1), "a module that is built already"), ("conv", "'conv'")]
)
def test_candidates_that_are_no_constructors_are_named(wrong, what):
    space = space_of(site(decision="x", candidates={"a": nn.Identity, "b": wrong}))
    message = f"candidate 'b' of site 'x' of space given is {what}: give a constructor without arguments"
    for use in (lambda: space.decisions, lambda: space.sample(1, 0), lambda: Supernet(space, single_path)):
        with pytest.raises(ConfigError, match=message):
            use()


def test_an_assembly_that_fails_is_named_and_keeps_its_cause():
    def broken():
        raise KeyError("width")

    for space in (
        space_of(assemble=lambda self, place: [][0]),
        space_of(site(decision="x", candidates={"a": partial(nn.Conv2d, 3), "b": broken})),
    ):
        with pytest.raises(ConfigError, match=r"space given cannot be assembled: \w+Error: ") as caught:
            space.network(np.zeros(len(space.decisions), dtype=np.uint8)[:1])
        assert isinstance(caught.value.__cause__, IndexError | TypeError)
        assert "\n" not in str(caught.value)


def test_a_network_with_a_site_that_the_supernet_lacks_is_named():
    class Odd(Given):
        given = (site(decision="x"),)

        def assemble_for(self, row, place):
            return Skeleton(nn.Identity(), {"other": place(self.given[0])}, nn.Flatten())

    with pytest.raises(ConfigError, match="a network of space given has a site where its supernet has none"):
        Supernet(Odd(image_size=4), single_path).network((0,))


def test_copies_of_a_space_take_its_fields_alone():
    space = Chain(image_size=32)
    assert space.all_sites
    for again in (pickle.loads(pickle.dumps(space)), copy.deepcopy(space)):
        assert again == space
        assert "all_sites" not in vars(again)
