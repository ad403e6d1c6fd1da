"""Ranking architectures by evaluators, and comparing the ranking with the truth.

Each supernet is trained and scores all architectures in a job of its own; their scores are averaged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64, UInt8

from trueshot.core.cache import EvaluationCache, Scored
from trueshot.core.config import Part
from trueshot.core.errors import ConfigError, DataError
from trueshot.core.executor import Handed, Job, Tell, raise_failures
from trueshot.core.files import read_json, replacing, write_json
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.core.results import Result
from trueshot.core.run import RunDirectory
from trueshot.evaluation.config import SupernetScoreConfig
from trueshot.evaluation.expectation import single_checkpoint
from trueshot.evaluation.fusion_config import TWINS, FusedConfig, averages_twins, parts_of, supernet_parts
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.proxies.names import COSTS, LIVE, PROXIES
from trueshot.evaluation.sweep import planned
from trueshot.evaluation.timing import median_seconds, step_seconds, waiting_for
from trueshot.evaluation.truth import TruthTable, rows_of
from trueshot.evaluation.wrappers import Cached
from trueshot.sharing import Supernet
from trueshot.spaces import Space
from trueshot.spaces.canonical.classes import every, lists_twins, positions
from trueshot.spaces.steps import Stepwise
from trueshot.strategies.checks import check_sampler
from trueshot.strategies.fusing import Columns, fused_columns, reference, zero_cost
from trueshot.strategies.rank_config import RankingConfig, RankingOptions
from trueshot.strategies.ranking_proxies import few, keep_batch, needed, proxy_batches, proxy_seconds, score_batch
from trueshot.strategies.ranking_result import assemble
from trueshot.strategies.setup import Context, threads
from trueshot.strategies.supernet import SharedWeights, TrainedSupernet
from trueshot.training.classification import Loss
from trueshot.training.optimizers import make_optimizer
from trueshot.training.supernet import SupernetTask
from trueshot.training.task import TRAIN

Scores = Float64[np.ndarray, " n"]

_CHUNK = 500
"""Architectures between two visits to the cache."""

_STEPS, _SCORES = 4, 40

_BATCH_UNITS = 400
"""Units of progress of a batch of zero-cost proxies."""

PLAIN = Part("supernet", SupernetScoreConfig())
"""The evaluator of a ranking that names none."""

_FREE = (*COSTS, *LIVE, *PROXIES)
"""Baselines that need no table."""


@dataclass(frozen=True)
class Truth:
    """The truth about the architectures to score.

    Attributes:
        archs: ``(n, decisions)``.
        values: of the column, ``(n,)``, higher is better.
        others: values of the columns among the baselines, ``(n,)`` each, NaN where there is none.
    """

    archs: UInt8[np.ndarray, "n decisions"]
    values: Float64[np.ndarray, " n"]
    others: dict[str, Float64[np.ndarray, " n"]]

    @classmethod
    def read(cls, path: Path, column: str, space: Space, options: RankingOptions, streams: Streams) -> Truth:
        """Read the column, draw the architectures where not all are scored, and find the baselines' columns.

        Raises:
            DataError: when file or column is absent, or an architecture is none of the space.
            ConfigError: when a baseline is neither a cost, nor a proxy, nor a column.
        """
        table = TruthTable.read(path)
        values = table.column(column)
        for name in options.baselines:
            if name not in (*_FREE, *table.columns):
                raise ConfigError(f"unknown baseline '{name}': choose {', '.join(_FREE)}, or a column of {path}")
        known = np.flatnonzero(~np.isnan(values))
        if len(known) < 10:
            raise DataError(f"{path} knows column {column} of {len(known)} architectures only: 10 are needed at least")
        wanted = options.architectures
        if wanted is not None and wanted < len(known):
            known = np.sort(streams.numpy("ranking/architectures").choice(known, wanted, replace=False))
        archs = rows_of([table.architectures[index] for index in known], space)
        others = {name: table.column(name)[known] for name in options.baselines if name not in _FREE}
        return cls(archs, values[known], others)


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """One ranking: its configuration and what goes with it."""

    config: RankingConfig
    context: Context
    truth: Truth

    @property
    def streams(self) -> Streams:
        """Source of all draws but those of the supernets."""
        return self.context.streams

    @cached_property
    def evaluators(self) -> tuple[Part, ...]:
        """The ways of scoring, the main one first."""
        # Of a part of the space the twins that nobody asked for would have to be scored too.
        whole = self.lists_twins and len(self.truth.archs) == self.context.space.architectures
        return self.config.ranking.evaluators or ((PLAIN, TWINS) if whole else (PLAIN,))

    @cached_property
    def shared(self) -> tuple[Part, ...]:
        """The scores that each supernet is asked for, those that are added up with others included."""
        asked = [part for part in self.evaluators if not isinstance(part.config, FusedConfig)]
        asked += [part for part in self.evaluators if isinstance(part.config, FusedConfig)]
        found = (inner for part in asked for inner in supernet_parts(part, self.config.fusion, self.context.space))
        return tuple({part.kind: part for part in found}.values())

    @cached_property
    def fused(self) -> tuple[Part, ...]:
        """The evaluators that add up scores of a supernet and others."""
        return tuple(part for part in self.evaluators if part.says("trained", False))

    @cached_property
    def in_fusion(self) -> frozenset[str]:
        """The names of the supernet's scores that are added up, whose ranks are counted among the reference."""
        found = (supernet_parts(part, self.config.fusion, self.context.space) for part in self.fused)
        return frozenset(part.kind for parts in found for part in parts)

    @cached_property
    def reference(self) -> UInt8[np.ndarray, "r decisions"]:
        """The architectures that ranks are counted among, where scores are added up; else none."""
        fuses = any(isinstance(part.config, FusedConfig) for part in self.evaluators)
        return reference(self.context, self.config.fusion.reference) if fuses else self.truth.archs[:0]

    @property
    def lists_twins(self) -> bool:
        """Whether the space has twins and is small enough for them to be listed."""
        return lists_twins(self.context.space)

    @property
    def marks(self) -> tuple[int, ...]:
        """Earlier epochs that are ranked too: equally spaced, without the last."""
        epochs, count = self.config.supernet.recipe.epochs, self.config.ranking.curve
        marks = {round(epochs * number / (count + 1)) for number in range(1, count + 1)}
        return tuple(sorted(marks - {0, epochs}))

    @property
    def curve_archs(self) -> Int64[np.ndarray, " k"]:
        """Positions of the architectures that are scored at the earlier epochs."""
        total, count = len(self.truth.archs), self.config.ranking.curve_architectures
        chosen = self.streams.numpy("ranking/curve").choice(total, min(total, count), replace=False)
        return np.sort(chosen).astype(np.int64)

    def asked(self, part: Part) -> UInt8[np.ndarray, "n decisions"]:
        """Return the architectures whose score by an evaluator is wanted: those of the truth, then of the reference."""
        archs = self.truth.archs
        if part.kind not in self.in_fusion:
            return archs
        known = {row.tobytes() for row in archs}
        more = [row for row in np.unique(self.reference, axis=0) if row.tobytes() not in known]
        return np.concatenate([archs, np.array(more, dtype=np.uint8).reshape(-1, archs.shape[1])])

    def to_score(self, part: Part) -> UInt8[np.ndarray, "n decisions"]:
        """Return the architectures to score on behalf of an evaluator, without those that another scores anyway."""
        archs, space = self.asked(part), self.context.space
        if not averages_twins(part):
            return archs
        assert space.architectures is not None
        asked = np.zeros(space.architectures, dtype=bool)
        asked[positions(space, archs)] = True
        rows = every(space)
        classes = positions(space, space.canonical(rows))
        wanted = np.isin(classes, classes[asked])
        for other in self.shared:
            if not averages_twins(other) and other.config == part.config:
                wanted[positions(space, self.asked(other))] = False
        return rows[wanted]

    @cached_property
    def scores_each(self) -> int:
        """How many scores of one architecture each a supernet computes."""
        return sum(len(self.to_score(part)) for part in self.shared) + len(self.marks) * len(self.curve_archs)

    def scores_file(self, index: int) -> Path:
        """Return where the scores of one supernet are kept, a column for each evaluator."""
        return self.weights(index).context.run.path / "scores.parquet"

    def weights(self, index: int) -> SharedWeights:
        """Return the training of one supernet; its directory lies inside that of the ranking."""
        own = self.context.replace(
            seed=self.config.seed_of(index), run=RunDirectory(self.context.run.path / "supernets" / str(index))
        )
        return SharedWeights(context=own, config=self.config.supernet, sampling=self.config.weight_sampling)

    def check(self) -> None:
        """Find what would stop the ranking only later.

        Raises:
            TrueshotError: naming it.
        """
        for part in self.evaluators:
            parts_of(part, self.config.fusion, self.context.space)
        if not self.shared:
            raise ConfigError("a ranking compares supernets: name at least one evaluator of a supernet")
        check_sampler(self.weights(0).sampler(), self.context.space)
        self.weights(0).make()
        self.weights(0).check()

    def run(self, *, observer: Observer = SILENT) -> Result:
        """Train the supernets, score, compare; or finish what an earlier attempt left.

        Returns:
            The content of ``result.json``; ``scores.parquet`` beside it holds all scores.
        """
        run = self.context.run
        if run.result.exists():
            return Result.read(run.result)
        count = self.config.ranking.supernets
        self._train_all(observer)
        baselines = score_baselines(self, observer)
        others = {
            part.kind: self._scored_once(part)
            for part in self.evaluators
            if part not in self.fused and part not in self.shared
        }
        observer.say(
            f"criteria of {len(self.evaluators) + len(baselines)} rankings,"
            f" {self.config.ranking.bootstrap} resamples each"
        )
        supernets = [pd.read_parquet(self.scores_file(index)) for index in range(count)]
        found = [read_json(self.record(index)) for index in range(count)]
        fusions = self._fusions(supernets, found)
        head, table = assemble(self, supernets, found, baselines, others, fusions)
        with replacing(run.path / "scores.parquet") as temporary:
            table.to_parquet(temporary, index=False)
        Result(command="rank", head=head).write(run.result)
        return Result.read(run.result)

    def _fusions(
        self, supernets: Sequence[pd.DataFrame], records: Sequence[dict[str, Any]]
    ) -> dict[str, list[Columns]]:
        """Return what evaluators add up, for each supernet, whose table and record are given the sums."""
        fusions: dict[str, list[Columns]] = {}
        for part in self.evaluators:
            if not isinstance(part.config, FusedConfig):
                continue
            pairs = zip(supernets, records, strict=True) if part in self.fused else [(pd.DataFrame(), {})]
            fusions[part.kind] = [fused_columns(self, part, scores, record) for scores, record in pairs]
            for scores, record, columns in zip(supernets, records, fusions[part.kind], strict=False):
                if part in self.fused:
                    scores[part.kind], record["score_seconds"][part.kind] = columns.fused(), columns.seconds
        return fusions

    def _train_all(self, observer: Observer) -> None:
        """Train every supernet that has not been and score by it, each a job; keep what they return.

        Raises:
            TrueshotError: that of a supernet which failed, after the others are done and kept.
        """
        count, each = self.config.ranking.supernets, _units(self)
        todo = [index for index in range(count) if not self.record(index).exists()]
        batches = proxy_batches(self)
        total, before = count * each + len(batches) * _BATCH_UNITS, (count - len(todo)) * each
        done = [0] * (len(todo) + len(batches))
        observer.begin("ranking", total, before, "unit")

        def progress(position: int, units_done: int) -> None:
            done[position] = units_done
            observer.advance("ranking", min(before + sum(done), total))

        def result(position: int, content: dict[str, Any]) -> None:
            if position < len(todo):
                self._keep(todo[position], content)
            else:
                keep_batch(self, content)
            progress(position, each if position < len(todo) else _BATCH_UNITS)

        # Decoded here once, so that workers find them in memory.
        _ = self.context.images.validation
        executor = self.context.executor
        share = 0.0 if self.context.device.type == "cpu" else executor.device_share
        jobs = [Job(index, f"supernet {index}", self.config.threads, share) for index in todo]
        # The long jobs first; what no supernet is needed for fills up the other workers.
        jobs += [Job(batch, "zero-cost proxies", self.config.threads, share) for batch in batches]
        # A worker needs neither the observer nor the executor, which cannot be sent.
        job = partial(_do, replace(self, context=self.context.alone()))
        with EvaluationCache(self.context.run.evaluations) as cache:

            def part(_: int, scored: Scored) -> None:
                cache.put(scored.digest, scored.archs, scored.scores, **scored.columns)

            failures = executor.run(job, jobs, on_progress=progress, on_result=result, on_part=part)
        raise_failures(failures, observer.say)
        observer.end("ranking")

    def record(self, index: int) -> Path:
        """Return where what a supernet's job found is kept, but for the scores."""
        return self.weights(index).context.run.path / "record.json"

    def _keep(self, index: int, content: dict[str, Any]) -> None:
        """Write what a job found, the scores first: with the record the supernet counts as done."""
        with replacing(self.scores_file(index)) as temporary:
            pd.DataFrame(content["scores"]).to_parquet(temporary, index=False)
        write_json(self.record(index), {key: value for key, value in content.items() if key != "scores"})

    def _scored_once(self, part: Part) -> tuple[Scores, float]:
        """Score by an evaluator that uses no supernet; return scores and seconds."""
        start = time.monotonic()
        with EvaluationCache(self.context.run.evaluations) as cache:
            evaluator = _wrapped(part, self.context, Cached(_inner(part).build(self.context), cache, chunk=_CHUNK))
            return evaluator(self.truth.archs), time.monotonic() - start

    def forecast_seconds(self) -> float:
        """Return the expected seconds of all supernets' training and scores, and of zero-cost proxies.

        The criteria come on top, SGLD samples and fine-tuning too.
        """
        weights, recipe = self.weights(0), self.config.supernet.recipe
        with threads(self.config.threads):
            supernet, batches = weights.make(), weights.batches()
            task = SupernetTask(
                supernet, weights.sampler(), make_optimizer(supernet, recipe), None, Loss(), recipe.clip, Streams(0)
            )
            step = step_seconds(task, {TRAIN: batches}, _STEPS, wait=waiting_for(self.context.device))
            # Neighbours in the order of the architectures, for that is how they are scored.
            archs = self.truth.archs
            few = archs[np.lexsort(archs.T[::-1])][:: max(1, len(archs) // _SCORES)][:_SCORES]
            trained = TrainedSupernet(weights=weights, supernet=supernet, snapshots=(), config=self.config.evaluation)
            one_shot = trained.one_shot()
            score = median_seconds(lambda _: one_shot(few), 1, warm_up=0) / len(few)
            proxies = proxy_seconds(self)
        each = recipe.epochs * batches.steps_per_epoch * step + self.scores_each * score
        supernets = self.config.ranking.supernets
        most = self.context.executor.workers or supernets
        workers = min(most, supernets)
        return max(each * -(-supernets // workers), (each * supernets + proxies) / most)


def _inner(part: Part) -> Part:
    """Return the evaluator without what is put around it."""
    return replace(part, wrappers=())


def _wrapped(part: Part, context: Context, evaluator: Evaluator) -> Evaluator:
    for wrapper in part.wrappers:
        evaluator = wrapper.build(context, evaluator)
    return evaluator


def _units(ranking: Ranking) -> int:
    """Return the progress units of one supernet: scores, and steps by how many scores they take as long as."""
    steps = ranking.config.supernet.recipe.epochs * ranking.weights(0).batches().steps_per_epoch
    return steps * _step_units(ranking) + ranking.scores_each


def _step_units(ranking: Ranking) -> int:
    """Return about how many scores take as long as an optimizer step, for the display of progress."""
    config, recipe = ranking.config.evaluation, ranking.config.supernet.recipe
    images = config.images or len(ranking.context.images.validation)
    if config.recalibration.needs_images:
        images += config.recalibration.batches * config.recalibration.batch_size
    # A step goes forth and back, which takes three times as long as forth; architectures scored together share work.
    return max(1, round(9 * ranking.weights(0).sampler().per_step * recipe.batch_size / images))


def _do(ranking: Ranking, value: Any, tell: Tell) -> dict[str, Any]:
    """Do one job: train a supernet, by its number, or score architectures by zero-cost proxies."""
    return train_and_score(ranking, value, tell) if isinstance(value, int) else score_batch(ranking, value)


def train_and_score(ranking: Ranking, index: int, tell: Tell) -> dict[str, Any]:
    """Train one supernet and score all architectures in every way, going on where an earlier attempt stopped.

    Scores are handed to the parent as they come, who keeps them in the evaluation cache of the ranking. What it holds
    already is not scored again.

    Returns:
        ``scores`` (a column for each evaluator), ``reference`` (for each that is added up with others), ``curve``
        (rows of ``epoch``, ``seconds`` of training and ``scores`` of the curve's architectures), ``train_seconds``,
        ``sampling_seconds``, ``score_seconds`` by evaluator, and ``history``.
    """
    weights = ranking.weights(index)
    supernet, batches = weights.make(), weights.batches()
    each = batches.steps_per_epoch * _step_units(ranking)
    median = weights.last_epochs() if any(part.says("way") == "median" for part in ranking.shared) else ()
    training = weights.train(
        supernet, batches, keep={*ranking.marks, *median}, on_epoch=lambda epoch: tell(epoch * each)
    )
    history = training.epochs
    start = time.monotonic()
    snapshots = weights.sample(supernet, batches)
    sampling = time.monotonic() - start
    trained = TrainedSupernet(
        weights=weights,
        supernet=supernet,
        snapshots=snapshots,
        checkpoints=tuple(training.files.values()),
        config=ranking.config.evaluation,
    )
    context = weights.context.replace(trained=trained)
    scorer = Scorer(supernet, tell, len(history) * each)
    columns, known, seconds = {}, {}, {}
    with EvaluationCache(ranking.context.run.evaluations, hand=lambda scored: tell(Handed(scored))) as cache:
        for part in sorted(ranking.shared, key=averages_twins):
            # Every score is kept as soon as it is there; what a mean is over is in the cache by then.
            evaluator = Cached(_inner(part).build(context), cache)
            began = time.monotonic()
            scorer.score(evaluator, ranking.to_score(part))
            # From the cache, all of them.
            whole = _wrapped(part, context, evaluator)
            columns[part.kind] = whole(ranking.truth.archs)
            if part.kind in ranking.in_fusion:
                known[part.kind] = whole(ranking.reference).tolist()
            seconds[part.kind] = time.monotonic() - began
        curve = []
        for epoch in ranking.marks:
            one_shot = trained.one_shot(ranking.shared[0].says("metric"))
            at_epoch = Cached(single_checkpoint(one_shot, training.files[epoch]), cache)
            values = scorer.score(at_epoch, ranking.truth.archs[ranking.curve_archs])
            curve.append({"epoch": epoch, "seconds": history[epoch - 1]["seconds"], "scores": values.tolist()})
    return {
        "scores": columns,
        "reference": known,
        "curve": curve,
        "train_seconds": history[-1]["seconds"],
        "sampling_seconds": sampling,
        "score_seconds": seconds,
        "history": history,
    }


@dataclass
class Scorer:
    """Scores in an order in which neighbours share work, and tells how far it is."""

    supernet: Supernet
    tell: Tell
    done: int = field(default=0)

    def score(self, evaluator: Evaluator, archs: UInt8[np.ndarray, "n decisions"]) -> Scores:
        """Return the scores; architectures that share work are scored one after another."""
        scores = np.empty(len(archs), dtype=np.float64)
        if not len(archs):
            return scores
        for part in np.array_split(self._order(archs), -(-len(archs) // _CHUNK)):
            scores[part] = evaluator(archs[part])
            self.done += len(part)
            self.tell(self.done)
        return scores

    def _order(self, archs: UInt8[np.ndarray, "n decisions"]) -> Int64[np.ndarray, " n"]:
        if not isinstance(self.supernet.body, Stepwise):
            return np.arange(len(archs))
        _, found = planned(self.supernet, [tuple(row) for row in archs.tolist()])
        return np.concatenate([np.array(where, dtype=np.int64) for where in found.values()])


Baseline = tuple[Int64[np.ndarray, " k"], Scores, float]
"""Positions of the architectures that were scored, their scores, and seconds."""


def score_baselines(ranking: Ranking, observer: Observer) -> dict[str, Baseline]:
    """Return the scores of what costs little or nothing, by name."""
    archs, context = ranking.truth.archs, ranking.context
    found: dict[str, Baseline] = {}
    for name in ranking.config.ranking.baselines:
        start = time.monotonic()
        if name in _FREE:
            # What evaluators need is there for all.
            there = few(ranking) if name in needed(ranking)[1] else np.arange(len(archs))
            found[name] = there, zero_cost(context, name)(archs[there]), time.monotonic() - start
        else:
            there = np.flatnonzero(~np.isnan(ranking.truth.others[name]))
            found[name] = there, ranking.truth.others[name][there], 0.0
    return found
