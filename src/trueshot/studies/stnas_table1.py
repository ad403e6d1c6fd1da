"""ST-NAS, Table 1: random residual blocks added to ResNet-18 at equal MAdds.

Four residual blocks join random feature maps of ResNet-18, the width is rescaled. Published is one accuracy for each of
three random topologies; how often each was trained, and how long, is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.criteria.bootstrap import difference_interval
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.cost import network_seconds
from trueshot.studies.images import IMAGES
from trueshot.studies.result import Estimate, Part, Row, Scale, StudyResult, percent
from trueshot.studies.skip_resnet import SkipResNet, at_madds, random_skips
from trueshot.studies.workspace import Network, Workspace
from trueshot.training.recipe import Recipe

NAME = "stnas-table1"
TITLE = "ST-NAS, Table 1: random residual blocks added to ResNet-18 at equal MAdds"
FOLDER = NAME

_PAPER = {"Res-18": 70.2, "Rand0": 71.5, "Rand1": 72.0, "Rand2": 69.6}
_SKIPS = 4
_METRIC = "top-1 (%)"


@dataclass(frozen=True, kw_only=True)
class _Setting:
    width: float
    recipe: Recipe
    repeats: int


_SETTINGS = {
    Scale.SMOKE: _Setting(width=4.0, recipe=Recipe(epochs=2, batch_size=32, lr=0.05), repeats=1),
    Scale.CPU: _Setting(
        width=8.0,
        recipe=Recipe(epochs=8, batch_size=128, lr=0.2, nesterov=True, weight_decay=5e-4, warmup_epochs=1.0),
        repeats=3,
    ),
    # The training of Table 1 is not published: this is the usual one of ResNet-18 on ImageNet.
    Scale.PAPER: _Setting(width=64.0, recipe=Recipe(epochs=90, batch_size=256, lr=0.1, nesterov=True), repeats=1),
}


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Train ResNet-18 and the three random topologies and compare them on the test images."""
    setting = _SETTINGS[scale]
    images = IMAGES[scale].elsewhere(data)
    work = Workspace(out=out, scale=scale, images=images, device=device, seed=seed, observer=observer)
    plans = _plans(setting, seed, **work.shape)
    rows, values = [], {}
    for name, plan in plans.items():
        records = [
            work.trained(
                Network(
                    name=f"{name.lower()}-{repeat}",
                    key=repr(plan),
                    make=plan.network,
                    recipe=setting.recipe,
                    repeat=repeat,
                )
            )
            for repeat in range(setting.repeats)
        ]
        values[name] = percent([record["top1"] for record in records])
        figures = {"madds": records[0]["madds"], "params": records[0]["params"], "skips": repr(plan.skips)}
        note = f"width {plan.width:.2f}" + (f", blocks {_told(plan)}" if plan.skips else "")
        rows.append(Row(what=name, metric=_METRIC, paper=_PAPER[name], values=values[name], note=note, figures=figures))
    # Trainings of one topology are no independent draws of a topology: each counts once, by its mean.
    base = np.array(values["Res-18"])
    added = np.array([np.mean(values[name]) for name in plans if name != "Res-18"])
    interval = difference_interval(added, base)
    difference = float(added.mean() - base.mean())
    published = np.mean([_PAPER[name] for name in plans if name != "Res-18"]) - _PAPER["Res-18"]
    rows.append(
        Row(
            what="mean Rand less Res-18",
            metric="points",
            paper=round(float(published), 2),
            values=(difference,),
            interval=interval,
            note=f"Welch; means of {len(added)} topologies, {len(base)} trainings of Res-18",
        )
    )
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return work.result(NAME, TITLE, rows, _notes(difference, interval is not None, rows[-1]), estimate=costs)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    setting, images = _SETTINGS[scale], IMAGES[scale]
    shape = {"image_size": images.side, "classes": images.classes, "in_channels": images.channels}
    parts = []
    for name, plan in _plans(setting, 0, **shape).items():
        each = network_seconds(plan.network, images, setting.recipe, device)
        seen = setting.repeats * setting.recipe.epochs * images.train
        parts.append(Part(what=f"training {name}", units=seen, unit="image", seconds=each))
    return sum_up(scale, device, *parts)


def _plans(setting: _Setting, seed: int, *, image_size: int, classes: int, in_channels: int) -> dict[str, SkipResNet]:
    base = SkipResNet(
        width=setting.width,
        image_size=image_size,
        classes=classes,
        in_channels=in_channels,
        small=image_size <= 64,
    )
    plans, target = {"Res-18": base}, base.madds
    for index in range(3):
        rng = Streams(seed).numpy("table1/skips", index)
        skips = random_skips(_SKIPS, rng)
        fields = {**vars(base), "skips": skips}
        plans[f"Rand{index}"] = at_madds(SkipResNet(**fields), target)
    return plans


def _told(plan: SkipResNet) -> str:
    return " ".join(f"{i}-{j}" for i, j in plan.skips)


def _notes(difference: float, known: bool, row: Row) -> list[str]:
    notes = [
        "The pairs of feature maps are drawn anew: which ones the paper drew is not published.",
        "Intervals are over training seeds; the paper gives one training of each network and no spread.",
    ]
    spread = row.spread
    if known and spread is not None:
        clear = spread.low > 0 or spread.high < 0
        direction = "better" if difference > 0 else "worse"
        notes.append(
            f"On average the random topologies are {abs(difference):.2f} points {direction} than ResNet-18 of equal"
            f" MAdds; the interval {'excludes' if clear else 'includes'} zero."
        )
    return notes
