"""Surgery, Fig. 3b: supernets with fewer channels than the network.

The paper draws curves and prints no numbers; its text says that fewer channels have little influence on it.
"""

from __future__ import annotations

from pathlib import Path

import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.studies import surgery as shared
from trueshot.studies import surgery_proxies as proxies
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.lab import Lab
from trueshot.studies.result import Estimate, Scale, StudyResult

NAME = "surgery-fig3b"
TITLE = "Surgery, Fig. 3b: supernets with fewer channels than the network"
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
    """Rank by supernets of each width, against the truth of the full network."""
    lab = Lab.open(shared.SETTINGS, scale, out=out, device=device, observer=observer, seed=seed, data=data)
    groups = shared.groups_of(lab)
    rows, taus = proxies.compare(lab, groups, proxies.by_width(scale))
    rows += lab.rival_rows(groups.asked("representatives"))
    notes = [
        shared.circumstances(lab, groups),
        "The truth is always that of networks with 16 channels and 17 layers.",
        f"{proxies.verdict(taus)} The paper: fewer channels have little influence on it.",
    ]
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return lab.work.result(NAME, TITLE, rows, notes, estimate=costs, details={"kendall_tau": taus})


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    return sum_up(scale, device, *proxies.parts(scale, proxies.by_width(scale), device))
