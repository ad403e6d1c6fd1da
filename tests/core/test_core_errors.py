"""The family of errors a user can cause."""

import inspect

import pytest

from trueshot.core import errors
from trueshot.core.errors import ConfigError, did_you_mean, short

FAMILY = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Exception)]


@pytest.mark.parametrize("cls", FAMILY)
def test_every_message_is_one_line(cls):
    error = cls("first\nsecond\t  third\n")
    assert str(error) == "first second third"
    assert isinstance(error, errors.TrueshotError)


def test_criteria_error_is_a_value_error_too():
    with pytest.raises(ValueError, match="no pairs"):
        raise errors.CriteriaError("no pairs")


def test_a_message_is_never_long():
    names = [f"name{number:03d}" for number in range(400)]
    assert did_you_mean("zzz", names).endswith(", name019 and 380 more")
    told = str(ConfigError(f"wrong {'x' * 3000}: the remedy"))
    assert len(told) <= 800
    assert (told[:6], told[-12:]) == ("wrong ", ": the remedy")
    assert short(ValueError("a\nb")) == "ValueError: a b"
    assert short(ConfigError("a")) == "a"
