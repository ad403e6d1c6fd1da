"""ST-NAS, Table 5: Kendall tau of a single checkpoint, fine-tuning, and the two expectations over SGLD samples."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64

from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory, read_log
from trueshot.evaluation.config import Way
from trueshot.strategies.supernet import TrainedSupernet
from trueshot.studies import stnas_ablation as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.result import Estimate, Part, Row, Scale, StudyResult
from trueshot.studies.supernets import Kept, tau, tau_interval
from trueshot.training.snapshots import load_snapshot

NAME = "stnas-table5"
TITLE = "ST-NAS, Table 5: Kendall tau of a single checkpoint, fine-tuning, and the expectations over SGLD samples"
FOLDER = shared.FOLDER

_PAPER = {"Single checkpoint": 0.71, "Fine-tune": 0.64, "SGLD-param": 0.84, "SGLD-acc": 0.81}
_CHECKPOINTS = 10
_REPEATS = {Scale.SMOKE: 1, Scale.CPU: 2, Scale.PAPER: 1}

_WAYS: dict[str, Way] = {"Fine-tune": "fine-tuned", "SGLD-param": "parameter", "SGLD-acc": "score"}


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Score random architectures in each way and compare with the truth."""
    ablation = shared.Ablation.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    archs = ablation.random()
    truth = ablation.truth(archs)
    taus: dict[str, list[float]] = {name: [] for name in _PAPER}
    scores: dict[str, list[Float64[np.ndarray, "n"]]] = {name: [] for name in _WAYS}
    for repeat in range(_REPEATS[scale]):
        kept = ablation.supernet(repeat)
        sampled = _sample(ablation, kept)
        last = [ablation.scores(kept, file, archs) for file in kept.last[-_CHECKPOINTS:]]
        taus["Single checkpoint"].append(float(np.median([tau(values, truth) for values in last])))
        for name, way in _WAYS.items():
            observer.say(f"{name}: {len(archs)} architectures")
            values = 100.0 * ablation.ask(sampled.evaluator(way), archs)
            scores[name].append(values)
            taus[name].append(tau(values, truth))
    rows = _rows(taus, scores, truth, seed)
    checkpoints = min(_CHECKPOINTS, ablation.setting.last)
    notes = [
        f"Truth of {len(archs)} architectures (the paper: 12), {ablation.setting.truth_seeds} training(s) each;"
        f" {_REPEATS[scale]} supernet(s); single: median over the last {checkpoints} epochs (the paper: 10);"
        f" {ablation.setting.samples} SGLD samples at temperature 1/N (the paper: 20, temperature not clear).",
        _verdict(taus),
    ]
    details = {
        "archs": [ablation.space.format(row) for row in archs],
        "truth": truth.tolist(),
        "scores": {name: [values.tolist() for values in found] for name, found in scores.items()},
    }
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return ablation.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    setting, repeats = shared.SETTINGS[scale], _REPEATS[scale]
    truth = shared.truth_part(scale, device, setting.archs)
    tuned = repeats * setting.archs * setting.fine_tune_steps * setting.supernet.batch_size
    return sum_up(
        scale,
        device,
        truth,
        shared.supernet_part(scale, device, repeats),
        shared.supernet_part(scale, device, repeats, epochs=setting.samples - 1),
        Part(what="fine-tuning", units=tuned, unit="image", seconds=truth.seconds),
        shared.scoring_part(scale, device, repeats * setting.archs * (_CHECKPOINTS + setting.samples + 1)),
    )


def _sample(ablation: shared.Ablation, kept: Kept) -> TrainedSupernet:
    """Sample from the trained weights on; the supernet has them in place again before and after."""
    weights, supernet = kept.weights, kept.trained.supernet
    run = RunDirectory(weights.context.run.path / f"sgld-{weights.sampling.samples}-temperature-default")
    own = dataclasses.replace(weights, context=weights.context.replace(run=run))
    supernet.load_state_dict(load_snapshot(kept.last[-1]))
    files = own.sample(supernet, own.batches())
    history = read_log(run.log("sgld"))
    ablation.work.count(str(run.path), history[-1]["seconds"] if history else 0.0)
    supernet.load_state_dict(load_snapshot(kept.last[-1]))
    return dataclasses.replace(kept.trained, weights=own, snapshots=tuple(files))


def _rows(
    taus: dict[str, list[float]],
    scores: dict[str, list[Float64[np.ndarray, "n"]]],
    truth: Float64[np.ndarray, "n"],
    seed: int,
) -> list[Row]:
    rows = []
    for name, published in _PAPER.items():
        interval, note = None, "n and spread over supernets"
        if name in scores and len(taus[name]) == 1:
            interval = tau_interval(scores[name][0], truth, Streams(seed))
            note = f"bootstrap over {len(truth)} architectures"
        rows.append(
            Row(
                what=name,
                metric="Kendall tau",
                paper=published,
                values=tuple(taus[name]),
                interval=interval,
                note=note,
            )
        )
    return rows


def _verdict(taus: dict[str, list[float]]) -> str:
    means = {name: float(np.mean(values)) for name, values in taus.items()}
    order = " > ".join(sorted(means, key=lambda name: -means[name]))
    gain = means["SGLD-param"] - means["Single checkpoint"]
    return f"Here {order}; SGLD-param less single checkpoint {gain:+.2f} (paper +0.13). With so few architectures a" + (
        " difference of 0.2 is within chance."
    )
