"""The strategies in which a proposer asks an oracle: one-shot search, random search, regularised evolution.

They differ in their configurations only: which proposer asks, and whether shared weights must be trained first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import final

import numpy as np
from jaxtyping import UInt8

from trueshot.core.cache import EvaluationCache
from trueshot.core.config import Part
from trueshot.core.errors import ConfigError
from trueshot.core.files import read_json, write_json
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.evaluation.fused import Fused
from trueshot.evaluation.fusion_config import FusedConfig, supernet_parts
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.timing import median_seconds
from trueshot.evaluation.wrappers import Cached
from trueshot.sampling import Sampler, Uniform, describe_sampler
from trueshot.sampling.config import AutoConfig
from trueshot.search.protocol import Proposer
from trueshot.strategies.asking import Asking, History, described
from trueshot.strategies.checks import check_costs, check_sampler
from trueshot.strategies.config import BudgetConfig, SearchedConfig
from trueshot.strategies.deadline import Deadline
from trueshot.strategies.fusing import reference, untrained
from trueshot.strategies.protocol import Forecast, Found, Phase
from trueshot.strategies.setup import Context
from trueshot.strategies.stages import asking_in_run
from trueshot.strategies.supernet import SharedWeights, borrowed_snapshots, load_weights
from trueshot.strategies.trained import TrainedSupernet, check_way, train_and_sample
from trueshot.strategies.trials import try_asker, try_oracle, try_weights
from trueshot.training.plan import Revise

_SCORED, _TIMED = 4, 3
_LONG = 2.0
"""Seconds of a score after which a forecast takes no second."""
_MOVED = 8
"""Architectures on which it is measured how far fine-tuning moves."""

_CHUNK = 8
"""Architectures between two signs of progress, where a call of the evaluator has no price of its own."""


def _seconds_of_a_score(evaluator: Evaluator, archs: UInt8[np.ndarray, "n decisions"]) -> float:
    """Time the scores of a few architectures, of one alone where it takes long."""
    first = median_seconds(lambda _: evaluator(archs[:1]), 1, warm_up=0)
    if first > _LONG:
        return first
    return median_seconds(lambda index: evaluator(archs[1 + index][None]), len(archs) - 1, warm_up=0)


@dataclass(frozen=True)
class Clock:
    """Seconds of each phase, those of earlier attempts included."""

    path: Path

    def add(self, phase: str, start: float) -> None:
        """Add the time since ``start``, a value of ``time.monotonic``."""
        timings = self.read()
        write_json(self.path, {**timings, phase: timings.get(phase, 0.0) + time.monotonic() - start})

    def read(self) -> dict[str, float]:
        """Return the seconds by phase."""
        if not self.path.exists():
            return {}
        return {key: value for key, value in read_json(self.path).items() if key != "version"}


@final
class Search:
    """A proposer that asks an oracle, made as ``Search(config, context)``."""

    def __init__(self, config: SearchedConfig, context: Context) -> None:
        self.config, self.context = config, context.replace(column=config.column, fusion=config.fusion)
        self.clock = Clock(context.run.path / "log" / "timings.json")

    @property
    def cost(self) -> str:
        """The cost under shares of whose bound winners are picked: bounded and minimised, else bounded, else any."""
        minimised, bounds = self.config.asker.says("minimise", ()), self.context.bounds
        both = [name for name in minimised if name in bounds]
        name: str = next(iter((*both, *bounds, *minimised, *self.context.costs.names)))
        return name

    @cached_property
    def sampler(self) -> Sampler:
        """The distribution of the first proposals: that of the supernet's training, where there is one."""
        if self._weights is not None:
            return self._weights.sampler()
        most = self.context.bounds.get("madds", (None, None))[1]
        if most is not None and self.context.space.droppable.any():
            sampler: Sampler = AutoConfig().build(self.context)
            return sampler
        return Uniform(self.context.space)

    def proposer(self) -> Proposer:
        """Return what asks.

        Raises:
            BudgetError: when no architecture meets the bounds, or the sampler's target cannot be met.
        """
        proposer: Proposer = self.config.asker.build(self.context.replace(sampler=self.sampler))
        return proposer

    def check(self) -> None:
        """Find what would stop the run only later.

        Raises:
            TrueshotError: naming it.
        """
        context = self.context
        self._check_options()
        if self.config.oracle.says("needs_images", True) and context.dataset is None:
            raise ConfigError(f"oracle {self.config.oracle.kind} needs images to score on: give --data")
        if (context.earlier is not None or context.start is not None) and self._weights is None:
            raise ConfigError(f"oracle {self.config.oracle.kind} uses no supernet: leave --supernet out")
        if context.earlier is not None:
            there = borrowed_snapshots(context, context.earlier)
            check_way(self._way, samples=len(there), checkpoints=0)
        check_costs(context.costs)
        context.bounds.check(context.costs)
        check_sampler(self.sampler, context.space)
        try_asker(self.config.asker, self.proposer(), context.space)
        supernet_parts(self.config.oracle, self.config.fusion, context.space)
        if self._weights is None:
            self.config.oracle.build(context)
        elif context.earlier is None:
            self._weights.check()
            try_weights(self._weights)
            samples = self.config.weight_sampling.samples
            check_way(self._way, samples=samples, checkpoints=len(self._weights.last_epochs()))
        for part in self._parts or (self.config.oracle,):
            try_oracle(part, context.replace(sampler=self.sampler), self._weights, self.config.evaluation)

    def _check_options(self) -> None:
        """Refuse options that would do nothing.

        Raises:
            ConfigError: naming them.
        """
        oracle = self.config.oracle
        if self.config.column is not None and not oracle.says("reads_column", True):
            raise ConfigError(f"oracle {oracle.kind} reads no table: leave --column out")

    def announce(self) -> list[str]:
        """Return lines that say what is about to happen."""
        oracle, total = self.config.oracle, self.config.asker.says("evaluations")
        count = "architectures" if total is None else f"{total:,} architectures"
        if self._weights is None:
            way = "each is trained from scratch" if oracle.says("trains_each", False) else f"{oracle.kind} scores them"
            return [f"search: {self.config.asker.kind} chooses {count}; {way}"]
        known, start = self.context.earlier, self.context.start
        lender = known or start
        whose = "a supernet" if lender is None else f"the supernet of {lender.path}"
        done = "taken" if known is not None else "trained" if start is None else "fine-tuned"
        begin = f"{whose}, one network that holds the weights of all of them, is {done}"
        lines = [] if start is None else [self._started(start)]
        more = "" if oracle.kind.partition(":")[0] == "supernet" else f", by {oracle.kind}"
        return [*lines, f"search: {begin}; it then scores {count}{more}, chosen by {self.config.asker.kind}"]

    def _started(self, start: RunDirectory) -> str:
        assert self.config.supernet is not None
        classes, epochs = self.context.space.classes, self.config.supernet.recipe.epochs
        told = f"{epochs} epoch{'' if epochs == 1 else 's'}"
        return (
            f"supernet: the shared weights of {start.path}, trained on {start.config['source']}, are kept, get a new"
            f" head for {classes} classes, and are fine-tuned for {told}"
        )

    def forecast(self) -> Forecast:
        """Return what the phases are expected to take, from a few steps on throw-away weights."""
        phases = []
        evaluator: Evaluator | None = None
        fine_tuning = 0.0
        parts = self._parts
        weights = self._weights
        archs = self.sampler.sample(_SCORED + 1, Streams(0).numpy("forecast"))
        total = self.config.asker.says("evaluations", 0)
        told = self.config.oracle.says("seconds")
        if told is not None:
            return Forecast((Phase("search", median(told(self.context, row) for row in archs[:_TIMED]) * total),))
        if weights is None:
            evaluator = self.config.oracle.build(self.context)
        else:
            supernet, batches = weights.make(), weights.batches()
            trained = TrainedSupernet(weights=weights, supernet=supernet, snapshots=(), config=self.config.evaluation)
            step = 0.0
            if self.context.earlier is None or self._way == "fine-tuned":
                step = weights.step_seconds(supernet, batches)
            if self.context.earlier is None:
                epoch = step * batches.steps_per_epoch
                phases = [
                    Phase("supernet", epoch * weights.config.recipe.epochs),
                    Phase("weight sampling", epoch * (self.config.weight_sampling.samples - 1)),
                ]
            fine_tuning = step * self.config.evaluation.fine_tune_steps if self._way == "fine-tuned" else 0.0
            evaluator = trained.one_shot()
        score = 0.0 if isinstance(evaluator, Fused) else _seconds_of_a_score(evaluator, archs)
        each = score * self._weights_per_score + fine_tuning
        if parts:
            each += sum(_seconds_of_a_score(part, archs) for part in untrained(self.context, parts))
            phases.append(Phase("reference", each * len(reference(self.context, self.config.fusion.reference))))
        return Forecast((*phases, Phase("search", each * total)))

    def run(self) -> Found:
        """Search, or finish what an earlier attempt left."""
        context = self.context
        trained = self.trained_supernet()
        context = context.replace(trained=trained, sampler=self.sampler)
        start = time.monotonic()
        evaluator: Evaluator = self.config.oracle.build(context)
        columns = described(context.space, context.costs)
        history = self._ask(evaluator)
        self.clock.add("search", start)
        oracle = self.config.oracle
        told = oracle.kind if trained is None else self._told(trained)
        return Found(
            archs=history.archs,
            scores=history.scores,
            evaluator=Cached(evaluator, EvaluationCache(context.run.evaluations, interval=0.0), describe=columns),
            scored_by=told,
            told=(
                ("Proposer", self.config.asker.kind),
                ("First proposals", describe_sampler(self.sampler)),
                *([] if context.start is None else [("Supernet", self._started(context.start).partition(": ")[2])]),
                ("Oracle", oracle.kind if told == oracle.kind else f"{oracle.kind}: {told}"),
                *self._provenance(trained, history),
            ),
            values={
                "search_own_seconds": history.own_seconds,
                **({"trains_each": True} if oracle.says("trains_each", False) else {}),
            },
            sampler=self.sampler,
        )

    def _provenance(self, trained: TrainedSupernet | None, history: History) -> list[tuple[str, str]]:
        """Return what the shared weights were trained with, and what their fine-tuning moved."""
        if trained is None:
            return []
        sampler, earlier = self.sampler, self.context.earlier
        if earlier is not None:
            # Its bounds may be others than those of this search, and with them what was sampled.
            stored = earlier.config["search"]
            budget = BudgetConfig.make(stored["budget"])
            # A cost of the user's own may be unknown here, and has no say in what was sampled.
            most = {name: value for name, value in budget.most.items() if name in self.context.costs.names}
            known = self.context.replace(bounds=budget.replace(most=most, least={}).bounds(self.context.costs))
            sampler = trained.weights.config.sampler.build(known)
        told = [("Supernet trained with", describe_sampler(sampler))]
        if self._way == "fine-tuned" and len(history) > 1:
            told.append(("Fine-tuning", trained.movement(history.archs[:_MOVED]).describe()))
        return told

    def _told(self, trained: TrainedSupernet) -> str:
        """Say in a line how architectures are scored, part by part."""
        used = supernet_parts(self.config.oracle, self.config.fusion, self.context.space)
        told = "; ".join(trained.describe(part.says("way", "auto"), part.says("metric")) for part in used)
        if not self._parts:
            return told
        count = len(reference(self.context.replace(sampler=self.sampler), self.config.fusion.reference))
        names = ", ".join(part.kind for part in self._parts)
        return f"sum over {names} of the logarithm of the rank among {count:,} architectures; {told}"

    def _ask(self, evaluator: Evaluator) -> History:
        """Ask and tell; a killed run goes through its log first, and then on."""
        observer, total = self.context.observer, self.config.asker.says("evaluations", 0)
        observer.begin("search", total, 0, "architecture")

        def report(history: History) -> None:
            observer.advance("search", min(total, len(history)))
            observer.record("search", len(history), {"best": float(history.scores.max())})

        batch = self.config.asker.says("population") or 45
        # Snapshots are read once for each call.
        chunk = batch if self._way == "score" else max(_CHUNK, self.context.executor.workers or batch)
        deadline = self.context.deadline
        with asking_in_run(self.context, self.proposer(), batch=batch, chunk=chunk) as asking:
            if deadline is None:
                history = asking.run(evaluator, report=report)
            else:
                history = self._ask_until(deadline, asking, evaluator, report)
        observer.end("search")
        return history

    def _ask_until(
        self, deadline: Deadline, asking: Asking, evaluator: Evaluator, report: Callable[[History], None]
    ) -> History:
        """Ask until the proposer has finished or the time for it is over, which is then written down."""
        # A training is long, a score by shared weights short.
        few = asking.batch if self._weights is not None else max(1, self.context.executor.workers or 1)
        history = asking.history
        while not asking.proposer.finished:
            stop = deadline.decided("search")
            if stop is None and len(history) and not asking.replaying and deadline.left("search") <= 0:
                now = len(history)
                stop = deadline.decide("search", lambda: {"evaluations": now})  # noqa: B023
                self.context.observer.say(f"the time for the search is over after {now} architectures")
            if stop is not None and len(history) >= stop["evaluations"]:
                break
            history = asking.run(evaluator, evaluations=few, report=report)
            deadline.mark()
        deadline.decide("search", lambda: {"evaluations": len(history)})
        return history

    def trained_supernet(self) -> TrainedSupernet | None:
        """Train and sample the shared weights, or take those of an earlier run; ``None`` where none are needed."""
        weights = self._weights
        if weights is None:
            return None
        context, supernet = self.context, weights.make()
        if context.earlier is None:
            kept = weights.last_epochs() if self._way == "median" else ()
            batches = weights.batches()
            trained, _ = train_and_sample(
                weights,
                supernet,
                batches,
                self.config.evaluation,
                keep=kept,
                on_phase=self.clock.add,
                revise=self._pacing(weights, batches.steps_per_epoch),
            )
            return trained
        snapshots = borrowed_snapshots(context, context.earlier)
        load_weights(supernet, snapshots[0])
        context.observer.say(f"no supernet is trained: that of {context.earlier.path} is searched")
        return TrainedSupernet(weights=weights, supernet=supernet, snapshots=snapshots, config=self.config.evaluation)

    def _pacing(self, weights: SharedWeights, steps_per_epoch: int) -> Revise | None:
        """Return what lets the supernet's training end in time; its length stays where single epochs matter."""
        deadline, config = self.context.deadline, weights.config
        if deadline is None or self._way == "median" or config.split_epoch is not None:
            return None
        steps = config.recipe.epochs * steps_per_epoch
        return deadline.pacing("supernet", least=max(1, steps // 2), most=2 * steps)

    @cached_property
    def _weights(self) -> SharedWeights | None:
        """The shared weights that the oracle needs, ``None`` where it needs none."""
        config = self.config
        if not config.oracle.says("needs_supernet", False):
            return None
        assert config.supernet is not None
        return SharedWeights(context=self.context, config=config.supernet, sampling=config.weight_sampling)

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        """What the oracle adds up; none where it is one score."""
        own = self.config.oracle.config
        if not isinstance(own, FusedConfig):
            return ()
        return own.fusion(self.config.fusion, self.context.space).parts

    @property
    def _way(self) -> str:
        used = supernet_parts(self.config.oracle, self.config.fusion, self.context.space)
        return str(next((part.says("way") for part in used), ""))

    @property
    def _weights_per_score(self) -> int:
        """At how many weights each architecture is scored."""
        return self.config.weight_sampling.samples if self._way == "score" else 1
