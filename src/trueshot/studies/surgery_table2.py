"""Surgery, Table 2: how far scores and ranks differ inside isomorphic groups, beside the truth's own noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64

from trueshot.core.observe import SILENT, Observer
from trueshot.criteria.groups import mean_group_rank_std, mean_group_std
from trueshot.studies import surgery as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.lab import Lab, scoring_part, supernet_part
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "surgery-table2"
TITLE = "Surgery, Table 2: deviation of accuracies and ranks inside isomorphic groups"
FOLDER = shared.FOLDER

_ACCURACY, _GLOBAL, _RANK = "accuracy std (points)", "global accuracy std (points)", "rank std of 15,625"
_PAPER = {
    _ACCURACY: {200: 0.193, 400: 0.161, 600: 0.0901, 800: 0.0977, 1000: 0.0911},
    _GLOBAL: {200: 11.4, 400: 16.5, 600: 13.3, 800: 21.1, 1000: 21.1},
    _RANK: {200: 162.0, 400: 153.0, 600: 123.0, 800: 116.0, 1000: 117.0},
}
_PAPER_TRUTH = {_ACCURACY: 0.0392, _GLOBAL: 12.9, _RANK: 65.1}
_SIZE = 15_625
_CONDITIONS = {"uniform sampling": shared.UNIFORM, "de-isomorphic sampling": shared.DEISOMORPHIC}


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Score all members of each group by accuracy at each fifth of the training."""
    lab = Lab.open(shared.SETTINGS, scale, out=out, device=device, observer=observer, seed=seed, data=data)
    groups = shared.groups_of(lab)
    whole = shared.groups_of(lab, _SIZE)
    rows = _rows("truth, all groups", [_deviations(whole, whole.truth)], _PAPER_TRUTH)
    if len(groups.rows) < len(whole.rows):
        rows += _rows("truth, these groups", [_deviations(groups, groups.truth)], {})
    curves: dict[str, dict[str, list[float]]] = {}
    for name, condition in _CONDITIONS.items():
        lines: dict[str, list[float]] = {}
        for epoch, mark in shared.fifths(lab.setting).items():
            pairs = shared.ranking(lab, condition, groups, "all", mark, metric="accuracy")
            found = [_deviations(groups, 100.0 * scores) for scores, _ in pairs]
            paper = {metric: values[epoch] for metric, values in _PAPER.items()} if condition is shared.UNIFORM else {}
            rows += _rows(f"{name}, {shared.told(lab.setting, mark)}", found, paper)
            for metric in _PAPER:
                lines.setdefault(metric, []).append(float(np.mean([one[metric] for one in found])))
        curves[name] = lines
    notes = [
        shared.circumstances(lab, groups),
        "Here scores are accuracies whatever the scale ranks by. Means are over all groups, those of one architecture"
        " included, with deviation 0, as in the paper; ranks among fewer architectures are scaled to 15,625. The paper"
        " does not say with which sampling its supernet was trained; its values stand beside uniform sampling.",
        _verdict(curves),
    ]
    details = {"curves": curves, "epochs": list(shared.fifths(lab.setting).values())}
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return lab.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    setting = shared.SETTINGS[scale]
    scores = setting.repeats * len(shared.fifths(setting)) * shared.scored(scale, "all")
    parts = []
    for condition in _CONDITIONS.values():
        parts += [
            supernet_part(setting, device, setting.repeats, condition),
            scoring_part(setting, device, scores, condition),
        ]
    return sum_up(scale, device, *parts)


def _deviations(groups: shared.Groups, values: Float64[np.ndarray, " n"]) -> dict[str, float]:
    """Return the three lines of the table for accuracies in percent."""
    scaled = _SIZE / len(values)
    return {
        _ACCURACY: mean_group_std(values=values, labels=groups.labels),
        _GLOBAL: float(values.std()),
        _RANK: scaled * mean_group_rank_std(values=values, labels=groups.labels),
    }


def _rows(what: str, found: list[dict[str, float]], paper: dict[str, float]) -> list[Row]:
    return [
        Row(what=what, metric=metric, paper=paper.get(metric), values=tuple(one[metric] for one in found))
        for metric in _PAPER
    ]


def _verdict(curves: dict[str, dict[str, list[float]]]) -> str:
    told = []
    for name, lines in curves.items():
        first, last = lines[_RANK][0], lines[_RANK][-1]
        told.append(f"{name} {first:.0f} to {last:.0f}")
    return (
        f"Rank deviation from the first to the last fifth: {'; '.join(told)} (the paper: 162 to 117, the truth 65.1)."
    )
