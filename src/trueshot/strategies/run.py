"""A whole search: a strategy finds, the finish trains and tests, and the result is written."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from trueshot.core.errors import BudgetError, ConfigError
from trueshot.core.random import Streams
from trueshot.core.records import NetworkRecord
from trueshot.core.results import CostAxis, Front, Line, Networks, Result, Section, Series, Text
from trueshot.core.run import RunDirectory, read_log
from trueshot.core.units import format_duration
from trueshot.evaluation.timing import step_seconds, waiting_for
from trueshot.search.extremes import cost_range
from trueshot.spaces import Space
from trueshot.spaces.costs import additive
from trueshot.spaces.description import describe
from trueshot.strategies.checks import checked_found
from trueshot.strategies.config import SearchConfig
from trueshot.strategies.finish import Finish, Finished
from trueshot.strategies.picking import Candidate, pick_off_the_shelf
from trueshot.strategies.protocol import Forecast, Found, Phase, Strategy
from trueshot.strategies.search import Clock
from trueshot.strategies.setup import Context, environment
from trueshot.strategies.supernet import borrowed_snapshots, load_teacher
from trueshot.training.classification import Loss
from trueshot.training.data.dataset import Dataset
from trueshot.training.optimizers import make_optimizer
from trueshot.training.standalone import NetworkTask, build
from trueshot.training.task import TRAIN

_STEPS, _POOL, _FEW = 4, 2000, 50


@dataclass(frozen=True, kw_only=True)
class SearchRun:
    """One search: its configuration and what it works with."""

    config: SearchConfig
    context: Context

    @cached_property
    def strategy(self) -> Strategy:
        """How architectures are found."""
        strategy: Strategy = self.config.strategy.build(self.context)
        return strategy

    @property
    def finish(self) -> Finish | None:
        """What trains and tests what was found; ``None`` without images or without a recipe."""
        config = self.config.retraining
        if self.context.dataset is None or config is None:
            return None
        return Finish(context=self.context, config=config, budget=self.config.budget, cost=self.strategy.cost)

    def check(self) -> None:
        """Find what would stop the run only later: bounds, budgets, teachers, the oracle.

        Raises:
            TrueshotError: naming it.
        """
        if self.context.earlier is not None:
            borrowed_snapshots(self.context, self.context.earlier)
        self.strategy.check()
        if self.finish is None:
            return
        if not self.finish.budgets:
            raise BudgetError(
                f"none of the shares budget.fractions = {list(self.config.budget.fractions)} allows even the cheapest"
                f" architecture of {self.context.space.name}: choose larger ones"
            )
        load_teacher(self.context, self.finish.config.distillation)

    def forecast(self) -> Forecast:
        """Return what the phases are expected to take."""
        found = self.strategy.forecast()
        return found if self.finish is None else found + _forecast(self.finish)

    def scaled(self, seconds: float) -> SearchRun:
        """Return the run with its schedule scaled, by one factor, to a time budget less a tenth.

        Epochs of the supernet and of the retraining, snapshots and proposals grow or shrink together, at most fourfold
        up; what is trained from scratch stays.

        Raises:
            ConfigError: when even the shortest schedule does not fit, or the strategy cannot be scaled.
        """
        if not hasattr(self.config.strategy.config, "scaled"):
            raise ConfigError(f"strategy {self.config.strategy.kind} has no schedule to scale: leave --time-budget out")
        rates = _Rates.of(self)
        low, high = 1e-3, 4.0
        shortest = rates.total(low)
        if shortest > seconds:
            raise ConfigError(
                f"the shortest schedule takes {format_duration(shortest)}, more than the time budget"
                f" {format_duration(seconds)}: allow more time, or choose smaller images or a smaller space"
            )
        for _ in range(40):
            middle = float(np.sqrt(low * high))
            low, high = (middle, high) if rates.total(middle) <= 0.9 * seconds else (low, middle)
        return SearchRun(config=scaled_config(self.config, low), context=self.context)

    def announce(self) -> list[str]:
        """Return lines that say what is about to happen."""
        context, costs = self.context, self.context.costs
        low, high = cost_range(costs, self.strategy.cost)
        lines = []
        if (dataset := context.dataset) is not None:
            lines.append(
                f"data: {dataset.name}, {len(dataset.train)} training, {len(dataset.validation)} validation and"
                f" {dataset.test_size} test images of {dataset.image_size} pixels, {len(dataset.classes)} classes"
            )
        bounds = [
            f"{side} {costs.format(name, value)}"
            for name, pair in context.bounds.items()
            for side, value in zip(("at least", "at most"), pair, strict=True)
            if value is not None
        ]
        lines.append(
            f"space: {context.space.name}, {told_size(context.space)} of {costs.format(self.strategy.cost, low)} to"
            f" {costs.format(self.strategy.cost, high)}; {', '.join(bounds) or 'no bounds'}"
        )
        announce = getattr(self.strategy, "announce", list)
        return [*lines, *announce(), f"run: {context.run.path}"]

    def run(self) -> Result:
        """Run to the end, or what an earlier attempt left of it, and return what ``result.json`` holds."""
        run = self.context.run
        if run.result.exists():
            return Result.read(run.result)
        clock = Clock(run.path / "log" / "timings.json")
        found = checked_found(self.strategy.run(), self.config.strategy.kind, self.context)
        finished = None
        if self.finish is not None:
            start = time.monotonic()
            finished = self.finish.run(found)
            clock.add("retrain", start)
        self._result(found, finished, clock.read()).write(run.result)
        return Result.read(run.result)

    def _result(self, found: Found, finished: Finished | None, timings: dict[str, float]) -> Result:
        context, costs = self.context, self.context.costs
        records = [] if finished is None else finished.records
        cost = costs[self.strategy.cost]
        axis = CostAxis(cost.name, cost.title, cost.unit)
        budgets = () if self.finish is None else self.finish.budgets
        head = {
            "strategy": self.config.strategy.kind,
            "dataset": None if context.dataset is None else _dataset(context.dataset, tested=bool(records)),
            "space": {**describe(context.space), "name": context.space.name},
            "architectures": None if context.space.architectures is None else str(context.space.architectures),
            "costs": [dataclasses.asdict(CostAxis(one.name, one.title, one.unit)) for one in costs],
            "cost": cost.name,
            "bounds": {name: list(pair) for name, pair in context.bounds.items()},
            "budgets": list(budgets),
            "evaluator": found.scored_by,
            "digest": found.evaluator.digest,
            "evaluated": len(found.scores),
            "decision": None if finished is None else finished.decision.to_json(),
            **found.values,
            "found": [self._told(found, position) for position in found.best_first[:_LISTED].tolist()],
            "timings": {**timings, "total": sum(timings.values())},
            "environment": environment(context.device),
        }
        front = Front(
            name="search",
            title="What the search saw",
            cost=axis,
            costs=cost(found.archs).tolist(),
            scores=found.scores.tolist(),
            budgets=budgets,
        )
        sections: list[Section] = [front]
        if finished is not None:
            title, comparison = "Trained from scratch", finished.comparison
            sections.insert(
                0, Networks(name="networks", title=title, cost=axis, records=tuple(records), comparison=comparison)
            )
        if found.told:
            sections.append(Text(name="how", title="How it searched", rows=found.told))
        sections += [*found.more, *_logs(context.run, records)]
        return Result(command="search", head=head, sections=tuple(sections))

    def _told(self, found: Found, position: int) -> dict[str, Any]:
        """Return one found architecture as JSON values."""
        row = found.archs[position]
        return {
            "arch": self.context.space.format(row),
            "score": float(found.scores[position]),
            "costs": {name: values[0].item() for name, values in self.context.costs(row[None]).items()},
        }


def _dataset(dataset: Dataset, *, tested: bool) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "classes": list(dataset.classes),
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "test": dataset.test_size,
        "image_size": dataset.image_size,
        "channels": dataset.channels,
        "notes": [*dataset.notes, *(dataset.test.skipped if tested else ())],
        "imbalanced": dataset.imbalanced,
    }


def _logs(run: RunDirectory, records: Sequence[NetworkRecord]) -> list[Section]:
    """Return the losses of every training of the run as series."""
    supernet, sampling = (_line(told, read_log(run.log(log))) for log, told in _SHARED.items())
    # Sampling goes on from the trained weights, and so does its line.
    shared = [supernet, _continued(supernet, sampling)]
    alone = [_line(record.name, read_log(run.log(f"network-{record.name}"))) for record in records]
    groups = {"supernet": ("Training of the supernet", shared), "retraining": ("Training from scratch", alone)}
    return [
        Series(name=name, title=title, x="epoch", y="training loss", lines=tuple(line for line in lines if line.x))
        for name, (title, lines) in groups.items()
        if any(line.x for line in lines)
    ]


def _line(name: str, rows: Sequence[dict[str, Any]]) -> Line:
    kept = [row for row in rows if row.get("loss") is not None]
    return Line(name=name, x=[row["epoch"] for row in kept], y=[row["loss"] for row in kept])


def _continued(before: Line, line: Line) -> Line:
    """Return ``line`` with its epochs counted on from the end of ``before``."""
    if not before.x or not line.x:
        return line
    return Line(name=line.name, x=[before.x[-1], *(before.x[-1] + x for x in line.x)], y=[before.y[-1], *line.y])


_SHARED = {"supernet": "supernet", "sgld": "SGLD"}
_LISTED = 20
"""Found architectures that the result lists, best first; the evaluation cache holds all."""


def scaled_config(config: SearchConfig, factor: float) -> SearchConfig:
    """Return the configuration with its schedule scaled."""
    strategy: Any = config.strategy.config
    part = type(config.strategy)(config.strategy.kind, strategy.scaled(factor), config.strategy.cls)
    retraining = None if config.retraining is None else config.retraining.scaled(factor)
    return config.replace(strategy=part, retraining=retraining)


@dataclass(frozen=True)
class _Rates:
    """A forecast whose phases are scaled without measuring again."""

    run: SearchRun
    measured: dict[str, float]

    @classmethod
    def of(cls, run: SearchRun) -> _Rates:
        """Measure once; a phase's seconds are divided by its share of the schedule."""
        return cls(run, {phase.name: phase.seconds / _amount(run.config, phase.name) for phase in run.forecast()})

    def total(self, factor: float) -> float:
        """Return the seconds of the whole at a factor."""
        config = scaled_config(self.run.config, factor)
        return sum(seconds * _amount(config, name) for name, seconds in self.measured.items())


def _amount(config: SearchConfig, phase: str) -> float:
    """Return what a phase's time is proportional to; a phase that does not scale counts once."""
    strategy: Any = config.strategy.config
    supernet: Any = getattr(strategy, "supernet", None)
    samples = getattr(getattr(strategy, "weight_sampling", None), "samples", 1)
    way = strategy.oracle.says("way", "") if hasattr(strategy, "oracle") else ""
    amounts: dict[str, Callable[[], float]] = {
        "supernet": lambda: supernet.recipe.epochs,
        "weight sampling": lambda: max(samples - 1, 1e-9),
        "search": lambda: strategy.asker.says("evaluations", 1) * (samples if way == "score" else 1),
        "retraining": lambda: config.retraining.recipe.epochs if config.retraining else 1,
    }
    return float(amounts[phase]()) if phase in amounts else 1.0


def _forecast(finish: Finish) -> Forecast:
    """Time a step of networks of the cost of each budget, as often as such networks will be trained."""
    context, config = finish.context, finish.config
    # Costs that are no sums may take their time.
    size = _FEW if additive(context.costs[finish.cost]) is None else _POOL
    pool = np.concatenate([context.space.sample(size, 0), context.space.sample(size, Streams(0).numpy("pool"))])
    cost = context.costs[finish.cost](pool)
    high = cost_range(context.costs, finish.cost)[1]
    batches, seconds, winners = finish.batches(0), 0.0, []
    for budget in finish.budgets:
        row = pool[np.abs(cost - min(budget, high)).argmin()]
        winners.append(Candidate(name="probe", role="winner", space=context.space, budget=budget, row=row))
        alike = (1 + config.random + config.at_bound) * config.repeats
        seconds += _step(finish, context.space.final(), row, batches) * alike
    if config.off_the_shelf:
        seconds += sum(
            _step(finish, shelf.space, shelf.row, batches) for shelf in pick_off_the_shelf(context.space, winners)
        )
    return Forecast((Phase("retraining", seconds * batches.steps_per_epoch * config.recipe.epochs),))


def _step(finish: Finish, space: Space, row: Any, batches: Any) -> float:
    recipe, device = finish.config.recipe, finish.context.device
    network = build(lambda: space.network(row), Streams(0), device)
    task = NetworkTask(network, recipe, make_optimizer(network, recipe), None, Loss(), Streams(0))
    return step_seconds(task, {TRAIN: batches}, _STEPS, wait=waiting_for(device))


def told_size(space: Space) -> str:
    """Write the number of architectures of a space for people."""
    count = space.architectures
    if count is None:
        return "uncounted architectures"
    return f"{count:,} architectures" if count < 10**7 else f"{count:.3g} architectures"
