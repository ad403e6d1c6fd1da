"""Inter-choice weights, appendix C: how many topology-shared cells a supernet should stack in each stage.

The paper prints no figures; its findings are in the notes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.studies import interchoice as shared
from trueshot.studies import interchoice_curves as curves
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.lab import Condition, Lab
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "interchoice-appendixC"
TITLE = "Inter-choice weights, appendix C: cells in each stage of the supernet"
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
    """Train baselines of several depths; the truth is always that of five cells a stage."""
    lab = Lab.open(shared.SETTINGS, scale, out=out, device=device, observer=observer, seed=seed, data=data)
    rows: list[Row] = []
    notes = [shared.setting_note(lab)]
    details: dict[str, Any] = {}
    for sub_space in _sub_spaces(scale):
        where = shared.SPACES[sub_space]
        found = shared.outcomes(lab, _kinds(scale, sub_space))
        rows += curves.improvement_rows(where, found)
        base = _cells(sub_space, 1)
        truth = found[_label(1)].truth
        rows += curves.rival_rows(where, lab.rivals(lab.archs(base), condition=base), truth)
        means = {label: float(np.mean(one.improvements(curves.LEFT))) for label, one in found.items()}
        notes.append(f"{where}: {max(means, key=means.__getitem__)} ranks best by the improvement.")
        details[sub_space] = {label: one.curve(curves.LEFT) for label, one in found.items()}
    notes.append("The paper: two or three cells work best with all operations, three or four with only convolutions.")
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return lab.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    cells = shared.EXTENTS[scale].cells
    counts = [(_cells(sub_space, count), 1) for sub_space in _sub_spaces(scale) for count in cells]
    return sum_up(scale, device, *shared.parts(scale, device, counts))


def _kinds(scale: Scale, sub_space: str) -> dict[str, Condition]:
    return {_label(count): _cells(sub_space, count) for count in shared.EXTENTS[scale].cells}


def _label(count: int) -> str:
    return f"{count} cell(s) a stage"


def _cells(sub_space: str, count: int) -> Condition:
    return shared.baseline(sub_space, cells=count)


def _sub_spaces(scale: Scale) -> tuple[str, ...]:
    """Return the sub-spaces of which the paper speaks, as far as the scale has them."""
    return tuple(name for name in ("full", "only_conv") if name in shared.EXTENTS[scale].sub_spaces)
