"""Found networks against random ones, budget by budget."""

import json
from dataclasses import replace

import numpy as np
import pytest

from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.criteria.bootstrap import paired_difference
from trueshot.strategies.finish.comparison import compare


def record(role, top1, budget=100, arch=None):
    accuracy = Accuracy(n=10, top1=top1, top5=1.0, balanced=top1, per_class=(top1,), loss=1.0)
    return NetworkRecord(
        name="x",
        role=role,
        budget=budget,
        seed=0,
        arch=arch or f"{role} {budget} {top1}",
        costs={"params": 1, "madds": 1},
        score=None,
        validation=None,
        test=accuracy,
        seconds=0.0,
    )


def test_winners_are_compared_with_the_random_networks_of_their_own_budgets():
    records = [record("winner", 0.94, 100), record("random", 0.90, 100), record("random", 0.92, 100)]
    records += [record("winner", 0.80, 50), record("random", 0.81, 50), record("random", 0.79, 50)]
    told = compare([*records, record("off-the-shelf", 0.1)])
    difference, interval = paired_difference([(0.94, np.array([0.90, 0.92])), (0.80, np.array([0.81, 0.79]))])
    assert told["difference"] == pytest.approx(difference) == pytest.approx(0.015)
    assert (told["low"], told["high"]) == (interval.low, interval.high)
    assert told["smallest"] == pytest.approx(interval.high - difference)
    assert told["n"] == [2, 4]
    assert [pair["difference"] for pair in told["pairs"]] == pytest.approx([0.03, 0.0])
    assert json.dumps(told)


def test_networks_of_other_budgets_and_of_the_second_group_do_not_count():
    records = [record("winner", 0.94), record("random", 0.90), record("random", 0.92)]
    alone = compare(records)
    more = [record("winner", 0.1, 50), record("random", 0.2, 20), record("at-bound", 0.96), record("at-bound", 0.94)]
    told = compare([*records, *more])
    assert {**told, "at_bound": None} == alone
    assert told["at_bound"]["difference"] == pytest.approx(0.94 - 0.95)
    assert told["at_bound"]["n"] == [1, 2]


def test_trainings_of_one_architecture_count_once():
    winners = [record("winner", 0.90, arch="a"), record("winner", 0.94, arch="a")]
    random = [record("random", 0.8, arch="c"), record("random", 0.86, arch="c"), record("random", 0.9, arch="d")]
    told = compare([*winners, *random])
    assert told["pairs"][0]["winner"] == pytest.approx(0.92)
    assert told["pairs"][0]["random"] == pytest.approx([0.83, 0.9])
    assert (told["n"], told["trainings"]) == ([1, 2], [2, 3])


def test_networks_that_have_not_converged_have_no_headline():
    fine = [record("winner", 0.94), record("random", 0.90), record("random", 0.92), record("at-bound", 0.9)]
    for converged in (None, True):
        assert compare([replace(one, converged=converged) for one in fine]) == compare(fine)
    told = compare([replace(one, converged=False) for one in fine])
    assert (told["difference"], told["low"], told["at_bound"], len(told["pairs"])) == (None, None, None, 1)
    assert told["notes"] == [
        "the networks have not converged, half the steps are far worse: their difference may yet change"
    ]
    shelf = replace(record("off-the-shelf", 0.1), converged=False)
    assert compare([*fine, shelf]) == compare(fine)


def test_what_is_not_there_is_not_compared():
    assert compare([record("random", 0.9)]) is None
    assert compare([record("winner", 0.9)]) is None
    told = compare([record("winner", 0.9)], ["nothing costs as much"])
    assert (told["difference"], told["low"], told["smallest"], told["pairs"]) == (None, None, None, [])
    assert told["notes"] == ["nothing costs as much"]
    single = compare([record("winner", 0.9), record("random", 0.8)])
    assert (single["difference"], single["low"], single["n"]) == (pytest.approx(0.1), None, [1, 1])
