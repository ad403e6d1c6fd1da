"""ST-NAS, section 4.1: momentum 0 against 0.9 in supernet training.

The paper sets momentum to 0 "to decouple the gradients of architectures" and gives no figures. Momentum 0.9 multiplies
the step by ten, so it is run at the same learning rate and at a tenth of it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from trueshot.core.errors import TrainingError
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.studies import stnas_ablation as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.result import Estimate, Row, Scale, StudyResult
from trueshot.training.recipe import Recipe

NAME = "stnas-momentum"
TITLE = "ST-NAS, section 4.1: momentum 0 against 0.9 in supernet training"
FOLDER = shared.FOLDER

_REPEATS = {Scale.SMOKE: 1, Scale.CPU: 2, Scale.PAPER: 3}


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Train supernets with and without momentum and compare their accuracy and their ranking."""
    ablation = shared.Ablation.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    archs = ablation.random()
    truth = ablation.truth(archs)
    rows: list[Row] = []
    details: dict[str, object] = {"truth": truth.tolist(), "archs": [ablation.space.format(row) for row in archs]}
    taus: dict[str, list[float]] = {}
    notes: list[str] = []
    for name, recipe in _recipes(ablation.setting.supernet).items():
        scores = []
        for repeat in range(_REPEATS[scale]):
            try:
                trained = ablation.supernet("matched" if recipe.momentum == 0 else name, repeat, recipe=recipe)
            except TrainingError as error:
                notes.append(f"{name}, repetition {repeat + 1} diverged: {error}.")
                continue
            scores.append(ablation.scores(trained, trained.last[-1], archs))
        told = f"momentum {recipe.momentum:g}, lr {recipe.lr:g}"
        taus[told] = [shared.tau(values, truth) for values in scores]
        rows.append(
            Row(
                what=told,
                metric="supernet accuracy (%)",
                values=tuple(float(values.mean()) for values in scores),
                note="mean of the architectures",
            )
        )
        rows.append(Row(what=told, metric="Kendall tau", values=tuple(taus[told])))
        if len(scores) > 1:
            agreement = shared.tau(scores[0], scores[1])
            rows.append(Row(what=told, metric="tau between two supernets", values=(agreement,)))
        if scores:
            mean = np.mean(scores, axis=0)
            rows.append(
                Row(
                    what=told,
                    metric="Kendall tau of mean scores",
                    values=(shared.tau(mean, truth),),
                    interval=shared.tau_interval(mean, truth, Streams(seed)),
                    note=f"bootstrap over {len(archs)} architectures",
                )
            )
        details[name] = [values.tolist() for values in scores]
    notes += _notes(rows, len(archs), _REPEATS[scale])
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return ablation.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    archs, supernets = shared.SETTINGS[scale].archs, 3 * _REPEATS[scale]
    return sum_up(
        scale,
        device,
        shared.truth_part(scale, device, archs),
        shared.supernet_part(scale, device, supernets),
        shared.scoring_part(scale, device, supernets * archs),
    )


def _recipes(base: Recipe) -> dict[str, Recipe]:
    return {
        "plain": base,
        "momentum-same-lr": dataclasses.replace(base, momentum=0.9),
        "momentum-tenth-lr": dataclasses.replace(base, momentum=0.9, lr=base.lr / 10, final_lr=base.final_lr / 10),
    }


def _notes(rows: list[Row], archs: int, repeats: int) -> list[str]:
    notes = [f"Truth of {archs} architectures trained alone; {repeats} supernet(s) of each kind."]
    for metric in ("supernet accuracy (%)", "Kendall tau"):
        found = [row for row in rows if row.metric == metric and row.ours is not None]
        if len(found) < 2:
            continue
        best, base = max(found, key=lambda row: row.ours or 0.0), found[0]
        spread = [row.spread for row in (base, best)]
        apart = spread[0] is not None and spread[1] is not None and spread[0].high < spread[1].low
        if best is base:
            notes.append(f"{metric}: momentum 0 is highest ({base.ours:.3g}).")
        else:
            notes.append(
                f"{metric}: highest with {best.what} ({best.ours:.3g} against {base.ours:.3g} with momentum 0;"
                f" intervals {'apart' if apart else 'overlap or are unknown'})."
            )
    return notes
