import math

import pytest

from trueshot.criteria.bootstrap import Interval
from trueshot.studies.record import Claim, Finding, Power, Prior, Verdict

PRIOR = Prior(0.1, "a guess")
BETTER = Claim(name="a less b", metric="tau", says="a is better", above=0.0, prior=PRIOR)
HARMLESS = Claim(name="a less b", metric="tau", says="no influence", above=-0.02, below=0.02, prior=PRIOR)


@pytest.mark.parametrize(
    ("claim", "low", "high", "verdict"),
    [
        (BETTER, 0.01, 0.2, Verdict.SHOWN),
        (BETTER, -0.01, 0.2, Verdict.OPEN),
        (BETTER, -0.2, -0.01, Verdict.CONTRADICTED),
        (HARMLESS, -0.01, 0.01, Verdict.SHOWN),
        (HARMLESS, -0.01, 0.03, Verdict.OPEN),
        (HARMLESS, 0.03, 0.05, Verdict.CONTRADICTED),
        (HARMLESS, -0.05, -0.03, Verdict.CONTRADICTED),
    ],
)
def test_verdict_follows_from_interval_and_range(claim, low, high, verdict):
    assert claim.verdict(Interval(low, high)) is verdict


def test_without_an_interval_nothing_is_told():
    assert BETTER.verdict(None).value == "cannot be told here"


def test_power_is_stated_from_measured_values_where_there_are_three():
    # 10 pairs see 0.9964 deviations; 1, 2, 3 have a deviation of 1.
    assumed = Power.of(BETTER, 10, (1.0, 2.0))
    assert (assumed.effect, assumed.source) == (pytest.approx(0.09964, abs=2e-4), "assumed: a guess")
    known = Power.of(BETTER, 10, (1.0, 2.0, 3.0))
    assert known.effect == pytest.approx(0.9964, abs=2e-3)
    assert known.source == "measured over 3 supernets in the bank"
    assert str(known).startswith("sees 0.996 or more (10 pairs, spread 1,")
    assert str(Power.of(BETTER, 2)) == "2 repetition(s) have no interval"


def test_finding_has_mean_spread_and_interval_of_three_values_or_more():
    found = Finding(what="a", metric="m", paper=1.0, values=(1.0, 2.0, 3.0), figures={"madds": 7}).to_json()
    ours = found["ours"]
    assert (ours["value"], ours["std"], ours["n"], ours["over"], found["madds"]) == (2.0, 1.0, 3, "supernets", 7)
    assert (ours["low"], ours["high"]) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)
    two = Finding(what="a", metric="m", values=(1.0, 3.0)).ours
    assert (two.value, two.std, two.low, two.high) == (2.0, pytest.approx(math.sqrt(2)), None, None)


def test_a_given_interval_says_what_it_resamples_and_a_reference_has_no_figure():
    given = Finding(what="a", metric="m", values=(1.0,), interval=Interval(0.0, 2.0), resampled="classes").ours
    assert (given.low, given.high, given.over) == (0.0, 2.0, "classes")
    reference = Finding(what="a", metric="m", paper=3.0).to_json()
    assert (reference["paper"], reference["ours"], reference["values"]) == (3.0, None, [])
