"""Inter-choice weights, Fig. 9: the improvement of Fig. 5 below ten architectures, down to a single one.

The paper draws curves and prints no figures; its findings are in the notes.
"""

from __future__ import annotations

from pathlib import Path

import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.studies import interchoice, interchoice_chain, interchoice_curves, interchoice_fig5
from trueshot.studies.interchoice_chain_setting import kinds
from trueshot.studies.result import Estimate, Scale, StudyResult

NAME = "interchoice-fig9"
TITLE = "Inter-choice weights, Fig. 9: improvement in a chain on SubImageNet below ten architectures"
FOLDER = interchoice.FOLDER

_WHERE = "chain"


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Take up the truth and the supernets of Fig. 5 and follow their curves to the end."""
    chains = interchoice_chain.Chains.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    truth = chains.truth().by(chains.setting.truth_metric).mean(axis=0)
    found = {label: chains.outcome(kind, truth) for label, kind in kinds(scale).items()}
    rows = interchoice_curves.improvement_rows(_WHERE, found, left=interchoice_curves.BELOW)
    rows += interchoice_curves.seed_rows(_WHERE, found)
    notes = [
        chains.note(),
        interchoice_curves.seed_note(_WHERE, found),
        "The paper: beyond ten architectures the curves are chaotic and of high variance.",
    ]
    details = {label: one.curve(1) for label, one in found.items()}
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return chains.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device`` where Fig. 5 was not run before."""
    return interchoice_fig5.estimate(scale, device=device)
