"""ST-NAS, Fig. 4: the best and the worst ranking of independent supernets.

The paper shows the ranks of the best and the worst of 20 runs beside the truth and gives no figures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.criteria.columns import ranks
from trueshot.studies import stnas_ablation as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "stnas-fig4"
TITLE = "ST-NAS, Fig. 4: the best and the worst ranking of independent supernets"
FOLDER = shared.FOLDER

_REPEATS = {Scale.SMOKE: 2, Scale.CPU: 4, Scale.PAPER: 20}


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Train supernets that differ in their seed alone and rank the same architectures by each."""
    ablation = shared.Ablation.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    archs = ablation.random()
    truth = ablation.truth(archs)
    scores = []
    for repeat in range(_REPEATS[scale]):
        trained = ablation.supernet("matched", repeat)
        scores.append(ablation.scores(trained, trained.last[-1], archs))
    taus = [shared.tau(values, truth) for values in scores]
    between = [shared.tau(a, b) for index, a in enumerate(scores) for b in scores[index + 1 :]]
    mean = shared.tau(np.mean(scores, axis=0), truth)
    runs = f"{len(taus)} runs"
    rows = [
        Row(what="one supernet", metric="Kendall tau", values=tuple(taus), note="n and spread over supernets"),
        Row(what="best", metric="Kendall tau", values=(max(taus),), note=f"of {runs}; the paper has 20"),
        Row(what="worst", metric="Kendall tau", values=(min(taus),), note=f"of {runs}; the paper has 20"),
        Row(
            what="two supernets",
            metric="tau between them",
            values=tuple(between),
            note="pairs share supernets, so the interval is too narrow",
        ),
        Row(what="mean score of all", metric="Kendall tau", values=(mean,)),
    ]
    notes = [
        f"The seed of the supernet alone moves tau from {min(taus):.2f} to {max(taus):.2f} over {runs}; truth of"
        f" {len(archs)} architectures, {ablation.setting.truth_seeds} training(s) each.",
        f"Averaging the scores of all of them gives {mean:.2f}, one alone {np.mean(taus):.2f} on average.",
    ]
    details = {
        "archs": [ablation.space.format(row) for row in archs],
        "truth": truth.tolist(),
        "scores": [values.tolist() for values in scores],
        "true_ranks": ranks(truth).tolist(),
        "best_ranks": ranks(scores[int(np.argmax(taus))]).tolist(),
        "worst_ranks": ranks(scores[int(np.argmin(taus))]).tolist(),
    }
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return ablation.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    archs = shared.SETTINGS[scale].archs
    return sum_up(
        scale,
        device,
        shared.truth_part(scale, device, archs),
        shared.supernet_part(scale, device, _REPEATS[scale]),
        shared.scoring_part(scale, device, _REPEATS[scale] * archs),
    )
