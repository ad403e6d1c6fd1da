"""Inter-choice weights, Fig. 3: the improvement curve, and the correlation that pruning by the truth leaves.

Mean accuracy and all text of the figure are those of the 64 architectures of convolutions alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from trueshot.core.observe import SILENT, Observer
from trueshot.criteria.curves import improvement_curve, pruning_curve
from trueshot.studies import interchoice as shared
from trueshot.studies import interchoice_curves as curves
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.lab import Lab
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "interchoice-fig3"
TITLE = "Inter-choice weights, Fig. 3: improvement by pruning, and the correlation among the best architectures"
FOLDER = shared.FOLDER

_SUB_SPACE = "only_conv"
_MEAN, _PLATEAU = 93.2, 25
"""Printed in section 3.4: mean accuracy in percent, and architectures left where the baseline gains no more."""


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Prune the architectures by the supernets' scores, and by the truth."""
    lab = Lab.open(shared.SETTINGS, scale, out=out, device=device, observer=observer, seed=seed, data=data)
    found = shared.outcomes(lab, _kinds(scale))
    truth = found[curves.BASELINE].truth
    rows = [
        Row(
            what="all",
            metric="mean accuracy (%)",
            paper=_MEAN,
            values=tuple(truth.tolist()),
            note="improvement 0; n and spread over architectures",
            figures={"best": float(truth.max())},
        )
    ]
    where = shared.SPACES[_SUB_SPACE]
    rows += curves.improvement_rows(where, found)
    details: dict[str, Any] = {}
    for label, one in found.items():
        published = _PLATEAU if label == curves.BASELINE else None
        rows += [
            Row(
                what=f"{where}, {label}",
                metric="left where improvement is highest",
                paper=published,
                values=tuple(_peak(scores, truth) for scores in one.scores),
            ),
            Row(
                what=f"{where}, {label}",
                metric="left where tau falls to 0",
                paper=published,
                values=tuple(_lost(scores, truth) for scores in one.scores),
                note="by pruning the truly worst",
            ),
        ]
        details[label] = {"improvement": one.curve(curves.LEFT), "tau": _pruned(one)}
    notes = [
        shared.setting_note(lab),
        "The paper reads about 25 off its curve, and says that the correlation reaches 0 at about the same number.",
        curves.gain_note(where, found),
    ]
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return lab.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device`` where Fig. 4 was not run before."""
    counts = [(shared.baseline(_SUB_SPACE), len(_kinds(scale)))]
    return sum_up(scale, device, *shared.parts(scale, device, counts))


def _kinds(scale: Scale) -> dict[str, Any]:
    depths = shared.biases(scale, _SUB_SPACE)
    return {curves.BASELINE: shared.baseline(_SUB_SPACE), "bias D=1": depths["bias D=1"]}


def _peak(scores: Float64[np.ndarray, " n"], truth: Float64[np.ndarray, " n"]) -> float:
    """Return how many architectures are left where their mean truth is highest."""
    curve = improvement_curve(predicted=scores, true=truth, smallest=curves.LEFT)
    return float(curve.remaining[int(np.argmax(curve.improvement))])


def _lost(scores: Float64[np.ndarray, " n"], truth: Float64[np.ndarray, " n"]) -> float:
    """Return how many of the truly best are left where scores and truth first disagree; the last point if nowhere."""
    curve = pruning_curve(predicted=scores, true=truth, points=len(truth), smallest=curves.LEFT)
    below = np.flatnonzero(~(curve.value > 0))
    return float(curve.remaining[below[0] if len(below) else -1])


def _pruned(one: curves.Outcome) -> dict[str, Any]:
    every = [pruning_curve(predicted=scores, true=one.truth, smallest=curves.LEFT) for scores in one.scores]
    values = np.stack([curve.value for curve in every])
    return {
        "remaining": every[0].remaining.tolist(),
        "tau": [[None if np.isnan(point) else float(point) for point in row] for row in values],
    }
