"""ST-NAS, Table 3: winners beside off-the-shelf networks in two groups of MAdds."""

from __future__ import annotations

from pathlib import Path

import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.studies import rivals
from trueshot.studies import stnas_winners as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "stnas-table3"
TITLE = "ST-NAS, Table 3: winners beside off-the-shelf networks in two groups of MAdds"
FOLDER = shared.FOLDER

_RIVALS = {
    "ST-NAS-A": (
        ("MNASNet, scaled", rivals.mnasnet, None),
        ("MobileNetV2, scaled", rivals.mobilenet_v2, None),
    ),
    "ST-NAS-B": (
        ("MobileNetV2, scaled", rivals.mobilenet_v2, 74.7),
        ("ShuffleNetV2, scaled", rivals.shufflenet_v2, 74.9),
        ("MNASNet, scaled", rivals.mnasnet, None),
    ),
}
_TOP1 = {"ST-NAS-A": 76.4, "ST-NAS-B": 77.9}
_PUBLISHED = {
    "ST-NAS-A": (
        ("MNASNet-A1", 312, 75.2),
        ("MNASNet-A2", 340, 75.6),
        ("RCNet-B", 471, 74.7),
        ("NASNet-B", 488, 72.8),
        ("EfficientNet-B0", 390, 76.3),
    ),
    "ST-NAS-B": (
        ("NASNet-C", 558, 72.5),
        ("NASNet-A", 564, 74.0),
        ("1.4-MNASNet-A1", 600, 77.2),
        ("RENASNet", 580, 75.7),
        ("PNASNet", 588, 74.2),
    ),
}


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Search, then train off-the-shelf networks at the MAdds of each winner."""
    winners = shared.Winners.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    rows: list[Row] = []
    notes: list[str] = []
    for model, top1 in _TOP1.items():
        group = [winners.ours(model, "winner", top1), winners.ours(model, "random", None)]
        group += [winners.rival(f"{told} to {model}", make, model, paper) for told, make, paper in _RIVALS[model]]
        notes.append(winners.against(model, group))
        rows += group + [shared.published(*row) for row in _PUBLISHED[model]]
    notes += [*shared.caveats(scale), "MNASNet is B1: A1 of the paper adds squeeze and excitation."]
    if scale is Scale.PAPER:
        notes.append("Published MobileNetV2 and ShuffleNetV2 are at 585M and 591M, ours at the MAdds of the winner.")
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    details = {"networks": winners.result["networks"], "evaluated": winners.result["evaluated"]}
    return winners.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    made = [(make, model) for model, group in _RIVALS.items() for _, make, _ in group]
    return sum_up(scale, device, *shared.parts(scale, device, made))
