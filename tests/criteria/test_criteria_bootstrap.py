from functools import partial

import numpy as np
import pytest
from scipy import stats

from trueshot.core.errors import CriteriaError
from trueshot.criteria.bootstrap import (
    bootstrap,
    bootstrap_all,
    bootstrap_difference,
    difference_interval,
    mean_interval,
    paired_difference,
    proportion_difference_interval,
    proportion_interval,
)
from trueshot.criteria.correlation import kendall_tau, pairwise_accuracy
from trueshot.criteria.top import precision_at_k


def columns(n, seed=0):
    generator = np.random.default_rng(seed)
    true = generator.normal(size=n)
    return {"predicted": true + generator.normal(size=n), "true": true}


def rng():
    return np.random.default_rng(11)


def test_percentiles_of_the_resamples():
    data = columns(40)
    interval = bootstrap(kendall_tau, **data, resamples=50, generator=rng(), level=0.9)
    again, values = rng(), []
    for _ in range(50):
        drawn = again.integers(40, size=40)
        values.append(kendall_tau(predicted=data["predicted"][drawn], true=data["true"][drawn]))
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(values, [0.05, 0.95])))


def test_same_seed_same_interval_and_more_data_narrower():
    wide = bootstrap(kendall_tau, **columns(30), resamples=200, generator=rng())
    assert wide == bootstrap(kendall_tau, **columns(30), resamples=200, generator=rng())
    narrow = bootstrap(kendall_tau, **columns(3000), resamples=200, generator=rng())
    assert narrow.high - narrow.low < (wide.high - wide.low) / 4
    # The tau of two normals of correlation 1/sqrt(2) is one half.
    assert narrow.low < 0.5 < narrow.high


def test_intervals_cover_the_truth_as_often_as_they_say():
    generator, covered = np.random.default_rng(4), 0
    for seed in range(80):
        interval = bootstrap(kendall_tau, **columns(40, seed), resamples=80, generator=generator, level=0.8)
        covered += interval.low <= 0.5 <= interval.high
    assert 0.65 <= covered / 80 <= 0.95


def test_pairwise_accuracy_does_not_gain_from_copies():
    data = columns(12)
    plain = pairwise_accuracy(**data)
    interval = bootstrap(pairwise_accuracy, **data, resamples=1500, generator=rng(), level=0.01)
    naive = bootstrap(lambda *, predicted, true: pairwise_accuracy(predicted=predicted, true=true),
                      **data, resamples=1500, generator=rng(), level=0.01)  # fmt: skip
    assert abs(interval.low - plain) < 0.02
    assert naive.low - plain > 0.01


def test_several_criteria_share_the_resamples():
    data = columns(50)
    criteria = {"tau": kendall_tau, "p": partial(precision_at_k, k=0.2)}
    together = bootstrap_all(criteria, **data, resamples=60, generator=rng())
    for name, criterion in criteria.items():
        assert together[name] == bootstrap(criterion, **data, resamples=60, generator=rng())


def test_undefined_resamples():
    predicted = np.array([1.0, 2.0, 2.0, 2.0])
    interval = bootstrap(kendall_tau, predicted=predicted, true=np.arange(4.0), resamples=200, generator=rng())
    assert -1 <= interval.low <= interval.high <= 1
    rare = np.zeros(40)
    rare[0] = 1

    def defined_with_two_ones(*, predicted, true):
        if predicted.sum() < 2:
            raise CriteriaError("undefined")
        return 1.0

    with pytest.raises(CriteriaError, match=r"undefined on \d+ of 100 resamples of the 40"):
        bootstrap(defined_with_two_ones, predicted=rare, true=np.arange(40.0), resamples=100, generator=rng())


@pytest.mark.parametrize(("change", "message"), [({"level": 95.0}, "0.95"), ({"resamples": 0}, "0 resamples")])
def test_bad_options(change, message):
    with pytest.raises(CriteriaError, match=message):
        bootstrap(kendall_tau, **columns(9), generator=rng(), **change)


def test_mean_interval():
    values = np.array([98.1, 97.9, 98.6])
    expected = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values))
    interval = mean_interval(values)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx(expected)
    # Two values give an interval of 25 standard errors, which says nothing.
    assert mean_interval(values[:1]) is mean_interval(values[:2]) is None
    with pytest.raises(CriteriaError, match="too few"):
        mean_interval(np.zeros(0))


def test_difference_interval_is_welch():
    a, b = np.array([98.1, 97.9, 98.6]), np.array([97.2, 96.8, 97.9, 95.0])
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.9)
    interval = difference_interval(a, b, level=0.9)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_difference_interval_of_few_or_equal_values():
    three = np.array([97.0, 96.0, 96.5])
    assert difference_interval(np.array([98.0]), three) is None
    assert difference_interval(three, np.array([98.0, 97.0])) is None
    assert difference_interval(np.full(3, 98.0), np.full(4, 97.0)) is None
    one_sided = difference_interval(np.full(3, 98.0), three)
    mean = mean_interval(three)
    assert one_sided is not None
    assert mean is not None
    assert (one_sided.low, one_sided.high) == pytest.approx((98 - mean.high, 98 - mean.low))


def test_twins_are_drawn_together():
    # Four classes, of which one holds nine of every ten rows and ranks them at random.
    generator = np.random.default_rng(0)
    classes = np.array(["large"] * 90 + ["b"] * 4 + ["c"] * 3 + ["d"] * 3)
    true = np.where(classes == "large", 0.0, generator.normal(size=100)) + 0.1 * generator.normal(size=100)
    predicted = true + generator.normal(size=100)
    rows = bootstrap(kendall_tau, predicted=predicted, true=true, resamples=300, generator=rng())
    drawn = bootstrap(kendall_tau, predicted=predicted, true=true, resamples=300, generator=rng(), classes=classes)
    assert drawn.high - drawn.low > 1.5 * (rows.high - rows.low)
    # By hand, for one resample.
    members = {name: np.flatnonzero(classes == name) for name in ("b", "c", "d", "large")}
    names = [list(members)[number] for number in rng().integers(4, size=4)]
    chosen = np.concatenate([members[name] for name in names])
    expected = kendall_tau(predicted=predicted[chosen], true=true[chosen])
    one = bootstrap(kendall_tau, predicted=predicted, true=true, resamples=1, generator=rng(), classes=classes)
    assert one.low == one.high == pytest.approx(expected)
    # Where each architecture is its own class, rows are drawn.
    alone = bootstrap(
        kendall_tau, predicted=predicted, true=true, resamples=30, generator=rng(), classes=np.arange(100)
    )
    assert alone == bootstrap(kendall_tau, predicted=predicted, true=true, resamples=30, generator=rng())
    with pytest.raises(CriteriaError, match=r"classes have the shape \(3,\) for 100 architectures"):
        bootstrap(kendall_tau, predicted=predicted, true=true, generator=rng(), classes=np.arange(3))


def test_differences_are_paired():
    data = columns(80)
    better = data["predicted"] + 0.5 * data["true"]
    interval = bootstrap_difference(
        kendall_tau, first=better, second=data["predicted"], true=data["true"], resamples=200, generator=rng()
    )
    assert interval.low > 0
    same = bootstrap_difference(
        kendall_tau, first=better, second=better, true=data["true"], resamples=20, generator=rng()
    )
    assert (same.low, same.high) == (0.0, 0.0)
    # Narrower than if each ranking were drawn by itself.
    each = [
        bootstrap(kendall_tau, predicted=scores, true=data["true"], resamples=200, generator=rng())
        for scores in (better, data["predicted"])
    ]
    assert interval.high - interval.low < np.hypot(*(one.high - one.low for one in each))


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (7, 10), (4321, 5000)])
def test_proportion_interval_is_wilson(successes, trials):
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    interval = proportion_interval(successes, trials)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_proportion_difference_of_newcombe():
    # Newcombe (1998), Table II, method 10, columns a, b and g.
    for first, second, low, high in (
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ):
        interval = proportion_difference_interval(first, second)
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("successes", "trials"), [(3, 2), (-1, 2), (0, 0)])
def test_no_share(successes, trials):
    with pytest.raises(CriteriaError, match="is no share"):
        proportion_interval(successes, trials)


def test_a_paired_difference_takes_its_spread_from_within_the_groups():
    # By hand: differences 2 and 5; squares 2 and 2 over 2 degrees of freedom; 4 times the variance's parts over 2.
    difference, interval = paired_difference(
        [(90.0, np.array([87.0, 89.0])), (80.0, np.array([74.0, 76.0]))], level=0.9
    )
    half = stats.t.ppf(0.95, 2) * np.sqrt(2.0 * (1.5 + 1.5)) / 2
    assert difference == pytest.approx(3.5)
    assert (interval.low, interval.high) == pytest.approx((3.5 - half, 3.5 + half))


def test_one_pair_is_a_prediction_interval():
    group = np.array([87.0, 89.0, 90.5])
    difference, interval = paired_difference([(90.0, group)])
    half = stats.t.ppf(0.975, 2) * group.std(ddof=1) * np.sqrt(1 + 1 / 3)
    assert (difference, interval.high - interval.low) == pytest.approx((90.0 - group.mean(), 2 * half))


def test_paired_differences_without_an_effect_are_covered():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        # Budgets differ by far more than networks of one budget do.
        pairs = [(level + rng.normal(), level + rng.normal(size=2)) for level in (90.0, 70.0, 50.0)]
        _, interval = paired_difference(pairs)
        covered += interval.low <= 0 <= interval.high
    assert covered / 2000 == pytest.approx(0.95, abs=0.02)


def test_paired_differences_without_a_spread_have_no_interval():
    assert paired_difference([(98.0, np.array([97.0])), (96.0, np.array([97.0]))]) == (0.0, None)
    assert paired_difference([(98.0, np.array([97.0, 97.0]))]) == (1.0, None)
    with pytest.raises(CriteriaError, match="no pair"):
        paired_difference([])
    with pytest.raises(CriteriaError, match="too few"):
        paired_difference([(98.0, np.zeros(0))])
