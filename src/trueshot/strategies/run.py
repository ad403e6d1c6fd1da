"""A whole search: a strategy finds, the finish trains and tests, and the result is written."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trueshot.core.errors import BudgetError, ConfigError
from trueshot.core.executor import InProcess
from trueshot.core.files import read_json, write_json
from trueshot.core.records import NetworkRecord
from trueshot.core.results import CostAxis, Front, Line, Networks, Result, Section, Series, Text
from trueshot.core.run import RunDirectory, read_log
from trueshot.core.units import format_duration
from trueshot.search.extremes import cost_range
from trueshot.spaces import Space
from trueshot.spaces.description import describe
from trueshot.strategies.checks import check_head, checked_found
from trueshot.strategies.config import SearchConfig
from trueshot.strategies.finish.finish import Finish, Finished
from trueshot.strategies.forecast import Rates
from trueshot.strategies.protocol import Forecast, Found, Strategy
from trueshot.strategies.search import Clock
from trueshot.strategies.setup import Context, environment
from trueshot.strategies.short import PHASE, reordered
from trueshot.strategies.supernet import borrowed_snapshots
from trueshot.strategies.teacher import PHASE as TEACHER
from trueshot.strategies.teacher import load_teacher
from trueshot.training.data.dataset import IMBALANCE, Dataset, imbalance


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
        if self.context.teacher is not None:
            self._check_taught()
            self.context.teacher.check(self.context)
        self.strategy.check()
        self._check_workers()
        if self.context.dataset is not None:
            check_head(self.context.space)
        if self.finish is None:
            if self.config.short.architectures:
                told = "give --data" if self.context.dataset is None else "set retraining.recipe, or choose a preset"
                raise ConfigError(f"--short-trainings trains networks as the retraining does: {told}")
            return
        if not self.finish.budgets:
            raise BudgetError(
                f"none of the shares budget.fractions = {list(self.config.budget.fractions)} allows even the cheapest"
                f" architecture of {self.context.space.name}: choose larger ones"
            )
        load_teacher(self.context, self.finish.config.distillation)
        pretrained = self.finish.network.pretrained
        if pretrained is not None:
            space = pretrained.space(self.context.images)
            pretrained.load_into(space.network(space.parse("")))

    def _check_taught(self) -> None:
        """Refuse a teacher from which nothing learns, or not all.

        Raises:
            ConfigError: naming what does not.
        """
        strategy = self.config.strategy
        if strategy.cls is not None and not strategy.says("learns_from_teacher", False):
            raise ConfigError(
                f"strategy {strategy.kind} does not say that what it trains learns from a teacher: leave --teacher out,"
                " or set learns_from_teacher = True in its class where it trains by train_shared or context.loss()"
            )
        oracle = getattr(strategy.config, "oracle", None)
        if self.finish is None and (oracle is None or not oracle.says("needs_supernet", False)):
            raise ConfigError("nothing is trained that could learn from a teacher: leave --teacher out")

    def _check_workers(self) -> None:
        """Refuse workers that would have nothing to do.

        Raises:
            ConfigError: when neither the oracle nor short trainings are jobs, nor what a user's own strategy does.
        """
        strategy = self.config.strategy
        oracle = getattr(strategy.config, "oracle", None)
        if isinstance(self.context.executor, InProcess) or self.config.short.architectures:
            return
        if oracle is None and not strategy.says("side_by_side", False):
            raise ConfigError(
                f"strategy {strategy.kind} works in this process: leave out --workers and --executor, or set"
                " side_by_side = True in its class where it hands jobs to context.executor"
            )
        if oracle is not None and not oracle.says("side_by_side", True):
            raise ConfigError(
                f"oracle {oracle.kind} scores in this process: leave out --workers and --executor, which serve train"
                " and --short-trainings"
            )

    def forecast(self) -> Forecast:
        """Return what the phases are expected to take."""
        return Rates.of(self).forecast(self.config)

    @property
    def budgets(self) -> tuple[float, ...]:
        """The budgets under each of which a winner is picked; none where nothing is trained."""
        return () if self.finish is None else self.finish.budgets

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
        if context.teacher is not None:
            lines.append(f"teacher of all networks that are trained: {context.teacher.describe(context.images)}")
        announce = getattr(self.strategy, "announce", list)
        return [*lines, *announce(), f"run: {context.run.path}"]

    def run(self) -> Result:
        """Run to the end, or what an earlier attempt left of it, and return what ``result.json`` holds."""
        run = self.context.run
        self._set_earlier_test_aside()
        if run.result.exists():
            return Result.read(run.result)
        clock = Clock(run.path / "log" / "timings.json")
        if self.context.teacher is not None:
            start = time.monotonic()
            self.context.teacher.fit(self.context)
            clock.add(TEACHER, start)
        found = checked_found(self.strategy.run(), self.config.strategy.kind, self.context)
        if self.config.strategy.own:
            # What cannot be written is told before anything is trained.
            self._check_sections(found)
            self._result(found, None, clock.read())
        finished = None
        if self.finish is not None and self.config.short.architectures:
            start, context = time.monotonic(), self.context.replace(retraining=self.config.retraining)
            found = reordered(found, self.config.short, context, self.finish.budgets, self.finish.cost)
            clock.add(PHASE, start)
        if self.finish is not None:
            start = time.monotonic()
            finished = self.finish.run(found)
            clock.add("retrain", start)
        self._result(found, finished, clock.read()).write(run.result)
        return Result.read(run.result)

    def _check_sections(self, found: Found) -> None:
        """Refuse sections of a strategy that are called alike, or as one of this package's.

        Raises:
            ConfigError: naming the section.
        """
        names = [section.name for section in found.more]
        for name in names:
            if name in _SECTIONS or names.count(name) > 1:
                raise ConfigError(
                    f"strategy {self.config.strategy.kind} adds a section '{name}', and there is one already: choose"
                    " another name"
                )

    def _set_earlier_test_aside(self) -> None:
        """Where the test images have been changed since they were read, keep what came of them beside what will."""
        run, dataset = self.context.run, self.context.dataset
        if dataset is None:
            return
        path = run.log("test-images").with_suffix(".json")
        if path.exists() and read_json(path)["digest"] != dataset.test_digest:
            read = [one for one in (run.path / "log" / "test.json", run.result, run.report) if one.exists()]
            number = 1 + len(list(run.path.glob("log/test-[0-9]*.json")))
            for one in read:
                one.rename(one.with_stem(f"{one.stem}-{number}"))
            told = f"; what came of them stays beside the new result, as result-{number}.json" if read else ""
            self.context.observer.say(f"note: the test images have changed since this run was begun{told}")
        write_json(path, {"digest": dataset.test_digest})

    def _result(self, found: Found, finished: Finished | None, timings: dict[str, float]) -> Result:
        context, costs = self.context, self.context.costs
        records = [] if finished is None else finished.records
        cost = costs[self.strategy.cost]
        axis = CostAxis(cost.name, cost.title, cost.unit)
        budgets = () if self.finish is None else self.finish.budgets
        before = {
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
        }
        teacher = context.teacher
        if teacher is not None:
            before[TEACHER] = {**teacher.identity, "told": teacher.describe(context.images)}
        after = {
            "found": [self._told(found, position) for position in found.best_first[:_LISTED].tolist()],
            "timings": {**timings, "total": sum(timings.values())},
            "environment": environment(context.device),
        }
        if taken := sorted((before.keys() | after.keys()) & found.values.keys()):
            raise ConfigError(
                f"strategy {self.config.strategy.kind} found a value '{taken[0]}', which every result has: choose"
                " another name"
            )
        head = {**before, **found.values, **after}
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
            sections += finished.mistakes
        schedule = self._schedule(finished)
        if schedule:
            sections.append(Text(name="schedule", title="How long it trained", rows=schedule))
        taught = () if teacher is None else (("Teacher", teacher.describe(context.images)),)
        if rows := (*found.told, *taught):
            sections.append(Text(name="how", title="How it searched", rows=rows))
        sections += [*found.more, *_logs(context.run, records)]
        return Result(command="search", head=head, sections=tuple(sections))

    def _schedule(self, finished: Finished | None) -> tuple[tuple[str, str], ...]:
        """Return what there is to say on the time, asked and used, and on the length of the trainings."""
        rows = () if finished is None else finished.told
        deadline = self.context.deadline
        if deadline is None:
            return rows
        asked = ("Time asked for", format_duration(deadline.seconds))
        used = ("Time used before the export", format_duration(deadline.used))
        return (asked, used, *((("Left out for it", ", ".join(deadline.cut)),) if deadline.cut else ()), *rows)

    def _told(self, found: Found, position: int) -> dict[str, Any]:
        """Return one found architecture as JSON values."""
        row = found.archs[position]
        return {
            "arch": self.context.space.format(row),
            "score": float(found.scores[position]),
            "costs": {name: values[0].item() for name, values in self.context.costs(row[None]).items()},
        }


def _dataset(dataset: Dataset, *, tested: bool) -> dict[str, Any]:
    # Before the test nobody looks at its classes.
    counts = dataset.test_counts if tested else None
    return {
        "name": dataset.name,
        "classes": list(dataset.classes),
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "test": dataset.test_size,
        "image_size": dataset.image_size,
        "channels": dataset.channels,
        "notes": [*dataset.notes, *(dataset.test.skipped if tested else ())],
        "imbalanced": dataset.imbalanced or (counts is not None and imbalance(counts) >= IMBALANCE),
        "test_counts": None if counts is None else counts.tolist(),
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


_SECTIONS = (
    *("networks", "search", "confusion", "mistakes", "schedule", "how"),
    *("short", "supernet", "retraining"),
)
"""Names of the sections that a result may have of itself."""

_SHARED = {"supernet": "supernet", "sgld": "SGLD"}
_LISTED = 20
"""Found architectures that the result lists, best first; the evaluation cache holds all."""


def told_size(space: Space) -> str:
    """Write the number of architectures of a space for people."""
    count = space.architectures
    if count is None:
        return "uncounted architectures"
    return f"{count:,} architectures" if count < 10**7 else f"{count:.3g} architectures"
