"""What every space can do: encodings, checks, stand-alone networks."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trueshot.core.errors import ArchitectureError, ConfigError
from trueshot.spaces import Chain, Site, Space, Topology

SPACES = {
    "chain": Chain(),
    "topology": Topology(),
    "small": Topology(nodes=(1, 2), widths=(4, 8), head_width=8, expansions=(1,), kernels=(3,), image_size=8),
}
any_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


@any_space
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_format_and_parse_are_inverse(space, data):
    row = np.array([data.draw(st.integers(0, int(n) - 1)) for n in space.options], dtype=np.uint8)
    text = space.format(row)
    assert text.count("-") == len(row) - 1
    for written in (text, text.lower(), f"  {text}\n"):
        np.testing.assert_array_equal(space.parse(written), row)


@any_space
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_malformed_string_names_its_first_wrong_position(space, data):
    words = space.format(space.sample(1, data.draw(st.integers(0, 999)))[0]).split("-")
    position = data.draw(st.integers(1, len(words)))
    kind = data.draw(st.sampled_from(["word", "cut", "long"]))
    if kind == "word":
        bad = data.draw(st.text(st.characters(codec="ascii", exclude_characters="-"), max_size=8))
        if bad.strip().lower() in [option.lower() for option in space.decisions[position - 1].options]:
            return
        words[position - 1] = bad
    elif kind == "cut":
        words = words[: position - 1]
    else:
        position = len(words) + 1
        words += ["E3K3"] * data.draw(st.integers(1, 3))
    with pytest.raises(ArchitectureError, match=rf"position {position}\b") as caught:
        space.parse("-".join(words))
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
def test_no_text_breaks_the_parser(text):
    with pytest.raises(ArchitectureError, match=r"position \d+"):
        SPACES["chain"].parse(text)


def test_the_error_says_what_may_stand_there():
    with pytest.raises(
        ArchitectureError,
        match=r"^chain architecture, position 2 of 19 \(decision 1\): 'E3K9' is not one of E3K3, E3K5",
    ):
        SPACES["chain"].parse("E3K3-E3K9")
    with pytest.raises(ArchitectureError, match=r"position 3 of 3 .*: the architecture ends before it"):
        SPACES["small"].parse("E1K3-identity")


@any_space
def test_sampling_is_uniform_reproducible_and_within_the_options(space):
    archs = space.sample(4000, np.random.default_rng(3))
    np.testing.assert_array_equal(archs, space.sample(4000, np.random.default_rng(3)))
    np.testing.assert_array_equal(archs, space.sample(4000, 3))
    assert archs.shape == (4000, len(space.decisions))
    for gene, options in enumerate(space.options):
        counts = np.bincount(archs[:, gene], minlength=int(options))
        assert len(counts) == options
        # Five standard deviations of a binomial count.
        assert np.abs(counts - 4000 / options).max() < 5 * np.sqrt(4000 / options)


@pytest.mark.parametrize(
    ("archs", "message"),
    [
        (
            [[0, 0, 9], [0, 0, 0]],
            r"architecture 0, position 3 of 3 \(decision 1-3\): 9 is no option of it; choose 0 to 1",
        ),
        ([[0, 0, 0], [0, -1, 0]], r"architecture 1, position 2 of 3 \(decision 2-3\): -1"),
        ([[0, 0]], r"integer array \(n, 3\), not int64 \(1, 2\)"),
        ([[0.0, 0.0, 0.0]], "not float64"),
    ],
)
def test_arrays_are_checked(archs, message):
    with pytest.raises(ArchitectureError, match=message):
        SPACES["small"].check(archs)


def test_an_empty_batch_is_a_batch():
    space = SPACES["small"]
    empty = np.empty((0, 3), dtype=np.uint8)
    assert space.cost(empty).madds.shape == (0,)
    assert space.canonical(empty).shape == (0, 3)


@any_space
def test_canonical_knows_the_literal_rule(space):
    archs = space.sample(5, 0)
    np.testing.assert_array_equal(space.canonical(archs), archs)
    with pytest.raises(ConfigError, match="no canonical rule 'isomorphic'; it has: literal"):
        space.canonical(archs, "isomorphic")


@any_space
def test_arguments_rebuild_the_space(space):
    again = type(space)(**space.arguments())
    assert again == space
    assert hash(again) == hash(space)


@any_space
def test_a_network_is_an_ordinary_module(space):
    scaled = dataclasses.replace(space, image_size=32, classes=7)
    network = scaled.network(scaled.sample(1, 0)[0]).eval()
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert {type(m).__module__.split(".")[1] for m in network.modules() if "trueshot" in type(m).__module__} <= {
        "operations",
        "spaces",
    }


class Free(Space):
    """A space whose sites are given."""

    name = "free"
    sites: tuple[Site, ...] = ()

    def assemble(self, place):
        """Place one site after another."""
        return nn.Sequential(*(place(site) for site in self.sites))


def _free(*options: dict[str, list[str]]) -> Space:
    sites = [
        Site(decision=name, candidates=dict.fromkeys(names, nn.Identity), in_channels=3, out_channels=3)
        for group in options
        for name, names in group.items()
    ]
    return type("Given", (Free,), {"sites": tuple(sites)})()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([{"a": []}], "site 'a' has no candidates: give a mapping of names to constructors, one at least"),
        ([{"a": ["none"]}], "decision a of space free has no options"),
        ([{"a": [str(i) for i in range(257)]}], "more than 256"),
        ([{"a": ["conv-3", "x"]}], "option 'conv-3' of decision a"),
        ([{"a": ["X", "x"]}], "option 'x' of decision a"),
        ([{"a": ["x", "y"]}, {"a": ["y", "x"]}], "decision 'a' has other options at another site of free"),
    ],
)
def test_decisions_that_cannot_be_encoded_are_said(options, message):
    with pytest.raises(ConfigError, match=message):
        _ = _free(*options).decisions


def test_one_decision_may_rule_several_sites():
    space = _free({"a": ["x", "y"]}, {"b": ["x", "y", "z"]}, {"a": ["x", "y"]})
    assert [decision.name for decision in space.decisions] == ["a", "b"]
    assert space.architectures == 6


def test_networks_do_not_share_weights():
    space = SPACES["small"]
    first, second = (space.network(np.array([0, 0, 0])) for _ in range(2))
    assert not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}
