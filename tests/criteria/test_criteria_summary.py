import json

import numpy as np
import pytest

from trueshot.core.errors import CriteriaError
from trueshot.criteria.bootstrap import proportion_interval
from trueshot.criteria.correlation import kendall_tau, pairwise_accuracy, pearson, spearman
from trueshot.criteria.summary import summarise
from trueshot.criteria.top import best_rank_at_k, precision_at_k

GENERATOR = np.random.default_rng(0)
TRUE = GENERATOR.normal(size=300)
PREDICTED = TRUE + GENERATOR.normal(size=300)
COLUMNS = {"predicted": PREDICTED, "true": TRUE}


def test_plain_numbers():
    summary = summarise(**COLUMNS)
    assert summary == {
        "kendall_tau": kendall_tau(**COLUMNS),
        "spearman": spearman(**COLUMNS),
        "pearson": pearson(**COLUMNS),
        "pairwise_accuracy": pairwise_accuracy(**COLUMNS),
        "p_at_k": {str(k): precision_at_k(**COLUMNS, k=k) for k in (0.01, 0.05, 0.5)},
        "br_at_k": {str(k): best_rank_at_k(**COLUMNS, k=k) for k in (0.01, 0.05, 0.5)},
    }
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_bootstrap_adds_low_and_high():
    plain = summarise(**COLUMNS, ks=(0.1, 5))
    summary = summarise(**COLUMNS, ks=(0.1, 5), bootstrap=40, generator=np.random.default_rng(1))
    assert list(summary) == list(plain)
    assert list(summary["p_at_k"]) == list(summary["br_at_k"]) == ["0.1", "5"]
    for name in ("kendall_tau", "spearman", "pearson", "pairwise_accuracy"):
        figure = summary[name]
        assert figure["value"] == plain[name]
        assert figure["low"] < figure["value"] < figure["high"]
    for name in ("p_at_k", "br_at_k"):
        for k, figure in summary[name].items():
            assert figure["value"] == plain[name][k]
            assert figure["low"] <= figure["high"]


def test_a_share_of_none_is_not_certainly_none():
    summary = summarise(predicted=-TRUE, true=TRUE, ks=(0.05,), bootstrap=20, generator=np.random.default_rng(0))
    figure, expected = summary["p_at_k"]["0.05"], proportion_interval(0, 15)
    assert figure == {"value": 0.0, "low": 0.0, "high": expected.high}
    assert figure["high"] > 0.2


def test_intervals_may_draw_classes():
    options = {"ks": (), "bootstrap": 60}
    rows = summarise(**COLUMNS, **options, generator=np.random.default_rng(0))["kendall_tau"]
    pairs = {name: np.repeat(column, 4) for name, column in COLUMNS.items()}
    generator = np.random.default_rng(0)
    classes = summarise(**pairs, **options, generator=generator, classes=np.repeat(np.arange(300), 4))["kendall_tau"]
    blind = summarise(**pairs, **options, generator=np.random.default_rng(0))["kendall_tau"]
    # Four copies of each architecture are no more evidence than one.
    assert blind["high"] - blind["low"] < 0.7 * (rows["high"] - rows["low"])
    assert classes["high"] - classes["low"] > 0.8 * (rows["high"] - rows["low"])


def test_default_ks_that_select_nothing_are_left_out_but_not_those_asked_for():
    few = {name: column[:30] for name, column in COLUMNS.items()}
    assert list(summarise(**few)["p_at_k"]) == ["0.05", "0.5"]
    with pytest.raises(CriteriaError, match="too small for 30"):
        summarise(**few, ks=(0.01,))


def test_bad_input():
    with pytest.raises(CriteriaError, match="Kendall's tau is undefined"):
        summarise(predicted=np.ones(300), true=TRUE)
    with pytest.raises(CriteriaError, match="predicted: 1 of 300 values is NaN"):
        summarise(predicted=np.where(np.arange(300) == 7, np.nan, PREDICTED), true=TRUE)
    with pytest.raises(CriteriaError, match="needs a random generator"):
        summarise(**COLUMNS, bootstrap=10)
