"""What a finished search found, read from its result, and the few numbers the report says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from trueshot.core.decision import Decision
from trueshot.core.errors import ConfigError, CriteriaError, RunError
from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.core.results import CostAxis, Front, Networks, Result, Section
from trueshot.core.run import RunDirectory
from trueshot.core.units import format_count, format_quantity
from trueshot.criteria.bootstrap import Interval, balanced_interval, proportion_difference_interval, proportion_interval
from trueshot.criteria.correlation import kendall_tau
from trueshot.spaces import Space
from trueshot.spaces.description import rebuild

LEAST_FOR_TAU = 3
_HEAD = ("space", "dataset", "evaluator", "evaluated", "costs", "cost", "budgets", "found", "timings", "environment")


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that the report shows.

    Attributes:
        config: of the run.
        head: what the results of all searches have.
        front: everything that was evaluated.
        trained: the networks trained from scratch and their comparison, ``None`` where nothing was trained.
        more: every other section, in order.
        space: ``None`` when its class cannot be imported here, or is code that is not trusted; drawings are then left
            out.
    """

    config: dict[str, Any]
    head: Mapping[str, Any]
    front: Front
    trained: Networks | None
    more: tuple[Section, ...]
    space: Space | None

    @cached_property
    def costs(self) -> tuple[CostAxis, ...]:
        """The costs of the run, in order."""
        return tuple(CostAxis(**cost) for cost in self.head["costs"])

    @property
    def axis(self) -> CostAxis:
        """The cost under whose bounds winners were picked, which the figures show."""
        return self.front.cost

    @property
    def networks(self) -> tuple[NetworkRecord, ...]:
        """Every network trained from scratch."""
        return () if self.trained is None else self.trained.records

    @property
    def comparison(self) -> Mapping[str, Any]:
        """Found against random networks; empty where they were not compared."""
        return {} if self.trained is None or self.trained.comparison is None else self.trained.comparison

    def of_role(self, role: str) -> list[NetworkRecord]:
        """Return the networks of one role."""
        return [network for network in self.networks if network.role == role]

    def cost_of(self, network: NetworkRecord) -> float:
        """Return what a network costs on :attr:`axis`, NaN where that cost cannot be told of it."""
        return network.costs.get(self.axis.name, float("nan"))

    @cached_property
    def decision(self) -> Decision | None:
        """Which network to take, of what and why; ``None`` where none was trained, or an earlier release ran."""
        content = self.head.get("decision")
        return None if content is None else Decision.from_json(content)

    @property
    def best(self) -> NetworkRecord:
        """The network that the run itself recommends; its test images have no say in it."""
        return next(iter(self.of_role("recommended")), self.compared)

    @property
    def compared(self) -> NetworkRecord:
        """The training of :attr:`best` that is compared with others; of an earlier release the best winner."""
        recommended = next(iter(self.of_role("recommended")), None)
        if recommended is not None:
            return next(network for network in self.networks if network.name == recommended.of)
        winners = self.of_role("winner")
        if all(network.validation is not None for network in winners):
            return max(winners, key=lambda network: network.validation.top1 if network.validation else 0.0)
        return max(winners, key=lambda network: -np.inf if network.score is None else network.score)

    @property
    def chosen_by(self) -> str:
        """How :attr:`compared` was chosen, for people."""
        validated = all(network.validation is not None for network in self.of_role("winner"))
        return "accuracy on validation images" if validated else "score in the search"

    @property
    def shelf(self) -> NetworkRecord | None:
        """The off-the-shelf network of like cost to the one that is compared."""
        candidates = [network for network in self.of_role("off-the-shelf") if self.axis.name in network.costs]
        return min(
            candidates, key=lambda network: abs(self.cost_of(network) - self.cost_of(self.compared)), default=None
        )

    def balanced_interval(self, accuracy: Accuracy) -> Interval | None:
        """Return the 95 % interval of balanced accuracy over the test images; ``None`` of an earlier release."""
        counts = (self.head["dataset"] or {}).get("test_counts")
        return None if counts is None else balanced_interval(np.array(accuracy.per_class), np.array(counts))

    @property
    def predicted(self) -> list[tuple[NetworkRecord, float, float]]:
        """Networks of the space, trained alike, with the score predicted and the test accuracy reached."""
        alike = [network for network in self.networks if network.role != "recommended"]
        return [(n, n.score, n.test.top1) for n in alike if n.score is not None and n.test is not None]

    @property
    def tau(self) -> float | None:
        """Kendall's tau of score and test accuracy; ``None`` for fewer than three networks or constant columns."""
        pairs = self.predicted
        if len(pairs) < LEAST_FOR_TAU:
            return None
        try:
            return kendall_tau(
                predicted=np.array([score for _, score, _ in pairs]), true=np.array([true for _, _, true in pairs])
            )
        except CriteriaError:
            return None


def read_findings(run: RunDirectory, *, trust_code: bool = False) -> Findings:
    """Read a finished search; ``trust_code`` allows to run the code of a space of its own.

    Raises:
        RunError: when the run has not finished, or a file of it is damaged.
    """
    if not run.result.is_file():
        raise RunError(f"{run.path} has no result yet: finish its search by the same command with --resume")
    result = Result.read(run.result)
    fronts, trained = result.of_kind(Front), result.of_kind(Networks)
    missing = [key for key in _HEAD if key not in result.head] if fronts else ["its front"]
    if missing:
        raise RunError(f"{run.result} is incomplete ({missing[0]} is missing): repeat the search with --resume")
    for networks in trained:
        untested = [network.name for network in networks.records if network.test is None]
        if untested or not any(network.role == "winner" for network in networks.records):
            what = f"{untested[0]} has not been tested" if untested else "no winner has been trained"
            raise RunError(f"{run.path}: {what} yet: finish the search by the same command with --resume")
    first = (fronts[0], *trained[:1])
    return Findings(
        config=run.config,
        head=result.head,
        front=fronts[0],
        trained=trained[0] if trained else None,
        more=tuple(section for section in result.sections if all(section is not shown for shown in first)),
        space=_space(result.head["space"], trust_code),
    )


def _space(description: Mapping[str, Any], trust_code: bool) -> Space | None:
    try:
        space: Space = rebuild(
            {"class": description["class"], "arguments": description["arguments"]}, trust_code=trust_code
        )
    except (ConfigError, KeyError):
        return None
    return space


def interval_of(accuracy: Accuracy) -> Interval:
    """Return the 95 % interval of top-1 over the choice of test images (Wilson)."""
    return proportion_interval(round(accuracy.top1 * accuracy.n), accuracy.n)


def difference_of(first: Accuracy, second: Accuracy) -> tuple[float, Interval]:
    """Return first minus second top-1 and its 95 % interval over the choice of test images (Newcombe)."""
    shares = [(round(accuracy.top1 * accuracy.n), accuracy.n) for accuracy in (first, second)]
    return first.top1 - second.top1, proportion_difference_interval(shares[0], shares[1])


def cell(axis: CostAxis, value: float | None) -> str:
    """Write a cost below a head that already says what it is: ``60M`` of MAdds, ``4.1 ms`` of latency."""
    if value is None:
        return "–"
    return format_count(value) if axis.unit == axis.title else format_quantity(value, axis.unit)


def phrase(axis: CostAxis, value: float | None, side: str = "") -> str:
    """Write a cost or, with ``side``, a bound of it in a sentence: ``60M MAdds``, ``latency at most 4.1 ms``."""
    written = [cell(axis, value), axis.title] if axis.unit == axis.title else [axis.title, cell(axis, value)]
    written.insert(0 if axis.unit == axis.title else 1, side)
    return " ".join(filter(None, written))
