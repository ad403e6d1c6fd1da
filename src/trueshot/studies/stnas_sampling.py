"""ST-NAS, section 3.2: uniform sampling against matched p_drop; are cheap networks under-trained?

The paper says so in words and gives no figures. Both supernets train equally long; architectures from cheap to dear are
scored by both and trained alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64

from trueshot.core.observe import SILENT, Observer
from trueshot.core.units import format_count
from trueshot.criteria.bootstrap import mean_interval
from trueshot.criteria.groups import by_cost, cost_groups
from trueshot.sampling import Matched, Uniform
from trueshot.studies import stnas_ablation as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "stnas-sampling"
TITLE = "ST-NAS, section 3.2: uniform sampling against matched p_drop; are cheap networks under-trained?"
FOLDER = shared.FOLDER

_GROUPS = ("cheap", "middle", "dear")
_REPEATS = {Scale.SMOKE: 1, Scale.CPU: 2, Scale.PAPER: 3}


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Train supernets by both samplers and compare them by cost group."""
    ablation = shared.Ablation.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    archs = ablation.spread(len(_GROUPS))
    truth = ablation.truth(archs)
    cost = ablation.space.cost(archs).madds
    labels = cost_groups(cost=cost, groups=len(_GROUPS))
    scores: dict[str, list[Float64[np.ndarray, "n"]]] = {"uniform": [], "matched": []}
    for repeat in range(_REPEATS[scale]):
        for name, found in scores.items():
            trained = ablation.supernet(name, repeat, uniform=name == "uniform")
            found.append(ablation.scores(trained, trained.last[-1], archs))
    rows = _group_rows(truth, cost, labels, scores)
    rows += [_overall(name, found, truth) for name, found in scores.items()]
    shift = _shift(scores, labels)
    interval = mean_interval(np.array(shift))
    rows.append(
        Row(
            what="matched less uniform",
            metric="points, cheap less dear",
            values=tuple(shift),
            note="above 0: matching trains cheap networks further",
        )
    )
    sampled = {
        "uniform": _mean_madds(Uniform(ablation.space), seed),
        "matched": _mean_madds(ablation.matched, seed),
    }
    notes = [
        f"Expected MAdds of a training step: uniform {format_count(sampled['uniform'])}, matched"
        f" {format_count(sampled['matched'])} (p_drop {shared.P_DROP}).",
        f"Truth: each of {len(archs)} architectures trained alone, {ablation.setting.truth_seeds} seed(s), test images;"
        " scores: validation images.",
        _verdict(float(np.mean(shift)), None if interval is None else (interval.low, interval.high)),
    ]
    details = {
        "archs": [ablation.space.format(row) for row in archs],
        "madds": cost.tolist(),
        "truth": truth.tolist(),
        "scores": {name: [values.tolist() for values in found] for name, found in scores.items()},
        "expected_madds": sampled,
    }
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return ablation.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    archs = max(3, shared.SETTINGS[scale].archs // 3 * 3)
    supernets = 2 * _REPEATS[scale]
    return sum_up(
        scale,
        device,
        shared.truth_part(scale, device, archs),
        shared.supernet_part(scale, device, supernets),
        shared.scoring_part(scale, device, supernets * archs),
    )


def _group_rows(
    truth: Float64[np.ndarray, "n"],
    cost: np.ndarray,
    labels: np.ndarray,
    scores: dict[str, list[Float64[np.ndarray, "n"]]],
) -> list[Row]:
    rows = []
    for group, told in enumerate(_GROUPS):
        members = labels == group
        span = f"{format_count(float(cost[members].min()))} to {format_count(float(cost[members].max()))} MAdds"
        rows.append(
            Row(
                what=f"alone, {told}",
                metric="accuracy (%)",
                values=tuple(truth[members].tolist()),
                note=f"{span}; n and spread over architectures",
            )
        )
    for name, found in scores.items():
        columns = [by_cost(predicted=values, true=truth, cost=cost, groups=len(_GROUPS)) for values in found]
        for group, told in enumerate(_GROUPS):
            members = labels == group
            rows.append(
                Row(
                    what=f"{name}, {told}",
                    metric="supernet accuracy (%)",
                    values=tuple(float(values[members].mean()) for values in found),
                    note="n and spread over supernets",
                )
            )
            rows.append(
                Row(
                    what=f"{name}, {told}",
                    metric="rank difference",
                    values=tuple(column[group].rank_difference for column in columns),
                    note="true less predicted rank; below 0: under-estimated",
                )
            )
    return rows


def _overall(name: str, found: list[Float64[np.ndarray, "n"]], truth: Float64[np.ndarray, "n"]) -> Row:
    return Row(what=name, metric="Kendall tau", values=tuple(shared.tau(values, truth) for values in found))


def _shift(scores: dict[str, list[Float64[np.ndarray, "n"]]], labels: np.ndarray) -> list[float]:
    """Return, for each pair of supernets, by how much more cheap networks gain from matching than dear ones."""
    gains = [b - a for a, b in zip(scores["uniform"], scores["matched"], strict=True)]
    return [float(gain[labels == 0].mean() - gain[labels == len(_GROUPS) - 1].mean()) for gain in gains]


def _mean_madds(sampler: Uniform | Matched, seed: int) -> float:
    archs = sampler.sample(5000, np.random.default_rng(seed))
    return float(sampler.space.cost(archs).madds.mean())


def _verdict(shift: float, interval: tuple[float, float] | None) -> str:
    told = f"Matching shifts accuracy from dear to cheap networks by {shift:+.2f} points"
    if interval is None:
        return f"{told}; one pair of supernets, so that its spread is unknown."
    low, high = interval
    if low <= 0 <= high:
        return f"{told}, an interval of {low:+.2f} to {high:+.2f}: no evidence here for or against the claim."
    return (
        f"{told}, an interval of {low:+.2f} to {high:+.2f}: the claim is {'borne out' if low > 0 else 'refuted'} here."
    )
