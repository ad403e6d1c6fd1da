"""ST-NAS, Fig. 5: how the ranks of ten architectures fluctuate over the last epochs of a supernet.

The paper shows the ranks over the last 20 epochs and gives no figures.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.criteria.columns import ranks
from trueshot.studies import stnas_ablation as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "stnas-fig5"
TITLE = "ST-NAS, Fig. 5: how the ranks of ten architectures fluctuate over the last epochs of a supernet"
FOLDER = shared.FOLDER

_ARCHS = 10


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Score the architectures at the snapshots of the last epochs."""
    ablation = shared.Ablation.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    archs = ablation.random()[:_ARCHS]
    trained = ablation.supernet("matched", 0)
    scores = np.stack([ablation.scores(trained, file, archs) for file in trained.last])
    order = np.stack([ranks(values) for values in scores])
    moved = np.abs(np.diff(order, axis=0)).mean(axis=0)
    spans = order.max(axis=0) - order.min(axis=0)
    pairs = [shared.tau(a, b) for a, b in itertools.pairwise(scores)]
    ends = shared.tau(scores[0], scores[-1])
    rows = [
        Row(
            what="an epoch", metric="ranks moved", values=tuple(moved.tolist()), note="n and spread over architectures"
        ),
        Row(what="all epochs", metric="best less worst rank", values=tuple(map(float, spans)), note="likewise"),
        Row(
            what="successive epochs", metric="tau between scores", values=tuple(pairs), note="n and spread over epochs"
        ),
        Row(what="first and last epoch", metric="tau between scores", values=(ends,)),
        Row(
            what="an epoch",
            metric="accuracy between architectures, std (points)",
            values=tuple(scores.std(axis=1, ddof=1).tolist()),
        ),
        Row(
            what="an architecture",
            metric="accuracy between epochs, std (points)",
            values=tuple(scores.std(axis=0, ddof=1).tolist()),
        ),
    ]
    notes = [
        f"{len(archs)} architectures over the last {len(scores)} epochs (the paper: 10 over 20); the learning rate"
        " falls towards its end there, so later epochs differ less.",
        f"An architecture moves {moved.mean():.2f} ranks an epoch and spans {spans.mean():.1f} of {len(archs)} ranks.",
    ]
    details = {
        "archs": [ablation.space.format(row) for row in archs],
        "ranks": order.tolist(),
        "scores": scores.tolist(),
    }
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return ablation.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    return sum_up(
        scale,
        device,
        shared.supernet_part(scale, device, 1),
        shared.scoring_part(scale, device, shared.SETTINGS[scale].last * _ARCHS),
    )
