"""The ranking lab: supernets of NAS-Bench-201 under several conditions, what they say of architectures, and the truth.

Supernets and scores lie in one directory by what made them, so that studies of one folder share them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, UInt8

from trueshot.core.errors import DataError
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.criteria.bootstrap import Interval
from trueshot.evaluation.costs import CostScore
from trueshot.evaluation.one_shot import Metric
from trueshot.evaluation.recalibration import Recalibration
from trueshot.evaluation.wrappers import Reporting
from trueshot.evaluation.zero_cost import ZeroCost
from trueshot.spaces import NasBench201
from trueshot.spaces.canonical.classes import every
from trueshot.strategies.config import (
    BudgetConfig,
    RetrainConfig,
    SamplerConfig,
    SearchConfig,
    SupernetConfig,
)
from trueshot.strategies.scoring import make_one_shot
from trueshot.strategies.sharing import make_sharing
from trueshot.strategies.weights import make_sampler
from trueshot.studies.cost import scoring_seconds, supernet_seconds
from trueshot.studies.lab_setting import LAB_IMAGES, PLAIN, Condition, Setting
from trueshot.studies.lab_truth import SHORT, TRUTH, read_truth, truth_file
from trueshot.studies.result import Part, Row, Scale
from trueshot.studies.supernets import CHUNK, Trained, ask, tau, tau_interval, train_kept
from trueshot.studies.workspace import Workspace
from trueshot.training.data.batches import eval_batches

__all__ = [
    "LAB_IMAGES",
    "PLAIN",
    "TRUTH",
    "Condition",
    "Lab",
    "Setting",
    "Trained",
    "scoring_part",
    "space_size",
    "supernet_part",
    "tau",
    "tau_interval",
    "truth_file",
]

_PROXY_BATCH = 64
_RECENT = 4
"""Supernets kept in memory: more than there are repetitions, as each is asked for at several marks."""


@dataclass(frozen=True, kw_only=True)
class Lab:
    """The work of one of these studies."""

    work: Workspace
    setting: Setting
    _recent: dict[tuple[str, int], Trained] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        settings: Mapping[Scale, Setting],
        scale: Scale,
        *,
        out: Path,
        device: torch.device,
        observer: Observer = SILENT,
        seed: int = 0,
        data: str | None = None,
    ) -> Lab:
        """Load the images and fit the space to them.

        Raises:
            DataError: when the images or the truth are absent, before anything is trained.
        """
        setting = settings[scale]
        truth_file()
        images = setting.images.elsewhere(data)
        work = Workspace(out=out, scale=scale, images=images, device=device, seed=seed, observer=observer)
        shape: dict[str, Any] = work.shape
        space = dataclasses.replace(setting.space, **shape)
        return cls(work=work, setting=dataclasses.replace(setting, space=space))

    @property
    def streams(self) -> Streams:
        """Source of the draws that are the study's own."""
        return Streams(self.work.seed).child("lab")

    def space(self, condition: Condition = PLAIN) -> NasBench201:
        """Return the space of a condition."""
        return condition.space(self.setting.space)

    def archs(self, condition: Condition = PLAIN, *, count: int | None = None) -> UInt8[np.ndarray, "n 6"]:
        """Return the architectures that are scored, each once: random ones, or all of the space.

        They are the same for all conditions on one sub-space. Of two numbers, the smaller gives the first architectures
        of the larger.

        Args:
            condition: decides the sub-space.
            count: how many; the setting's number without it.
        """
        space = self.space(condition)
        rows = every(space)
        wanted = self.setting.archs if count is None else count
        if wanted is None or wanted >= len(rows):
            return rows
        return rows[self.streams.numpy(f"archs/{space.sub_space}").permutation(len(rows))[:wanted]]

    def truth(
        self, archs: UInt8[np.ndarray, "n 6"], column: str = TRUTH, *, condition: Condition = PLAIN
    ) -> Float64[np.ndarray, " n"]:
        """Return what the benchmark measured of each architecture, in percent.

        Args:
            archs: rows of the space of ``condition``.
            column: of the table of truth.
            condition: decides the sub-space.

        Raises:
            DataError: when the table is absent, has no such column or lacks an architecture.
        """
        space, table = self.space(condition), read_truth(truth_file(), column)
        try:
            return np.array([table[space.format(row)] for row in archs], dtype=np.float64)
        except KeyError as error:
            raise DataError(f"{truth_file()} has no {column} of {error}: give the complete table") from error

    def trained(self, condition: Condition = PLAIN, repeat: int = 0) -> Trained:
        """Train a supernet of a condition, or take it up; the last few are kept in memory."""
        setting, work, key = self.setting, self.work, (repr(condition), repeat)
        if key in self._recent:
            return self._recent[key]
        marks = setting.marks_of(condition)
        config = SearchConfig(
            seed=Streams(work.seed).key("lab/supernet", repeat),
            data=work.images.options,
            supernet=SupernetConfig(
                recipe=setting.recipe_of(condition),
                augmentation=work.images.augmentation,
                sampler=condition.sampler,
                sharing=condition.sharing,
            ),
            evaluation=setting.evaluation(),
            retraining=RetrainConfig(recipe=setting.recipe),
        )
        trained = train_kept(
            work, self.space(condition), config, name=condition.name, repeat=repeat, marks=marks, key=marks
        )
        while len(self._recent) >= _RECENT:
            del self._recent[next(iter(self._recent))]
        self._recent[key] = trained
        return trained

    def scores(
        self,
        trained: Trained,
        epoch: int,
        archs: UInt8[np.ndarray, "n 6"],
        *,
        metric: Metric | None = None,
        recalibration: Recalibration | None = None,
    ) -> Float64[np.ndarray, " n"]:
        """Return the one-shot score of each architecture, higher is better; none is computed twice.

        Args:
            trained: the supernet.
            epoch: one of its marks.
            archs: rows of its space.
            metric: ``accuracy`` in [0, 1] or ``loss``, the negated cross-entropy; the setting's own without it.
            recalibration: likewise.
        """
        config = self.setting.evaluation(metric=metric, recalibration=recalibration)
        one_shot = make_one_shot(trained.setup, trained.at(epoch), config)
        observer, phase, done = self.work.observer, "scoring", 0

        def report(more: int) -> None:
            nonlocal done
            done += more
            observer.advance(phase, done)

        observer.begin(phase, len(archs), 0, "architecture")
        scores = ask(trained.setup.run.evaluations, Reporting(one_shot, report), archs, chunk=CHUNK)
        observer.end(phase)
        return scores

    def interval(self, scores: Float64[np.ndarray, " n"], truth: Float64[np.ndarray, " n"]) -> Interval | None:
        """Return the bootstrap interval of Kendall's tau over the architectures, ``None`` where tau is undefined."""
        resamples = 100 if self.work.scale is Scale.SMOKE else 1000
        return tau_interval(scores, truth, self.streams, resamples=resamples)

    def rivals(
        self, archs: UInt8[np.ndarray, "n 6"], *, condition: Condition = PLAIN, proxies: Sequence[str] = ()
    ) -> dict[str, Float64[np.ndarray, " n"]]:
        """Return the scores of what is to be had without a supernet, by name.

        These are the number of parameters, the MAdds, the table's 12 epochs of training, and zero-cost proxies.

        Args:
            archs: rows of the space of ``condition``.
            condition: decides the sub-space.
            proxies: names of :data:`~trueshot.evaluation.zero_cost.PROXIES`.
        """
        space = self.space(condition).final()
        found = {
            "parameters": CostScore(space, "params")(archs),
            "MAdds": CostScore(space, "madds")(archs),
            "12 epochs of training": self.truth(archs, SHORT, condition=condition),
        }
        if proxies:
            dataset = self.work.dataset
            (batch,) = eval_batches(
                dataset.train, dataset, batch_size=_PROXY_BATCH, device=self.work.device, limit=_PROXY_BATCH
            )
        for proxy in proxies:
            evaluator = ZeroCost(space, proxy, batch, self.streams.child("proxy"))
            found[proxy] = ask(self.work.out / "evaluations.parquet", evaluator, archs, chunk=CHUNK)
        return found

    def rival_rows(
        self, archs: UInt8[np.ndarray, "n 6"], *, condition: Condition = PLAIN, proxies: Sequence[str] = ()
    ) -> list[Row]:
        """Return a row with Kendall's tau of each of the :meth:`rivals`; intervals are over architectures."""
        truth = self.truth(archs, condition=condition)
        return [
            Row(
                what=name,
                metric="Kendall tau",
                values=(tau(scores, truth),),
                interval=self.interval(scores, truth),
                note="no supernet",
            )
            for name, scores in self.rivals(archs, condition=condition, proxies=proxies).items()
        ]


def supernet_part(setting: Setting, device: torch.device, count: int, condition: Condition = PLAIN) -> Part:
    """Return the cost of training ``count`` supernets of a condition."""
    space, recipe, images = condition.space(setting.fitted), setting.recipe_of(condition), setting.images
    each = supernet_seconds(
        space,
        make_sampler(space, condition.sampler, BudgetConfig()),
        images,
        recipe,
        device,
        sharing=make_sharing(condition.sharing),
    )
    seen = count * recipe.epochs * (images.train - images.validation)
    return Part(what=f"{count} supernets {condition.name}", units=seen, unit="image", seconds=each)


def scoring_part(
    setting: Setting,
    device: torch.device,
    scores: int,
    condition: Condition = PLAIN,
    *,
    recalibration: Recalibration | None = None,
) -> Part:
    """Return the cost of ``scores`` one-shot scores of architectures of a condition."""
    space, mode = condition.space(setting.fitted), recalibration or setting.recalibration
    sampler = make_sampler(space, SamplerConfig(kind="uniform"), BudgetConfig())
    each = scoring_seconds(space, sampler, setting.images, 512, device, sharing=make_sharing(condition.sharing))
    images = setting.images.validation if setting.score_images is None else setting.score_images
    images += mode.batches * mode.batch_size if mode.needs_images else 0
    return Part(what=f"{scores} scores {condition.name}", units=scores * images, unit="image", seconds=each)


def space_size(condition: Condition = PLAIN) -> int:
    """Return how many architectures the space of a condition has."""
    return int(np.prod(condition.space(NasBench201()).options.astype(np.int64)))
