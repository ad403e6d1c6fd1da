"""Which network to take: chosen by validation images among all that were trained, before the test images are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.core.results import Estimate
from trueshot.criteria.bootstrap import balanced_interval, proportion_interval
from trueshot.search.bounds import Bounds
from trueshot.spaces.costs import CostFunctions


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How the choice is made.

    Attributes:
        costs: of the space, which say how a cost is written.
        bounds: what a network may cost.
        cost: name of the cost by which the cheaper of equals is taken.
        counts: validation images of each class, where balanced accuracy counts; ``None`` for the plain one.
    """

    costs: CostFunctions
    bounds: Bounds
    cost: str
    counts: Int64[np.ndarray, " classes"] | None = None

    @property
    def measure(self) -> str:
        """What counts, for people."""
        return "validation accuracy" if self.counts is None else "balanced validation accuracy"

    def estimate(self, accuracy: Accuracy) -> Estimate:
        """Return the accuracy that counts, with its 95 % interval over the choice of images."""
        if self.counts is None:
            interval = proportion_interval(round(accuracy.top1 * accuracy.n), accuracy.n)
            value = accuracy.top1
        else:
            interval = balanced_interval(np.array(accuracy.per_class), self.counts)
            value = accuracy.balanced
        return Estimate(value=value, low=interval.low, high=interval.high, n=accuracy.n, over="images")

    def allows(self, record: NetworkRecord) -> bool:
        """Whether a network lies within all bounds; one of which a bounded cost is not known does not."""
        for name in self.bounds:
            low, high = self.bounds.range_of(name)
            if not low <= record.costs.get(name, float("nan")) <= high:
                return False
        return True


@dataclass(frozen=True)
class Choice:
    """The chosen network's name, and why it was chosen: the rest of a sentence that begins with "because"."""

    name: str
    because: str


def choose(records: Sequence[NetworkRecord], rule: Rule) -> Choice:
    """Return the network of highest validation accuracy within the bounds; within its interval, the cheapest.

    Of equally cheap ones the more accurate is taken, of equal ones the first.

    Args:
        records: with accuracies on validation images that none was trained on; at least one within the bounds.
        rule: what counts.
    """
    allowed = [(record, rule.estimate(record.validation)) for record in records if record.validation is not None]
    allowed = [(record, estimate) for record, estimate in allowed if rule.allows(record)]
    best, highest = max(allowed, key=lambda pair: pair[1].value)
    least = highest.low or 0.0

    def price(record: NetworkRecord) -> float:
        return record.costs.get(rule.cost, float("inf"))

    equal = [(record, estimate) for record, estimate in allowed if estimate.value >= least]
    chosen, estimate = min(equal, key=lambda pair: (price(pair[0]), -pair[1].value))
    among = f"the {len(allowed)} networks within the bounds" if len(rule.bounds) else f"all {len(allowed)} networks"
    if len(allowed) == 1:
        within = " within the bounds" if len(rule.bounds) else ""
        return Choice(chosen.name, f"it is the only network{within}; {rule.measure} {_percent(estimate.value)}")
    if chosen.name == best.name:
        return Choice(chosen.name, f"it has the highest {rule.measure} of {among}, {_percent(estimate.value)}")
    interval = f"{_percent(highest.low or 0.0)} to {_percent(highest.high or 1.0)}"
    cheapest = rule.costs.format(rule.cost, price(chosen))
    return Choice(
        chosen.name,
        f"its {rule.measure}, {_percent(estimate.value)}, lies within the interval of the highest of {among}"
        f" ({best.name}, {interval}), and of all such it is the cheapest, {cheapest}",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
