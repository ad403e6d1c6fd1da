import dataclasses
import math

import numpy as np
import pytest

from trueshot.criteria.bootstrap import Interval
from trueshot.criteria.power import paired_interval
from trueshot.studies.record import Claim, Finding, Outcome, Power, Prior, Verdict
from trueshot.studies.runner import judged

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
    values = with_interval(low, high)
    interval = paired_interval(np.array(values))
    assert (interval.low, interval.high) == pytest.approx((low, high))
    assert claim.verdict(values, claim.p_value(values)) is verdict


def with_interval(low, high):
    """Return four values whose Student's interval is the given one."""
    shape = np.array([-1.0, -1.0, 1.0, 1.0])
    half = paired_interval(shape).high
    return tuple((low + high) / 2 + shape * (high - low) / 2 / half)


def test_without_three_values_nothing_is_told():
    assert BETTER.p_value((1.0, 1.1)) is None
    assert BETTER.verdict((1.0, 1.1), None).value == "cannot be told here"


def test_verdicts_are_corrected_for_the_number_of_claims():
    # Alone each would be shown: their intervals just exclude zero, at p-values a little below 5 %.
    claims = [dataclasses.replace(BETTER, name=str(place)) for place in range(3)]
    strong, weak = (1.0, 1.01, 1.02, 1.03), with_interval(0.001, 0.2)
    powers = {claim.name: Power.of(claim, 4, claims=3) for claim in claims}
    found = judged(claims, Outcome(claims={"0": weak, "1": strong, "2": ()}), powers)
    # The weaker of two keeps its p-value, the stronger has twice its own; without values there is no third.
    assert [found[0]["p"], found[1]["p"]] == pytest.approx([BETTER.p_value(weak), 2 * BETTER.p_value(strong)])
    assert [one["verdict"] for one in found] == ["shown", "shown", "cannot be told here"]
    found = judged(claims, Outcome(claims={"0": weak, "1": weak, "2": weak}), powers)
    assert [one["p"] for one in found] == pytest.approx([3 * BETTER.p_value(weak)] * 3)
    assert {one["verdict"] for one in found} == {"cannot be told here"}
    assert all(one["power"]["claims"] == 3 for one in found)


def test_power_is_stated_from_measured_values_where_there_are_three():
    # 10 pairs see 0.9964 deviations; 1, 2, 3 have a deviation of 1.
    assumed = Power.of(BETTER, 10, (1.0, 2.0))
    assert (assumed.effect, assumed.source) == (pytest.approx(0.09964, abs=2e-4), "assumed: a guess")
    known = Power.of(BETTER, 10, (1.0, 2.0, 3.0))
    assert known.effect == pytest.approx(0.9964, abs=2e-3)
    assert known.source == "measured over 3 supernets in the bank"
    assert str(known).startswith("sees 0.996 or more (10 pairs, spread 1,")
    assert str(Power.of(BETTER, 2)) == "2 repetition(s) have no interval"
    pairs = Power.of(dataclasses.replace(BETTER, each=2), 8, claims=3)
    assert (pairs.n, pairs.claims) == (4, 3)
    assert str(pairs).endswith("assumed: a guess, one of 3 claims)")
    assert pairs.effect > Power.of(BETTER, 4).effect


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
