"""One search of ST-NAS under two budgets, and off-the-shelf networks trained as its winners were."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trueshot.core.config import Part as Chosen
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.core.records import NetworkRecord
from trueshot.core.results import Networks, Result
from trueshot.core.run import RunDirectory
from trueshot.core.units import format_count
from trueshot.criteria.bootstrap import difference_interval
from trueshot.evaluation.config import EvaluationConfig
from trueshot.evaluation.recalibration import Recalibration
from trueshot.sampling import Matched, expected_parts
from trueshot.search.config import NSGA2Config
from trueshot.spaces import Topology
from trueshot.spaces.description import describe
from trueshot.strategies.config import (
    BudgetConfig,
    OneShotConfig,
    RetrainingConfig,
    SearchConfig,
    SupernetConfig,
    WeightSamplingConfig,
)
from trueshot.strategies.run import SearchRun
from trueshot.studies.baselines import Baseline, Frame
from trueshot.studies.cost import network_seconds, scoring_seconds, supernet_seconds
from trueshot.studies.images import IMAGES
from trueshot.studies.result import Part, Row, Scale, percent
from trueshot.studies.workspace import Network, Workspace
from trueshot.training.config import Recipe

FOLDER = "stnas-winners"
METRIC = "top-1 (%)"

MODEL = "ST-NAS-A"
"""The published network under the lesser budget; ST-NAS-B is the one under the greater."""

_GREATER = 503e6
_LESSER = 326e6 / 503e6
_TOLERANCE = 0.15
"""A baseline must come so close to the MAdds of the winner; coarse channel steps keep small ones from coming closer."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The search of one scale.

    Attributes:
        space: without the shape of the images, which replaces its own.
        supernet: training of the shared weights; ``retraining``: of winners, random architectures and baselines alike.
        samples: SGLD samples; ``evolution``: of the search; ``recalibration``: of BatchNorm before scoring.
        repeats: trainings of each network; ``random``: architectures of like cost for each winner.
        p_drop: share of dropped branches whose expected MAdds are the greater budget; the lesser is 326 / 503 of it.
            ``None`` takes the published 503M.
    """

    space: Topology
    supernet: Recipe
    retraining: Recipe
    samples: int
    evolution: NSGA2Config
    recalibration: Recalibration
    repeats: int
    random: int
    p_drop: float | None

    def config(self, scale: Scale, space: Topology, seed: int) -> SearchConfig:
        """Return the configuration of the search."""
        images = IMAGES[scale]
        low, branches = expected_parts(space)
        budget = _GREATER if self.p_drop is None else low + (1.0 - self.p_drop) * branches
        return SearchConfig(
            seed=seed,
            data=images.options,
            budget=BudgetConfig(most={"madds": round(budget)}, fractions=(1.0, _LESSER)),
            strategy=Chosen(
                "one-shot",
                OneShotConfig(
                    supernet=SupernetConfig(recipe=self.supernet, augmentation=images.augmentation),
                    weight_sampling=WeightSamplingConfig(samples=self.samples),
                    evaluation=EvaluationConfig(recalibration=self.recalibration),
                    proposer=Chosen("nsga2", self.evolution),
                ),
            ),
            retraining=RetrainingConfig(
                recipe=self.retraining,
                augmentation=images.augmentation,
                repeats=self.repeats,
                random=self.random,
                off_the_shelf=False,
            ),
        )


SETTINGS = {
    Scale.SMOKE: Setting(
        space=Topology(nodes=(2, 2), widths=(24, 48), kernels=(3,), stem_stride=1, head_width=64),
        supernet=Recipe(epochs=1, batch_size=64, lr=0.5, final_lr=0.005, momentum=0.0, clip=5.0),
        retraining=Recipe(epochs=1, batch_size=32, lr=0.1),
        samples=2,
        evolution=NSGA2Config(population=6, generations=2),
        recalibration=Recalibration(mode="reset", batches=1, batch_size=64),
        repeats=1,
        random=1,
        p_drop=0.4,
    ),
    Scale.CPU: Setting(
        space=Topology(nodes=(2, 3, 2), widths=(12, 24, 40), kernels=(3,), stem_stride=1, head_width=96),
        supernet=Recipe(epochs=12, batch_size=64, lr=0.5, final_lr=0.005, momentum=0.0, clip=5.0),
        retraining=Recipe(epochs=5, batch_size=128, lr=0.2, nesterov=True, weight_decay=5e-4, warmup_epochs=1.0),
        samples=3,
        evolution=NSGA2Config(population=16, generations=8),
        recalibration=Recalibration(mode="reset", batches=1, batch_size=512),
        repeats=2,
        random=1,
        p_drop=0.4,
    ),
    Scale.PAPER: Setting(
        space=Topology(),
        supernet=Recipe(epochs=600, batch_size=512, lr=0.1, final_lr=2.5e-4, momentum=0.0),
        retraining=Recipe(epochs=300, batch_size=2048, lr=0.8, nesterov=True),
        samples=20,
        evolution=NSGA2Config(population=45, generations=22),
        recalibration=Recalibration(mode="reset", batches=20, batch_size=512),
        repeats=1,
        random=1,
        p_drop=None,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Winners:
    """A finished search and the means to train baselines in the same way."""

    work: Workspace
    setting: Setting
    frame: Frame
    result: Result

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
    ) -> Winners:
        """Run the search, or take it up."""
        images = IMAGES[scale].elsewhere(data)
        work = Workspace(out=out, scale=scale, images=images, device=device, seed=seed, observer=observer)
        setting = SETTINGS[scale]
        fields: dict[str, Any] = {**setting.space.arguments(), **work.shape}
        space = Topology(**fields)
        config = setting.config(scale, space, seed)
        run = RunDirectory(work.out / f"search-{work.identity(describe(space), config.plain())[:12]}")
        context = work.context(space, run, seed)
        context = context.replace(bounds=config.budget.bounds(context.costs), retraining=config.retraining)
        result = SearchRun(config=config, context=context).run()
        work.count("search", result.head["timings"]["total"])
        frame = Frame(**work.shape, head_width=space.head_width)
        return cls(work=work, setting=setting, frame=frame, result=result)

    @property
    def records(self) -> tuple[NetworkRecord, ...]:
        """All networks that the search trained."""
        (networks,) = self.result.of_kind(Networks)
        records: tuple[NetworkRecord, ...] = networks.records
        return records

    def found(self, role: str) -> list[NetworkRecord]:
        """Return the winners, or the random architectures, under the lesser budget."""
        budget = min(self.result.head["budgets"])
        return [record for record in self.records if record.budget == budget and record.role == role]

    def ours(self, role: str, paper: float | None) -> Row:
        """Return the row of the winner under the lesser budget, or of the random architectures beside it."""
        records = self.found(role)
        told = f"{MODEL} (ours: best searched)" if role == "winner" else f"random, as dear as {MODEL}"
        values = percent([record.test.top1 for record in records if record.test is not None])
        return _row(told, values, paper, records[0].costs, records[0].arch)

    def baseline(self, told: str, make: Callable[[Frame, int], Baseline], paper: float | None) -> Row:
        """Train a baseline at the MAdds of the winner and return its row."""
        target = round(self.found("winner")[0].costs["madds"])
        plan = make(self.frame, target)
        if abs(plan.madds - target) > _TOLERANCE * target:
            note = f"not trained: its closest width has {format_count(plan.madds)} MAdds, not {format_count(target)}"
            return Row(what=told, metric=METRIC, paper=paper, note=note)
        network = Network(
            name=f"{make.__name__}-{MODEL}".lower(), key=plan.key, make=plan.make, recipe=self.setting.retraining
        )
        records = [
            self.work.trained(dataclasses.replace(network, repeat=repeat)) for repeat in range(self.setting.repeats)
        ]
        values = percent([record["top1"] for record in records])
        return _row(told, values, paper, records[0], None)

    def against(self, rows: list[Row]) -> str:
        """Say how the winner did beside random architectures and the baselines."""
        winner, *others = rows
        parts = []
        for row in others:
            if not row.values:
                continue
            interval = difference_interval(np.array(winner.values), np.array(row.values))
            told = "interval unknown" if interval is None else f"{interval.low:+.2f} to {interval.high:+.2f}"
            parts.append(f"{(winner.ours or 0.0) - (row.ours or 0.0):+.2f} on {row.what} ({told})")
        return f"{MODEL}, ours, in points of top-1: " + "; ".join(parts) + "."


def published(what: str, madds: float, top1: float) -> Row:
    """Return a published figure as a reference: that network is not trained here."""
    return Row(what=what, metric=METRIC, paper=top1, note=f"published at {madds:g}M MAdds; not trained here")


def parts(scale: Scale, device: torch.device, baselines: Sequence[Callable[[Frame, int], Baseline]]) -> list[Part]:
    """Return the cost of the search and of the baselines."""
    setting, images = SETTINGS[scale], IMAGES[scale]
    shape = {"image_size": images.side, "classes": images.classes, "in_channels": images.channels}
    fields: dict[str, Any] = {**setting.space.arguments(), **shape}
    space = Topology(**fields)
    budget = float(setting.config(scale, space, 0).budget.most["madds"])
    matched = Matched.to_target(space, budget)
    step = supernet_seconds(space, matched, images, setting.supernet, device)
    score = scoring_seconds(space, matched, images, 512, device)
    train = images.train - images.validation
    seen = images.validation + setting.recalibration.batches * setting.recalibration.batch_size
    found = [
        Part(what="supernet", units=setting.supernet.epochs * train, unit="image", seconds=step),
        Part(what="SGLD", units=(setting.samples - 1) * train, unit="image", seconds=step),
        Part(what="evolution", units=setting.evolution.evaluations * seen, unit="image", seconds=score),
    ]
    each = setting.repeats * setting.retraining.epochs * images.train
    pool = matched.sample(400, Streams(0).numpy("cost"))
    for model, share in ((MODEL, _LESSER), ("ST-NAS-B", 1.0)):
        row = pool[np.abs(space.cost(pool).madds - share * budget).argmin()]
        seconds = network_seconds(lambda row=row: space.network(row), images, setting.retraining, device)  # type: ignore[misc]
        count = (1 + setting.random) * each
        found.append(Part(what=f"{model} and random", units=count, unit="image", seconds=seconds))
    frame = Frame(**shape, head_width=setting.space.head_width)
    for make in baselines:
        seconds = network_seconds(make(frame, round(budget * _LESSER)).make, images, setting.retraining, device)
        found.append(Part(what=f"{make.__name__} at {MODEL}", units=each, unit="image", seconds=seconds))
    return found


def caveats(scale: Scale) -> list[str]:
    """Say what the rows can and cannot show."""
    notes = ["Off-the-shelf networks are scaled in width to the MAdds of the winner and trained by the same recipe."]
    if scale is not Scale.PAPER:
        notes.append(
            "Published figures are of ImageNet at 224 pixels, ours of other images, a small space and a short training:"
            " only differences between our own rows mean anything."
        )
    return notes


def _row(what: str, values: tuple[float, ...], paper: float | None, costs: Mapping[str, Any], arch: str | None) -> Row:
    madds, params = costs["madds"], costs["params"]
    note = f"{format_count(madds)} MAdds, {format_count(params)} parameters; n and spread over trainings"
    figures: dict[str, float | int | str | None] = {"madds": madds, "params": params, "arch": arch}
    return Row(what=what, metric=METRIC, paper=paper, values=values, note=note, figures=figures)
