"""Which network is taken, by validation images."""

import numpy as np
import pytest

from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.criteria.bootstrap import proportion_interval
from trueshot.search.bounds import Bounds
from trueshot.spaces import Topology
from trueshot.spaces.costs import standard_costs
from trueshot.strategies.finish.choice import Rule, choose
from trueshot.strategies.finish.decision import decide

SPACE = Topology(nodes=(1, 2), widths=(4, 6), kernels=(3,), image_size=8, classes=2)


def accuracy(top1, n=100, per_class=None):
    per_class = per_class or (top1, top1)
    return Accuracy(n=n, top1=top1, top5=1.0, balanced=float(np.mean(per_class)), per_class=per_class, loss=1.0)


def network(name, validation, madds=100, role="winner", test=0.5, **fields):
    values = {"budget": 100, "seed": 0, "arch": name, "score": None, "seconds": 0.0, **fields}
    costs = {"madds": madds, "params": madds}
    checked = validation if validation is None or isinstance(validation, Accuracy) else accuracy(validation)
    return NetworkRecord(name=name, role=role, costs=costs, validation=checked, test=accuracy(test), **values)


def rule(most=None, counts=None):
    bounds = Bounds({} if most is None else {"madds": (None, most)})
    return Rule(costs=standard_costs(SPACE), bounds=bounds, cost="madds", counts=counts)


def test_the_highest_is_taken_whatever_its_test_accuracy():
    records = [network("a", 0.50, test=0.99), network("b", 0.90, role="random", test=0.1), network("c", 0.60, 10)]
    choice = choose(records, rule())
    assert choice.name == "b"
    assert choice.because == "it has the highest validation accuracy of all 3 networks, 90.0 %"


def test_within_the_interval_of_the_highest_the_cheaper_is_taken():
    low = proportion_interval(90, 100).low
    inside, outside = np.ceil(100 * low) / 100, np.floor(100 * low) / 100
    records = [network("a", 0.90), network("b", inside, 50), network("c", outside, 10), network("d", inside + 0.01, 50)]
    choice = choose(records, rule(100))
    assert choice.name == "d"
    assert "lies within the interval of the highest of the 4 networks within the bounds (a, 82.6 % to 94.5 %)" in (
        choice.because
    )
    assert choice.because.endswith("it is the cheapest, 50 MAdds")


def test_what_is_above_the_bound_is_not_taken_nor_counted():
    records = [network("a", 0.90, 101), network("b", 0.70, 100)]
    assert choose(records, rule(100)).name == "b"
    assert choose(records, rule(100)).because == "it is the only network within the bounds; validation accuracy 70.0 %"
    assert choose(records, rule(101)).name == "a"


def test_balanced_accuracy_counts_where_classes_are_imbalanced():
    often, seldom = (accuracy(top1, 100, shares) for top1, shares in ((0.91, (1.0, 0.1)), (0.80, (0.8, 0.8))))
    records = [network("a", often), network("b", seldom)]
    assert choose(records, rule()).name == "a"
    choice = choose(records, rule(counts=np.array([90, 10])))
    assert choice.name == "b"
    assert "balanced validation accuracy" in choice.because


def test_a_decision_shows_one_line_of_each_kind():
    records = [
        network("recommended", None, role="recommended", test=0.92, of="best-2"),
        network("best-1", 0.80, 90, test=0.83),
        network("best-2", 0.90, 70, test=0.91, budget=70),
        network("random-1", 0.7, 90, role="random", test=0.99),
        network("random-2", 0.7, 69, role="random", test=0.70, budget=70),
        network("random-3", 0.7, 71, role="random", test=0.80, budget=70),
        network("mobilenetv2", 0.95, 120, role="off-the-shelf", test=0.96),
    ]
    decision = decide(records, choose(records, rule(100)), rule(100))
    assert [(row.kind, row.names) for row in decision.rows] == [
        ("recommended", ("recommended",)),
        ("found", ("best-2",)),
        ("random", ("random-2", "random-3")),
        ("off-the-shelf", ("mobilenetv2",)),
    ]
    recommended, _, random, shelf = decision.rows
    assert (recommended.test.value, recommended.test.n, recommended.test.over) == (0.92, 100, "test images")
    assert (random.test.value, random.test.n, random.test.over) == (pytest.approx(0.75), 2, "architectures")
    assert random.costs["madds"] == 70
    assert (shelf.remarks, recommended.remarks) == (("above the bound",), ())
    assert decision.sentence.startswith(
        "Take recommended, the architecture of best-2 (found by the search), trained anew on training and validation"
        " images: it has the highest"
    )
    assert type(decision).from_json(decision.to_json()) == decision
