"""Inter-choice weights, Fig. 8: the improvement of Fig. 4's top row below ten architectures, down to a single one.

The paper draws curves and prints no figures; its findings are in the notes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.studies import interchoice as shared
from trueshot.studies import interchoice_curves as curves
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.lab import Lab
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "interchoice-fig8"
TITLE = "Inter-choice weights, Fig. 8: improvement on NAS-Bench-201 below ten architectures"
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
    """Take up the supernets of Fig. 4 and follow their curves to the end."""
    lab = Lab.open(shared.SETTINGS, scale, out=out, device=device, observer=observer, seed=seed, data=data)
    rows: list[Row] = []
    notes = [shared.setting_note(lab)]
    details: dict[str, Any] = {}
    for sub_space in shared.EXTENTS[scale].sub_spaces:
        where = shared.SPACES[sub_space]
        kinds = {curves.BASELINE: shared.baseline(sub_space), **shared.biases(scale, sub_space)}
        found = shared.outcomes(lab, kinds)
        rows += curves.improvement_rows(where, found, left=curves.BELOW)
        rows += curves.seed_rows(where, found)
        notes.append(curves.seed_note(where, found))
        details[sub_space] = {label: one.curve(1) for label, one in found.items()}
    notes.append(
        "The paper: the spread between supernets below ten architectures is small with all operations, grows as"
        " operations are removed, and is huge for only convolutions, where the single best-scored one is chance."
    )
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return lab.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device`` where Fig. 4 was not run before."""
    extent = shared.EXTENTS[scale]
    counts = [(shared.baseline(sub_space), 1 + len(extent.depths)) for sub_space in extent.sub_spaces]
    return sum_up(scale, device, *shared.parts(scale, device, counts))
