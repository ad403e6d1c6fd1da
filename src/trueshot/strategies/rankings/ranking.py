"""Ranking architectures by evaluators, and comparing the ranking with the truth.

Each supernet is trained and scores all architectures in a job of its own; their scores are averaged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int64, UInt8

from trueshot.core.cache import EvaluationCache
from trueshot.core.config import Part
from trueshot.core.files import read_json, replacing
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.core.results import Result
from trueshot.core.run import RunDirectory
from trueshot.evaluation.config import SupernetScoreConfig
from trueshot.evaluation.fusion_config import (
    TWINS,
    FusedConfig,
    ZeroCostScoreConfig,
    averages_twins,
    parts_of,
    supernet_parts,
)
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.timing import median_seconds
from trueshot.evaluation.wrappers import Cached
from trueshot.spaces.canonical.classes import every, lists_twins, positions
from trueshot.strategies.checks import check_sampler
from trueshot.strategies.fusing import Columns, fused_columns, reference
from trueshot.strategies.rankings.config import RankingConfig
from trueshot.strategies.rankings.jobs import train_all
from trueshot.strategies.rankings.proxies import proxy_seconds, score_baselines
from trueshot.strategies.rankings.result import assemble
from trueshot.strategies.rankings.top import short_seconds, shortened
from trueshot.strategies.rankings.truth import Truth
from trueshot.strategies.scoring import CHUNK, Scores
from trueshot.strategies.setup import Context, threads
from trueshot.strategies.supernet import SharedWeights
from trueshot.strategies.trained import TrainedSupernet
from trueshot.strategies.trials import try_oracle, try_weights

_SCORES = 40
"""Architectures scored for a forecast."""

PLAIN = Part("supernet", SupernetScoreConfig())
"""The evaluator of a ranking that names none."""


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
        found: dict[str, Part] = {}
        for part in asked:
            for inner in supernet_parts(part, self.config.fusion, self.context.space):
                found.setdefault(inner.kind, inner)
        return tuple(found.values())

    @property
    def supernets(self) -> int:
        """How many supernets are trained: none where no evaluator uses one."""
        return self.config.ranking.supernets if self.shared else 0

    @cached_property
    def fused(self) -> tuple[Part, ...]:
        """The evaluators that add up scores of a supernet and others."""
        return tuple(part for part in self.evaluators if part.says("trained", False))

    @property
    def _alone(self) -> list[Part]:
        """The evaluators that use neither a supernet nor zero-cost proxies."""
        kinds = (FusedConfig, ZeroCostScoreConfig)
        return [part for part in self.evaluators if part not in self.shared and not isinstance(part.config, kinds)]

    @property
    def _zero_cost(self) -> list[Part]:
        """The evaluators that use zero-cost proxies alone, which are computed beside the supernets."""
        others = [part for part in self.evaluators if part not in self.fused and part not in self.shared]
        return [part for part in others if part not in self._alone]

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
        if not self.shared:
            return ()
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
        for part in self._alone:
            part.build(self.context)
        weights = self.weights(0) if self.shared else None
        if weights is not None:
            check_sampler(weights.sampler(), self.context.space)
            weights.make()
            weights.check()
            try_weights(weights)
        for part in self.evaluators:
            for inner in parts_of(part, self.config.fusion, self.context.space):
                try_oracle(inner, self.context, weights, self.config.evaluation)

    def run(self, *, observer: Observer = SILENT) -> Result:
        """Train the supernets, score, compare; or finish what an earlier attempt left.

        Returns:
            The content of ``result.json``; ``scores.parquet`` beside it holds all scores.
        """
        run = self.context.run
        if run.result.exists():
            return Result.read(run.result)
        # What no supernet is needed for comes first: its errors cost no training.
        others = {part.kind: self._scored_once(part) for part in self._alone}
        train_all(self, observer)
        baselines = score_baselines(self)
        others |= {part.kind: self._scored_once(part) for part in self._zero_cost}
        observer.say(
            f"criteria of {len(self.evaluators) + len(baselines)} rankings,"
            f" {self.config.ranking.bootstrap} resamples each"
        )
        supernets = [pd.read_parquet(self.scores_file(index)) for index in range(self.supernets)]
        found = [read_json(self.record(index)) for index in range(self.supernets)]
        fusions = self._fusions(supernets, found)
        head, table = assemble(self, supernets, found, baselines, others, fusions)
        head["short"] = shortened(self, table[self.evaluators[0].kind].to_numpy())
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

    def record(self, index: int) -> Path:
        """Return where what a supernet's job found is kept, but for the scores."""
        return self.weights(index).context.run.path / "record.json"

    def _scored_once(self, part: Part) -> tuple[Scores, float]:
        """Score by an evaluator that uses no supernet; return scores and seconds."""
        start = time.monotonic()
        self.context.observer.say(f"{part.kind}: scores of {len(self.truth.archs):,} architectures")
        with EvaluationCache(self.context.run.evaluations) as cache:
            scored = Cached(part.bare().build(self.context), cache, chunk=CHUNK)
            evaluator: Evaluator = part.wrap(self.context, scored)
            return evaluator(self.truth.archs), time.monotonic() - start

    def forecast_seconds(self) -> float:
        """Return the expected seconds of all supernets' training and scores, of zero-cost proxies and short trainings.

        The criteria come on top, SGLD samples and fine-tuning too.
        """
        with threads(self.config.threads):
            proxies = proxy_seconds(self)
            short = short_seconds(self)
        most = self.context.executor.workers or max(1, self.supernets)
        if not self.shared:
            return (proxies + short) / most
        weights, recipe = self.weights(0), self.config.supernet.recipe
        with threads(self.config.threads):
            supernet, batches = weights.make(), weights.batches()
            step = weights.step_seconds(supernet, batches)
            # Neighbours in the order of the architectures, for that is how they are scored.
            archs = self.truth.archs
            few = archs[np.lexsort(archs.T[::-1])][:: max(1, len(archs) // _SCORES)][:_SCORES]
            trained = TrainedSupernet(weights=weights, supernet=supernet, snapshots=(), config=self.config.evaluation)
            one_shot = trained.one_shot()
            score = median_seconds(lambda _: one_shot(few), 1, warm_up=0) / len(few)
        each = recipe.epochs * batches.steps_per_epoch * step + self.scores_each * score
        workers = min(most, self.supernets)
        return max(each * -(-self.supernets // workers), (each * self.supernets + proxies) / most) + short / most
