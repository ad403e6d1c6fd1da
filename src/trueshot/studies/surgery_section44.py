"""Surgery, section 4.4: search by a small supernet, then train what was found at full size.

The paper draws its conclusion from the correlations of Fig. 3; here the search itself is made with each proxy, and what
it picks is looked up at the full size of the benchmark, 16 channels and 17 layers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64

from trueshot.core.observe import SILENT, Observer
from trueshot.criteria.columns import order, ranks
from trueshot.studies import surgery as shared
from trueshot.studies import surgery_proxies as proxies
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.lab import Condition, Lab
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "surgery-section44"
TITLE = "Surgery, section 4.4: what a search by a small supernet is worth at full size"
FOLDER = shared.FOLDER

_BEST = 5
_ONE, _FEW, _RANK = "best by score: accuracy (%)", f"best {_BEST}: mean accuracy (%)", "best by score: true rank (%)"


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Pick by supernets of each size and look the picks up."""
    lab = Lab.open(shared.SETTINGS, scale, out=out, device=device, observer=observer, seed=seed, data=data)
    groups = shared.groups_of(lab)
    rows: list[Row] = []
    found: dict[str, float] = {}
    for name, condition in _conditions(scale).items():
        pairs = shared.ranking(lab, condition, groups, "representatives", lab.setting.recipe.epochs)
        picked = _picked(name, pairs)
        rows += picked
        found[name] = picked[0].ours or 0.0
    archs = groups.asked("representatives")
    _, truth = groups.pair(np.zeros(len(archs)), "representatives")
    for name, scores in lab.rivals(archs).items():
        rows += _picked(name, [(scores, truth)], note="no supernet")
    rows += [
        Row(what="random choice", metric=_ONE, values=(float(truth.mean()),), note="mean of all"),
        Row(what="best of all", metric=_ONE, values=(float(truth.max()),), note="by the truth"),
    ]
    told = ", ".join(f"{name} {accuracy:.2f} %" for name, accuracy in found.items())
    notes = [
        shared.circumstances(lab, groups),
        f"Picks are made among these {len(archs)} groups; the best of them has {truth.max():.2f} %, one in twenty at"
        f" least {np.quantile(truth, 0.95):.2f} %. Of equal scores the first counts.",
        f"Full-size accuracy of what each supernet likes best: {told}. The paper: fewer channels do little harm, fewer"
        " layers make the result less reliable.",
    ]
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return lab.work.result(NAME, TITLE, rows, notes, estimate=costs, details={"accuracy": found})


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    return sum_up(scale, device, *proxies.parts(scale, _conditions(scale), device))


def _conditions(scale: Scale) -> dict[str, Condition]:
    """Return all sizes of Fig. 3a and 3b; the size that both have is there once."""
    conditions = {**proxies.by_depth(scale), **proxies.by_width(scale)}
    own = [name for name, condition in conditions.items() if condition is shared.DEISOMORPHIC]
    space = shared.SETTINGS[scale].space
    whole = f"{3 * space.cells + 2} layers, {space.channels} channels"
    kept = {name: condition for name, condition in conditions.items() if name not in own}
    return {whole: shared.DEISOMORPHIC, **kept}


def _picked(name: str, pairs: list[shared.Ranking], *, note: str = "") -> list[Row]:
    """Return what the best by score are worth, over supernets."""
    chosen = [order(scores)[:_BEST] for scores, _ in pairs]
    truths: list[Float64[np.ndarray, " k"]] = [truth for _, truth in pairs]
    both = list(zip(chosen, truths, strict=True))
    values = {
        _ONE: [float(truth[best[0]]) for best, truth in both],
        _FEW: [float(truth[best].mean()) for best, truth in both],
        _RANK: [100.0 * float(ranks(truth)[best[0]]) / len(truth) for best, truth in both],
    }
    return [Row(what=name, metric=metric, values=tuple(some), note=note) for metric, some in values.items()]
