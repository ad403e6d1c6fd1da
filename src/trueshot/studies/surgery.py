"""What a study of the Surgery paper needs: its protocol, its isomorphic groups and its criteria.

Source: "A Surgery of the Neural Architecture Evaluators" (under review at ICLR 2021), section 4.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64, UInt8

from trueshot.core.errors import CriteriaError, DataError
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.criteria.bootstrap import Interval
from trueshot.criteria.columns import Criterion
from trueshot.criteria.correlation import kendall_tau
from trueshot.criteria.groups import group_means
from trueshot.criteria.top import best_rank_at_k, precision_at_k
from trueshot.evaluation.costs import CostScore
from trueshot.evaluation.wrappers import Reporting
from trueshot.sampling import Uniform
from trueshot.spaces import NasBench201
from trueshot.spaces.canonical.classes import every
from trueshot.strategies.config import SupernetConfig
from trueshot.studies.cost import scoring_seconds, supernet_seconds
from trueshot.studies.nasbench201_truth import SHORT, TRUTH, read_truth, truth_file
from trueshot.studies.result import Part, Row, Scale
from trueshot.studies.supernets import CHUNK, Kept, ask, tau, tau_interval, train_kept
from trueshot.studies.surgery_setting import SETTINGS, Condition, Setting
from trueshot.studies.workspace import Workspace

FOLDER = "surgery"

RULE = "nb201"
"""The paper's groups: 6,466 of 15,625 architectures."""

CRITERIA: Mapping[str, Criterion] = MappingProxyType(
    {
        "BR@5%": partial(best_rank_at_k, k=0.05),
        "P@5%": partial(precision_at_k, k=0.05),
        "Kendall tau": kendall_tau,
    }
)
"""Criteria of section 3 by the names of their rows; BR and P are printed in percent."""

Ranking = tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, " k"]]
"""What is ranked by one supernet: scores and truth."""


@dataclass(frozen=True, kw_only=True)
class Surgery:
    """Supernets of NAS-Bench-201 under several conditions, what they say of architectures, and the truth.

    Supernets and scores lie in one directory by what made them, so that studies of one folder share them.
    """

    work: Workspace
    setting: Setting

    @classmethod
    def open(
        cls,
        scale: Scale,
        *,
        out: Path,
        device: torch.device,
        observer: Observer = SILENT,
        seed: int = 0,
        data: str | None = None,
    ) -> Surgery:
        """Load the images and fit the space to them.

        Raises:
            DataError: when the images or the truth are absent, before anything is trained.
        """
        setting = SETTINGS[scale]
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

    def truth(self, archs: UInt8[np.ndarray, "n 6"], column: str = TRUTH) -> Float64[np.ndarray, " n"]:
        """Return what the benchmark measured of each architecture, in percent.

        Args:
            archs: rows of NAS-Bench-201.
            column: of the table of truth.

        Raises:
            DataError: when the table is absent, has no such column or lacks an architecture.
        """
        space, table = self.setting.space, read_truth(truth_file(), column)
        try:
            return np.array([table[space.format(row)] for row in archs], dtype=np.float64)
        except KeyError as error:
            raise DataError(f"{truth_file()} has no {column} of {error}: give the complete table") from error

    def trained(self, condition: Condition) -> Kept:
        """Train a supernet of a condition, or take it up."""
        setting, work = self.setting, self.work
        config = SupernetConfig(
            recipe=setting.recipe_of(condition),
            augmentation=work.images.augmentation,
            sampler=condition.sampler,
            averaging=condition.averaging,
        )
        return train_kept(
            work,
            setting.space,
            config,
            seed=Streams(work.seed).key("lab/supernet", 0),
            name=condition.name,
            repeat=0,
            evaluation=setting.evaluation(),
        )

    def scores(self, kept: Kept, archs: UInt8[np.ndarray, "n 6"]) -> Float64[np.ndarray, " n"]:
        """Return the one-shot score of each architecture, higher is better; none is computed twice."""
        one_shot = kept.trained.one_shot()
        observer, phase, done = self.work.observer, "scoring", 0

        def report(more: int) -> None:
            nonlocal done
            done += more
            observer.advance(phase, done)

        observer.begin(phase, len(archs), 0, "architecture")
        scores = ask(kept.weights.context.run.evaluations, Reporting(one_shot, report), archs, chunk=CHUNK)
        observer.end(phase)
        return scores

    def interval(self, scores: Float64[np.ndarray, " n"], truth: Float64[np.ndarray, " n"]) -> Interval | None:
        """Return the bootstrap interval of Kendall's tau over the architectures, ``None`` where tau is undefined."""
        resamples = 100 if self.work.scale is Scale.SMOKE else 1000
        return tau_interval(scores, truth, self.streams, resamples=resamples)

    def baselines(self, archs: UInt8[np.ndarray, "n 6"]) -> dict[str, Float64[np.ndarray, " n"]]:
        """Return the scores of what is to be had without a supernet, by name.

        These are the number of parameters, the MAdds, and the table's 12 epochs of training.
        """
        space = self.setting.space.final()
        return {
            "parameters": CostScore(space, "params")(archs),
            "MAdds": CostScore(space, "madds")(archs),
            "12 epochs of training": self.truth(archs, SHORT),
        }

    def baseline_rows(self, archs: UInt8[np.ndarray, "n 6"]) -> list[Row]:
        """Return a row with Kendall's tau of each of the :meth:`baselines`; intervals are over architectures."""
        truth = self.truth(archs)
        return [
            Row(
                what=name,
                metric="Kendall tau",
                values=(tau(scores, truth),),
                interval=self.interval(scores, truth),
                note="no supernet",
            )
            for name, scores in self.baselines(archs).items()
        ]


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Isomorphic groups, all members of each.

    Attributes:
        rows: architectures, group by group, lexicographically ascending within each.
        labels: number of the group of each architecture, from 0.
        first: position of the first member of each group.
        truth: test accuracy in percent of each architecture.
    """

    rows: UInt8[np.ndarray, "n 6"]
    labels: Int64[np.ndarray, " n"]
    first: Int64[np.ndarray, " g"]
    truth: Float64[np.ndarray, " n"]

    def pair(self, scores: Float64[np.ndarray, " n"]) -> Ranking:
        """Return of each group the mean score of its members (post de-isomorphism) and their mean truth."""
        return group_means(values=scores, labels=self.labels), group_means(values=self.truth, labels=self.labels)


def groups_of(surgery: Surgery) -> Groups:
    """Return the isomorphic groups that the study's seed draws, or all; each group is as likely as any other."""
    space = NasBench201()
    rows = every(space)
    _, inverse = np.unique(space.canonical(rows, RULE), axis=0, return_inverse=True)
    group_of = inverse.reshape(-1).astype(np.int64)
    number, wanted = int(group_of.max()) + 1, surgery.setting.archs
    if wanted is not None and wanted < number:
        chosen = np.sort(surgery.streams.numpy("groups").permutation(number)[:wanted])
        keep = np.isin(group_of, chosen)
        rows, group_of = rows[keep], np.searchsorted(chosen, group_of[keep]).astype(np.int64)
    order = np.argsort(group_of, kind="stable")
    rows, labels = np.ascontiguousarray(rows[order]), group_of[order]
    first = np.searchsorted(labels, np.arange(labels.max() + 1)).astype(np.int64)
    return Groups(rows=rows, labels=labels, first=first, truth=surgery.truth(rows))


def measured(criterion: str, predicted: Float64[np.ndarray, " k"], true: Float64[np.ndarray, " k"]) -> float | None:
    """Return a criterion, BR and P in percent; ``None`` where it is undefined, as for a K that selects none."""
    try:
        value = CRITERIA[criterion](predicted=predicted, true=true)
    except CriteriaError:
        return None
    return 100.0 * value if "@" in criterion else value


def ranking(surgery: Surgery, condition: Condition, groups: Groups) -> Ranking:
    """Return what the supernet of a condition ranks."""
    return groups.pair(surgery.scores(surgery.trained(condition), groups.rows))


def criterion_rows(surgery: Surgery, what: str, ranked: Ranking, paper: Mapping[str, float], note: str) -> list[Row]:
    """Return a row for each criterion that is defined; Kendall's tau has its bootstrap interval over what is ranked.

    Args:
        surgery: its seed draws the bootstrap.
        what: name of the rows.
        ranked: scores and truth.
        paper: published values by criterion.
        note: for the reader.
    """
    return [
        Row(
            what=what,
            metric=f"{criterion} (%)" if "@" in criterion else criterion,
            paper=published,
            values=(value,),
            interval=surgery.interval(*ranked) if criterion == "Kendall tau" else None,
            note=note,
        )
        for criterion, published in paper.items()
        if (value := measured(criterion, *ranked)) is not None
    ]


def circumstances(surgery: Surgery, groups: Groups) -> str:
    """Say in a sentence what was ranked and how, and how that differs from the paper."""
    setting = surgery.setting
    recipe, space = setting.recipe, setting.space
    return (
        f"{len(groups.first)} isomorphic groups with {len(groups.rows)} architectures (the paper: 6,466 with 15,625);"
        f" one supernet of each kind, {recipe.epochs} epochs (the paper: 1,000), {space.channels}"
        f" channels (16), {space.cells} cell(s) a stage (5), {space.image_size} pixels (32); scored by validation"
        f" {setting.metric} with BatchNorm statistics '{setting.recalibration.mode}' (accuracy, running). The"
        " interval of tau is the bootstrap over what is ranked; it does not tell how another supernet would differ."
    )


def supernet_part(setting: Setting, device: torch.device, condition: Condition) -> Part:
    """Return the cost of training the supernet of a condition."""
    space, recipe, images = setting.fitted, setting.recipe_of(condition), setting.images
    sampler = condition.sampler.build(SimpleNamespace(space=space, bounds={}))
    each = supernet_seconds(space, sampler, images, recipe, device)
    seen = recipe.epochs * (images.train - images.validation)
    return Part(what=f"supernet {condition.name}", units=seen, unit="image", seconds=each)


def scoring_part(setting: Setting, device: torch.device, scores: int) -> Part:
    """Return the cost of ``scores`` one-shot scores."""
    space, mode = setting.fitted, setting.recalibration
    sampler = Uniform(space)
    each = scoring_seconds(space, sampler, setting.images, 512, device)
    images = setting.images.validation if setting.score_images is None else setting.score_images
    images += mode.batches * mode.batch_size if mode.needs_images else 0
    return Part(what=f"{scores} scores", units=scores * images, unit="image", seconds=each)


def scored(scale: Scale) -> int:
    """Return how many architectures are scored, on average over the choice of groups."""
    count = SETTINGS[scale].archs
    return 15_625 if count is None else round(count * 15_625 / 6466)
