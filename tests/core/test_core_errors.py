"""The family of errors a user can cause."""

import inspect

import pytest

from trueshot.core import errors

FAMILY = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Exception)]


@pytest.mark.parametrize("cls", FAMILY)
def test_every_message_is_one_line(cls):
    error = cls("first\nsecond\t  third\n")
    assert str(error) == "first second third"
    assert isinstance(error, errors.TrueshotError)


def test_criteria_error_is_a_value_error_too():
    with pytest.raises(ValueError, match="no pairs"):
        raise errors.CriteriaError("no pairs")
