"""Inter-choice weights, Fig. 4: improvement by bias and by split weights in three sub-spaces of NAS-Bench-201.

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

NAME = "interchoice-fig4"
TITLE = "Inter-choice weights, Fig. 4: bias and split weights against the baseline in three sub-spaces of NAS-Bench-201"
FOLDER = shared.FOLDER

_MEANS = {"full": 87.9, "only_conv": 92.2}
"""Mean accuracies printed in section 3.1.1, in percent."""


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Train the supernets of every sub-space and kind and prune the architectures by what they say."""
    lab = Lab.open(shared.SETTINGS, scale, out=out, device=device, observer=observer, seed=seed, data=data)
    rows: list[Row] = []
    notes = [shared.setting_note(lab)]
    details: dict[str, Any] = {}
    for sub_space in shared.EXTENTS[scale].sub_spaces:
        where, base = shared.SPACES[sub_space], shared.baseline(sub_space)
        kinds = {curves.BASELINE: base, **shared.biases(scale, sub_space), **shared.splits(scale, sub_space)}
        found = shared.outcomes(lab, kinds)
        truth = found[curves.BASELINE].truth
        rows.append(
            Row(
                what=f"{where}, all",
                metric="mean accuracy (%)",
                paper=_MEANS.get(sub_space),
                values=tuple(truth.tolist()),
                note="improvement 0; n and spread over architectures",
                figures={"best": float(truth.max())},
            )
        )
        rows += curves.improvement_rows(where, found)
        rows += curves.difference_rows(where, found)
        rows += curves.rival_rows(where, lab.rivals(lab.archs(base), condition=base), truth)
        notes.append(curves.gain_note(where, found))
        details[sub_space] = {label: one.curve(curves.LEFT) for label, one in found.items()}
    notes.append(
        "The paper: with all operations the baseline is hard to beat; without Zero the variants are at least equal;"
        " with only convolutions they can be significantly better; no variant is best throughout."
    )
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return lab.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, each variant taken to cost what the baseline does."""
    extent = shared.EXTENTS[scale]
    kinds = 1 + len(extent.depths) + len(extent.splits)
    counts = [(shared.baseline(sub_space), kinds) for sub_space in extent.sub_spaces]
    return sum_up(scale, device, *shared.parts(scale, device, counts))
