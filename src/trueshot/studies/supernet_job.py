"""Training one supernet of the bank and scoring architectures by it, as a worker does it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from trueshot.core.cache import EvaluationCache
from trueshot.core.executor import Tell
from trueshot.core.fingerprint import fingerprint
from trueshot.core.run import RunDirectory
from trueshot.evaluation.expectation import single_checkpoint
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.wrappers import Cached
from trueshot.strategies.config import WeightSamplingConfig
from trueshot.strategies.scoring import Scorer
from trueshot.strategies.setup import Context
from trueshot.strategies.supernet import SharedWeights
from trueshot.strategies.trained import TrainedSupernet
from trueshot.studies.bank import Entry
from trueshot.studies.setting import Extent, Kind, ScoreConfig
from trueshot.training.snapshots import load_snapshot

Rows = UInt8[np.ndarray, "n decisions"]

_ENOUGH = 50
"""Scores from which on their rate is worth remembering."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """One score of each of some architectures by a supernet.

    Attributes:
        name: for the analysis: that of the way, with ``@EPOCH`` where there are several epochs.
        config: the way.
        epoch: complete epochs after which it scores, ``None`` for the end.
        archs: what is scored.
    """

    name: str
    config: ScoreConfig
    epoch: int | None
    archs: Rows

    def key(self, kind: Kind) -> str:
        """Return the fingerprint of the scores of a supernet of a kind."""
        way = self.config.replace(last=0, shares=(), count=None).plain()
        return fingerprint("scores 1", way, self.epoch, kind.evaluation.plain(), self.archs.tolist())[:16]


def columns(extent: Extent, kind: Kind, archs: Rows) -> Iterator[Column]:
    """Yield all scores that are asked of a supernet."""
    for name, config in extent.scores.items():
        rows, epochs = archs[: config.count], config.epochs(kind.supernet.recipe.epochs)
        for epoch in epochs:
            yield Column(name=f"{name}@{epoch}", config=config, epoch=epoch, archs=rows)
        if not epochs:
            yield Column(name=name, config=config, epoch=None, archs=rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class SupernetJob:
    """Training and scoring of one supernet, as a worker does it.

    Attributes:
        context: of its run directory.
        kind: what it is.
        keep: epochs whose weights are kept.
        columns: scores to compute.
    """

    context: Context
    kind: Kind
    keep: tuple[int, ...]
    columns: tuple[Column, ...]

    @property
    def units(self) -> int:
        """Progress units: steps and scores."""
        steps = self.kind.supernet.recipe.epochs * self.kind.steps
        return steps + sum(len(column.archs) for column in self.columns)

    @property
    def entry(self) -> Entry:
        """Its place in the bank."""
        return Entry(self.context.run.path)

    def weights(self, sampling: WeightSamplingConfig | None = None) -> SharedWeights:
        """Return its training; each way of sampling the weights has a directory of its own."""
        context, config = self.context, sampling or WeightSamplingConfig(samples=1)
        if config.samples > 1:
            run = RunDirectory(context.run.path / f"samples-{fingerprint(config.plain())[:16]}")
            context = context.replace(run=run)
        return SharedWeights(context=context, config=self.kind.supernet, sampling=config)

    def run(self, tell: Tell) -> dict[str, Any]:
        """Train, going on from a checkpoint, and score; return scores, seconds, rates and the head of the record."""
        entry, weights = self.entry, self.weights()
        supernet, batches = weights.make(), weights.batches()
        began, trained_here, each = time.process_time(), list[int](), batches.steps_per_epoch

        def on_epoch(epoch: int) -> None:
            trained_here.append(epoch)
            tell(epoch * each)

        training = weights.train(supernet, batches, keep=self.keep, on_epoch=on_epoch)
        if not all(file.exists() for file in training.files.values()):
            # Trained before anybody asked for these epochs: the same training again keeps them.
            shutil.rmtree(entry.run.checkpoint("supernet").parent)
            entry.run.log("supernet").unlink(missing_ok=True)
            supernet = weights.make()
            training = weights.train(supernet, batches, keep=self.keep, on_epoch=on_epoch)
        rates = {}
        if len(trained_here) > 1:
            rates["step"] = (time.process_time() - began) / (len(trained_here) * each)
        weights.sample(supernet, batches)
        seconds, found = {"training": float(training.epochs[-1]["seconds"])}, {}
        scorer = Scorer(supernet, tell, len(training.epochs) * each)
        with EvaluationCache(entry.run.evaluations) as cache:
            for column in self.columns:
                key, start, on_core = column.key(self.kind), time.monotonic(), time.process_time()
                evaluator = Cached(self._evaluator(column, supernet, training.files), cache)
                ready = time.process_time()
                found[key] = scorer.score(evaluator, column.archs)
                seconds[key] = time.monotonic() - start
                if column.config.way == "single" and len(column.archs) >= _ENOUGH and ready - on_core < 1.0:
                    rates["score"] = (time.process_time() - ready) / len(column.archs)
        head = {
            "seed": self.context.seed,
            "label": self.kind.label,
            "epochs": list(self.keep),
            "history": training.epochs,
        }
        on_cpu = rates if self.context.device.type == "cpu" else {}
        return {"scores": found, "seconds": seconds, "rates": on_cpu, "head": head}

    def _evaluator(self, column: Column, supernet: Any, files: Mapping[int, Path]) -> Evaluator:
        config, evaluation = column.config, self.kind.evaluation
        if config.recalibration is not None:
            evaluation = evaluation.replace(recalibration=config.recalibration)
        own = self.weights(config.weight_sampling)
        final = self.entry.run.checkpoint("snapshot-00")
        snapshots: Sequence[Path] = (final,)
        if config.weight_sampling.samples > 1:
            # Sampling moves the weights; the supernet has the trained ones in place before and after.
            supernet.load_state_dict(load_snapshot(final))
            snapshots = own.sample(supernet, own.batches())
            supernet.load_state_dict(load_snapshot(final))
        trained = TrainedSupernet(weights=own, supernet=supernet, snapshots=snapshots, config=evaluation)
        if column.epoch is not None:
            return single_checkpoint(trained.one_shot(config.metric), files[column.epoch])
        return trained.evaluator(config.way, config.metric)


def do_job(jobs: Sequence[SupernetJob], position: int, tell: Tell) -> dict[str, Any]:
    """Do the job at a position, as an executor asks for it."""
    return jobs[position].run(tell)
