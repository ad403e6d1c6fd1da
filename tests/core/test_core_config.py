"""Configurations: what is refused and how it is told, open choices, what is written, what is described."""

import pickle
from typing import Annotated, Literal

import pytest
from pydantic import Field

from trueshot.core.config import Choice, Config, Flag, Named, Nothing, Part, PartConfig
from trueshot.core.described import described
from trueshot.core.errors import ConfigError


class Fair(PartConfig):
    """Fair.

    Attributes:
        per_step: how many,
            over two lines.
        size: of it; ``other``: of something else.
    """

    per_step: int = Field(default=1, ge=1)
    size: int = 2
    other: int = 3

    def build(self, context, *inside):
        return ("fair", self.per_step, context)


class Own:
    """A component of a user's own."""

    class Config(Config):
        """Its options."""

        share: float = 0.5

    def __init__(self, config, context):
        self.config, self.context = config, context


class Inner(Config):
    """Inner.

    Attributes:
        sampler: which architectures.
    """

    sampler: Annotated[Part, Choice("sampler"), Flag("--sampler")] = Part("fair", Fair())


class Typed(Config):
    """One value of each type.

    Attributes:
        seed: whole.
        inner: a section.
        ratio: below one.
        exact: or not.
        metric: one of two.
        file: a text.
        shares: one to three.
    """

    seed: int = 0
    inner: Inner = Inner()
    ratio: float = Field(default=0.5, lt=1)
    exact: bool = False
    metric: Literal["accuracy", "loss"] = "loss"
    file: str = ""
    shares: tuple[float, ...] = Field(default=(1.0,), min_length=1, max_length=3)


class Outer(Config):
    """Outer.

    Attributes:
        seed: of everything.
        inner: a section.
    """

    seed: int = Field(default=0, ge=0)
    inner: Inner = Inner()


def names(room, name):
    known = {"fair": Named(Fair), "own": Named(Own.Config, Own)}
    if name not in known:
        raise ConfigError(f"unknown {room} '{name}': choose fair or own")
    return known[name]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"seeds": 1}, "configuration value seeds: there is no such value: did you mean seed?"),
        ({"inner": {"smapler": 1}}, "configuration value inner.smapler: there is no such value: did you mean sampler?"),
        ({"inner": {"x": 1}}, "configuration value inner.x: there is no such value: choose one of sampler"),
        ({"seed": -1}, "configuration value seed: -1 is too small: give at least 0"),
        ({"inner": {"sampler": "nope"}}, "inner.sampler: unknown sampler 'nope': choose fair or own"),
        (
            {"inner": {"sampler": {"kind": "fair", "per_stop": 3}}},
            "inner.sampler.per_stop: there is no such value: did",
        ),
        (
            {"inner": {"sampler": {"kind": "fair", "per_step": 0}}},
            "inner.sampler.per_step: 0 is too small: give at least 1",
        ),
        ({"inner": {"sampler": 3}}, "inner.sampler: name a sampler, or give kind and options"),
        ({"inner": {"sampler": {"per_step": 0}}}, "inner.sampler.per_step: 0 is too small: give at least 1"),
        ({"seed": "x", "inner": 3}, r"configuration value seed: .* \(and 1 more\)"),
    ],
)
def test_the_first_wrong_value_is_named_in_one_line(values, told):
    with pytest.raises(ConfigError, match=told) as caught:
        Outer.make(values, names)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"seed": 1.5}, "value seed: 1.5 is no whole number: give one such as 3"),
        ({"inner": 3}, "configuration value inner: 3 is no mapping of names to values: set inner.NAME=VALUE"),
        ({"ratio": "x"}, "configuration value ratio: 'x' is no finite number: give one such as 0.5"),
        ({"ratio": 1}, "configuration value ratio: 1 is too large: give less than 1"),
        ({"exact": "maybe"}, "configuration value exact: 'maybe' is neither true nor false: give one of them"),
        ({"metric": "luck"}, "value metric: 'luck' is none of its values: choose 'accuracy' or 'loss'"),
        ({"metric": 3}, "value metric: 3 is none of its values: choose 'accuracy' or 'loss'"),
        ({"file": 3}, "configuration value file: 3 is no text: put it in quotes"),
        ({"shares": 3}, r"configuration value shares: 3 is no list: write it like \[a, b\]"),
        ({"shares": []}, r"configuration value shares: \[\] has too few entries: give at least 1"),
        ({"shares": [1.0] * 40}, r"configuration value shares: \[1\.0.*\.\.\. has too many entries: give at most 3"),
    ],
)
def test_a_value_of_another_type_is_told_in_plain_words(values, told):
    with pytest.raises(ConfigError, match=told) as caught:
        Typed.make(values, names)
    assert "\n" not in str(caught.value)


def test_values_given_in_python_are_refused_in_one_line_too():
    with pytest.raises(ConfigError, match=r"configuration value seed: .* is no whole number"):
        Outer(seed="x")


def test_without_names_a_choice_must_be_made_already():
    with pytest.raises(ConfigError, match=r"no names of a sampler are known here: give a Part\(kind, config\)"):
        Outer.make({"inner": {"sampler": "fair"}})
    assert Outer.make({"inner": {"sampler": Part("fair", Fair(per_step=4))}}).inner.sampler.config.per_step == 4


def test_a_name_and_its_options_make_a_component():
    fair = Outer.make({"inner": {"sampler": {"kind": "fair", "per_step": 3}}}, names).inner.sampler
    assert fair.build("context") == ("fair", 3, "context")
    own = Outer.make({"inner": {"sampler": {"kind": "own", "share": 0.1}}}, names).inner.sampler.build("context")
    assert (own.config.share, own.context) == (0.1, "context")


def test_plain_values_leave_defaults_out_so_that_a_new_option_changes_nothing():
    assert Outer().plain() == {}
    chosen = Outer.make({"seed": 1, "inner": {"sampler": {"kind": "fair", "per_step": 3}}}, names)
    assert chosen.plain() == {"seed": 1, "inner": {"sampler": {"kind": "fair", "per_step": 3}}}
    whole = {"seed": 1, "inner": {"sampler": {"kind": "fair", "per_step": 3, "size": 2, "other": 3}}}
    assert chosen.whole() == whole
    assert Outer.make(whole, names) == chosen


def test_copies_are_validated_and_can_be_sent_to_other_processes():
    assert Outer().replace(seed=4).seed == 4
    with pytest.raises(ConfigError, match="value seed"):
        Outer().replace(seed=-4)
    chosen = Outer.make({"inner": {"sampler": {"kind": "own", "share": 0.1}}}, names)
    assert pickle.loads(pickle.dumps(chosen)) == chosen


class Inside:
    """A component whose options stand inside it."""

    class Config(Config):
        """How it works.

        Attributes:
            steps: changes that are tried, one
                after another.
        """

        steps: int = 20


def test_every_value_is_described_by_its_class():
    assert [(d.key, d.meaning, d.default, d.choice) for d in described(Outer)] == [
        ("seed", "of everything.", 0, None),
        ("inner.sampler", "which architectures.", {"kind": "fair", "per_step": 1, "size": 2, "other": 3}, "sampler"),
    ]
    (steps,) = described(Inside.Config)
    assert (steps.key, steps.meaning) == ("steps", "changes that are tried, one after another.")
    assert {d.key: d.meaning for d in described(Fair)} == {
        "per_step": "how many, over two lines.",
        "size": "of it",
        "other": "of something else.",
    }
    assert list(described(Nothing)) == []
