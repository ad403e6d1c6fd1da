"""ST-NAS, Table 2: efficient search methods and a searched network at equal MAdds."""

from __future__ import annotations

from pathlib import Path

import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.studies import baselines
from trueshot.studies import stnas_winners as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "stnas-table2"
TITLE = "ST-NAS, Table 2: efficient search methods and a searched network at equal MAdds"
FOLDER = shared.FOLDER

_PUBLISHED = (
    ("DARTS", 574, 73.3),
    ("Proxyless-R", 320, 74.6),
    ("Single-path NAS", 365, 75.0),
    ("FBNet-C", 375, 74.9),
    ("SPOS", 328, 74.7),
    ("BetaNet-A", 333, 75.9),
)


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Search, then train FairNAS-A and MobileNetV2 at the MAdds of the lesser winner."""
    winners = shared.Winners.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    rows: list[Row] = [
        winners.ours("winner", 76.4),
        winners.ours("random", None),
        winners.baseline("FairNAS-A, scaled", baselines.fairnas_a, 75.3),
        winners.baseline("MobileNetV2, scaled", baselines.mobilenet_v2, None),
    ]
    notes = [winners.against(rows), *shared.caveats(scale)]
    rows += [shared.published(*row) for row in _PUBLISHED]
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    networks = [record.to_json() for record in winners.records]
    details = {"networks": networks, "evaluated": winners.result.head["evaluated"]}
    return winners.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    made = [baselines.fairnas_a, baselines.mobilenet_v2]
    return sum_up(scale, device, *shared.parts(scale, device, made))
