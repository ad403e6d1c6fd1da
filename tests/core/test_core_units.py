"""Counts and durations as people write them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from trueshot.core.errors import ConfigError
from trueshot.core.units import format_count, format_duration, parse_count, parse_duration
from trueshot.criteria.correlation import kendall_tau


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("60M", 60_000_000), ("60m", 60_000_000), ("0.35G", 350_000_000), (".5k", 500), ("347_000_000", 347_000_000),
        ("347000000", 347_000_000), (" 12 k ", 12_000), ("1.5b", 1_500_000_000), ("3e8", 300_000_000), (42, 42),
        (60e6, 60_000_000), (1e20, 10**20), ("7.", 7),
    ],
)  # fmt: skip
def test_counts(text, value):
    assert parse_count(text) == value


@pytest.mark.parametrize(
    "text", ["", "M", "-60M", "60 MB", "1e999", "nan", "inf", "0", "0.2", "_", "60M60M", "1,000", 0, -3, float("nan")]
)
def test_what_is_no_count_is_said(text):
    with pytest.raises(ConfigError, match=r"^--max-madds '.*' is not a positive number: write it like 60M"):
        parse_count(text, "--max-madds")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("30min", 1800), ("1h30m", 5400), ("1h 30m 5s", 5405), ("1.5h", 5400), ("2d", 172800),
     ("45", 45), (45, 45), (0.5, 0.5)],
)  # fmt: skip
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5m", "1x", "1h-30m", "0s", "1 2", "5 minutes", "9" * 400, "1.5.5s", "nan"])
def test_what_is_no_duration_is_said(text):
    with pytest.raises(ConfigError, match=r"^--time-budget '.*' is not a duration: write it like 90s"):
        parse_duration(text, "--time-budget")


@given(st.integers(1, 10**12))
def test_formatted_counts_read_back_within_their_four_digits(value):
    assert parse_count(format_count(value)) == pytest.approx(value, rel=1e-3)


def test_formats():
    assert [format_count(x) for x in (388_122_848, 16_734, 42, 1.213e9)] == ["388.1M", "16.73k", "42", "1.213G"]
    assert [format_duration(x) for x in (0.5, 12, 200, 3900, 59.9)] == ["0.5s", "12s", "3m 20s", "1h 05m", "1m 00s"]


def test_shapes_that_the_package_annotates_are_checked_while_tests_run():
    with pytest.raises(TypeCheckError, match="predicted"):
        kendall_tau(predicted=np.zeros((3, 1)), true=np.zeros(3))
