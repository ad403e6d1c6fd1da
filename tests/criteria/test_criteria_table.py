"""Criteria on the ground truth of NAS-Bench-201, against values computed elsewhere."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trueshot.criteria.correlation import kendall_tau
from trueshot.criteria.groups import by_cost, mean_group_rank_std, mean_group_std
from trueshot.criteria.top import best_rank_at_k

DATA = os.environ.get("TRUESHOT_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="TRUESHOT_DATA is not set: nasbench201.parquet is not at hand")


@pytest.fixture(scope="module")
def table():
    return pd.read_parquet(Path(DATA or "") / "nasbench201.parquet")


@pytest.fixture(scope="module")
def params(table):
    conv1, conv3 = (table["arch"].str.count(f"nor_conv_{size}").to_numpy() for size in ("1x1", "3x3"))
    return 73_306 + 28_000 * conv1 + 243_040 * conv3


def test_parameter_count_and_short_training(table, params):
    true = table["cifar10_test_200"].to_numpy()
    good = true > 91
    assert good.sum() == 7_429
    for predicted, everywhere, above in (
        (params, 0.578, 0.383),
        (table["cifar10_valid_12"].to_numpy(), 0.594, 0.335),
        (table["cifar10_test_12"].to_numpy(), 0.700, 0.421),
    ):
        assert kendall_tau(predicted=predicted, true=true) == pytest.approx(everywhere, abs=5e-4)
        assert kendall_tau(predicted=predicted[good], true=true[good]) == pytest.approx(above, abs=5e-4)


def test_noise_of_the_isomorphic_groups(table):
    true, labels = table["cifar10_test_200"].to_numpy(), table["arch"].map(nb201_class).to_numpy().astype(str)
    assert np.unique(labels).size == 6_466
    for ddof, accuracy, rank in ((0, 0.035, 59.7), (1, 0.043, 74.4)):
        assert mean_group_std(values=true, labels=labels, ddof=ddof) == pytest.approx(accuracy, abs=5e-4)
        assert mean_group_rank_std(values=true, labels=labels, ddof=ddof) == pytest.approx(rank, abs=0.05)


def nb201_class(arch):
    states = ["0"]
    for node in arch.split("+"):
        terms = []
        for edge in node.strip("|").split("|"):
            operation, source = edge.split("~")
            state = states[int(source)]
            if operation == "none" or state == "#":
                terms.append("#")
            else:
                terms.append(state if operation == "skip_connect" else f"({state})@{operation}")
        states.append("+".join(sorted(terms)))
    return states[3]


def test_short_training_under_estimates_large_networks(table, params):
    groups = by_cost(
        predicted=table["cifar10_valid_12"].to_numpy(), true=table["cifar10_test_200"].to_numpy(), cost=params
    )
    assert groups[0].rank_difference > 500
    assert groups[-1].rank_difference < -500


def test_the_best_two_are_tied(table):
    true = table["cifar10_test_200"].to_numpy()
    for index, rank in ((6_111, 1), (13_714, 2)):
        predicted = np.zeros(true.size)
        predicted[index] = 1
        assert best_rank_at_k(predicted=predicted, true=true, k=1) == rank / 15_625
