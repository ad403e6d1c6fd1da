"""Surgery, Fig. A3: the evaluation quality along the training, with and without isomorphic architectures.

Its data are those of Table 3, at more epochs; only the latter were published as numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.studies import surgery as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.lab import Lab, tau
from trueshot.studies.result import Estimate, Scale, StudyResult
from trueshot.studies.surgery_table3 import compare, parts, verdict

NAME = "surgery-figA3"
TITLE = "Surgery, Fig. A3: tau, P@K and BR@K along the training, with and without isomorphic architectures"
FOLDER = shared.FOLDER


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Rank by each method of Table 3 at every mark."""
    lab = Lab.open(shared.SETTINGS, scale, out=out, device=device, observer=observer, seed=seed, data=data)
    groups = shared.groups_of(lab)
    rows, curves = compare(lab, groups, lab.setting.marks_of(shared.UNIFORM))
    notes = [shared.circumstances(lab, groups), verdict(curves), _trends(curves)]
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return lab.work.result(NAME, TITLE, rows, notes, estimate=costs, details={"curves": curves})


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    setting = shared.SETTINGS[scale]
    return sum_up(scale, device, *parts(scale, setting, device, len(setting.marks_of(shared.UNIFORM))))


def _trends(curves: dict[str, dict[str, list[float | None]]]) -> str:
    """Say by Kendall's tau with the epoch whether each curve rises or falls."""
    found = []
    for method, lines in curves.items():
        told = []
        for criterion in shared.TABLE:
            values = np.array([np.nan if value is None else value for value in lines[criterion]])
            if np.isfinite(values).all() and len(values) > 1:
                told.append(f"{criterion} {tau(values, np.arange(len(values), dtype=np.float64)):+.2f}")
        found.append(f"{method}: " + ", ".join(told))
    return (
        "Trend of each curve (its tau with the epoch, +1 rises throughout): " + "; ".join(found) + ". The paper: tau"
        " and P@50% rise, P@5% falls, and without de-isomorphic sampling BR@1% and BR@5% (smaller is better) rise late."
    )
