"""Surgery, Fig. 3c: which architectures a supernet over- and under-estimates, by their computation.

The paper draws ten groups and prints no numbers; its text says that both lines fall from the cheapest to the dearest.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64

from trueshot.core.observe import SILENT, Observer
from trueshot.criteria.groups import CostGroup, by_cost
from trueshot.evaluation.costs import CostScore
from trueshot.spaces import NasBench201
from trueshot.studies import surgery as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.lab import Lab, scoring_part, supernet_part, tau
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "surgery-fig3c"
TITLE = "Surgery, Fig. 3c: over- and under-estimation by computation"
FOLDER = shared.FOLDER

_GROUPS = {Scale.SMOKE: 3, Scale.CPU: 10, Scale.PAPER: 10}


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Compare ranks and truth inside groups of like MAdds."""
    lab = Lab.open(shared.SETTINGS, scale, out=out, device=device, observer=observer, seed=seed, data=data)
    groups = shared.groups_of(lab)
    pairs = shared.ranking(lab, shared.DEISOMORPHIC, groups, "representatives", lab.setting.recipe.epochs)
    archs = groups.asked("representatives")
    cost = CostScore(NasBench201(), "madds")(archs)
    found = [
        by_cost(predicted=scores, true=truth, cost=cost, groups=_GROUPS[scale], criterion=_tau)
        for scores, truth in pairs
    ]
    rows = _rows(found, len(cost))
    rows += lab.rival_rows(archs)
    differences = np.array([[group.rank_difference for group in one] for one in found])
    details = {
        "madds": [[group.cost_low, group.cost_high] for group in found[0]],
        "kendall_tau": [[group.value for group in one] for one in found],
        "rank_difference": differences.tolist(),
    }
    notes = [shared.circumstances(lab, groups), _verdict(found, differences)]
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return lab.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    setting = shared.SETTINGS[scale]
    scores = setting.repeats * shared.scored(scale, "representatives")
    return sum_up(
        scale,
        device,
        supernet_part(setting, device, setting.repeats, shared.DEISOMORPHIC),
        scoring_part(setting, device, scores, shared.DEISOMORPHIC),
    )


def _tau(*, predicted: Float64[np.ndarray, " n"], true: Float64[np.ndarray, " n"]) -> float:
    """Return Kendall's tau, 0 where a side is constant: nothing is ranked then."""
    return tau(predicted, true)


def _rows(found: list[tuple[CostGroup, ...]], size: int) -> list[Row]:
    """Return both lines of the figure; rank differences in percent of what is ranked."""
    rows = []
    for number, alike in enumerate(zip(*found, strict=True), start=1):
        first = alike[0]
        what = f"group {number}, {first.cost_low / 1e6:.1f} to {first.cost_high / 1e6:.1f} M MAdds"
        rows += [
            Row(
                what=what,
                metric="Kendall tau inside",
                values=tuple(group.value or 0.0 for group in alike),
                note=f"{first.count} architectures",
            ),
            Row(
                what=what,
                metric="rank difference (% of all)",
                values=tuple(100.0 * group.rank_difference / size for group in alike),
                note="above 0: over-estimated",
            ),
        ]
    return rows


def _verdict(found: list[tuple[CostGroup, ...]], differences: Float64[np.ndarray, "supernets groups"]) -> str:
    numbers = np.arange(differences.shape[1], dtype=np.float64)
    inside = np.array([[group.value or 0.0 for group in one] for one in found]).mean(axis=0)
    return (
        f"Trend from the cheapest to the dearest group (tau with its number): rank difference"
        f" {tau(differences.mean(axis=0), numbers):+.2f}, tau inside {tau(inside, numbers):+.2f}. The paper: both fall,"
        " so large architectures are under-estimated and are harder to compare."
    )
