"""Inter-choice weights, appendix D: shared bias and attention against the bias and the baseline.

The paper prints no figures; its findings are in the notes. What the variants cost in time is in Table 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.strategies.config import SharingConfig
from trueshot.studies import interchoice as shared
from trueshot.studies import interchoice_curves as curves
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.lab import Condition, Lab
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "interchoice-appendixD"
TITLE = "Inter-choice weights, appendix D: shared bias and attention"
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
    """Train the further variants beside the baseline and the bias of Fig. 4."""
    lab = Lab.open(shared.SETTINGS, scale, out=out, device=device, observer=observer, seed=seed, data=data)
    rows: list[Row] = []
    notes = [shared.setting_note(lab)]
    details: dict[str, Any] = {}
    for sub_space in _sub_spaces(scale):
        where = shared.SPACES[sub_space]
        kinds = {curves.BASELINE: shared.baseline(sub_space), **_variants(scale, sub_space)}
        kinds["bias D=1"] = shared.biases(scale, sub_space)["bias D=1"]
        found = shared.outcomes(lab, kinds)
        rows += curves.improvement_rows(where, found)
        rows += curves.difference_rows(where, found)
        notes.append(curves.gain_note(where, found))
        details[sub_space] = {label: one.curve(curves.LEFT) for label, one in found.items()}
    notes.append(
        "The paper: the shared bias is slightly worse and less robust than the bias, attention worse than either, but"
        " both attentions beat the baseline on only convolutions."
    )
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return lab.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, each variant taken to cost what the baseline does."""
    counts = [(shared.baseline(name), 2 + len(_variants(scale, name))) for name in _sub_spaces(scale)]
    return sum_up(scale, device, *shared.parts(scale, device, counts))


def _variants(scale: Scale, sub_space: str) -> dict[str, Condition]:
    extent = shared.EXTENTS[scale]
    kinds = {f"shared bias D={depth}": SharingConfig(kind="shared-bias", depth=depth) for depth in extent.shared_depths}
    for layers, own in extent.attentions:
        label = f"attention D=1, {layers} layer(s){'' if own else ', without the own choice'}"
        kinds[label] = SharingConfig(kind="attention", layers=layers, own=own)
    return {label: shared.condition(sub_space, label, sharing) for label, sharing in kinds.items()}


def _sub_spaces(scale: Scale) -> tuple[str, ...]:
    """Return the sub-spaces of which the paper speaks, as far as the scale has them."""
    return tuple(name for name in ("full", "only_conv") if name in shared.EXTENTS[scale].sub_spaces)
