"""ST-NAS, section 3.3: how much successive SGLD samples are correlated, at temperatures 0, 1/N and 1.

The paper takes samples one data epoch apart "to ensure the independence" and gives no figures. Temperature 1 is its
Eq. 9 to the letter.
"""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64

from trueshot.core.errors import CheckpointError, TrainingError
from trueshot.core.observe import SILENT, Observer
from trueshot.core.run import RunDirectory, read_log
from trueshot.strategies.setup import Setup
from trueshot.strategies.weights import sample_weights, supernet_batches
from trueshot.studies import stnas_ablation as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.result import Estimate, Row, Scale, StudyResult
from trueshot.training.sgld import load_snapshot

NAME = "stnas-sgld"
TITLE = "ST-NAS, section 3.3: correlation between successive SGLD samples at temperatures 0, 1/N and 1"
FOLDER = shared.FOLDER

_TEMPERATURES: dict[str, float | None] = {"0": 0.0, "1/N": None, "1": 1.0}


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Sample the weights of one supernet at each temperature and compare samples by their distance in epochs."""
    ablation = shared.Ablation.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    archs = ablation.random()
    trained = ablation.supernet("matched", 0)
    rows: list[Row] = []
    details: dict[str, object] = {}
    notes = [
        f"Step size {ablation.setting.supernet.final_lr:g} (the last of the training), one data epoch between samples,"
        f" {ablation.setting.samples} samples with the trained weights as the first; {len(archs)} architectures.",
        "Intervals over samples and over pairs of samples are too narrow: neighbours are not independent.",
        "Cosine of successive weight moves: independent samples give -0.5, a free random walk 0, steady drift 1.",
    ]
    for told, temperature in _TEMPERATURES.items():
        setup = at_temperature(trained.setup, temperature)
        try:
            files = sample(ablation, trained, setup)
            scores = np.stack([ablation.scores(trained, file, archs) for file in files])
        except (TrainingError, CheckpointError) as error:
            notes.append(f"Temperature {told}: sampling broke the weights ({error}).")
            rows.append(Row(what=f"T = {told}", metric="mean accuracy (%)", note="weights broken"))
            continue
        distances, cosines = _weights_apart(files)
        rows += _rows(told, scores, distances, cosines)
        details[told] = {"scores": scores.tolist(), "relative_distance": distances, "cosine_of_moves": cosines}
    notes += _notes(rows)
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return ablation.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    setting = shared.SETTINGS[scale]
    return sum_up(
        scale,
        device,
        shared.supernet_part(scale, device, 1),
        shared.supernet_part(scale, device, len(_TEMPERATURES), epochs=setting.samples - 1),
        shared.scoring_part(scale, device, len(_TEMPERATURES) * setting.samples * setting.archs),
    )


def at_temperature(setup: Setup, temperature: float | None) -> Setup:
    """Return the setup of sampling the same supernet at a temperature, ``None`` for 1/N, in a directory of its own."""
    config = setup.config
    weights = config.weight_sampling.model_copy(update={"temperature": temperature})
    name = "default" if temperature is None else f"{temperature:g}"
    return dataclasses.replace(
        setup,
        config=config.model_copy(update={"weight_sampling": weights}),
        run=RunDirectory(setup.run.path / f"sgld-{weights.samples}-temperature-{name}"),
    )


def sample(ablation: shared.Ablation, trained: shared.Trained, setup: Setup) -> list[Path]:
    """Sample from the trained weights on; the supernet has them in place again before and after."""
    trained.supernet.load_state_dict(load_snapshot(trained.last[-1]))
    files = sample_weights(setup, trained.supernet, supernet_batches(setup))
    history = read_log(setup.run.log("sgld"))
    ablation.work.count(str(setup.run.path), history[-1]["seconds"] if history else 0.0)
    trained.supernet.load_state_dict(load_snapshot(trained.last[-1]))
    return files


def _weights_apart(files: list[Path]) -> tuple[list[float], list[float]]:
    """Return by distance d: the mean of |w_i+d - w_i| / |w_i|, and the cosine of moves that are d - 1 moves apart.

    The cosine of a move from one sample to the next with itself, d = 1, is 1; with an independent one it is 0, and
    with the next one of a chain of independent samples -1/2.
    """
    vectors = [_flat(file) for file in files]
    moves = [after - before for before, after in itertools.pairwise(vectors)]
    distances, cosines = [], []
    for distance in range(1, len(vectors)):
        pairs = zip(vectors, vectors[distance:], strict=False)
        distances.append(float(np.mean([float((b - a).norm() / a.norm()) for a, b in pairs])))
        both = zip(moves, moves[distance - 1 :], strict=False)
        values = [float(torch.nn.functional.cosine_similarity(a, b, dim=0)) for a, b in both]
        cosines.append(float(np.mean(values)))
    return distances, cosines


def _flat(file: Path) -> torch.Tensor:
    state = load_snapshot(file)
    parts = [value.double().flatten() for name, value in state.items() if _is_weight(name, value)]
    return torch.cat(parts)


def _is_weight(name: str, value: torch.Tensor) -> bool:
    return value.is_floating_point() and "running_" not in name


def _rows(
    told: str, scores: Float64[np.ndarray, "samples n"], distances: list[float], cosines: list[float]
) -> list[Row]:
    what, samples = f"T = {told}", len(scores)
    rows = [
        Row(what=what, metric="mean accuracy (%)", values=tuple(scores.mean(axis=1).tolist()), note="over samples"),
        Row(
            what=what,
            metric="std of a score (points)",
            values=tuple(scores.std(axis=0, ddof=1).tolist()),
            note="between samples; n and spread over architectures",
        ),
    ]
    shown = sorted({1, 2, samples // 2, samples - 1} & set(range(1, samples)))
    for distance in shown:
        pairs = [shared.tau(scores[i], scores[i + distance]) for i in range(samples - distance)]
        rows.append(
            Row(
                what=f"{what}, distance {distance}",
                metric="tau of their scores",
                values=tuple(pairs),
                note=f"weights {distances[distance - 1]:.2g} apart",
                figures={"relative_distance": distances[distance - 1]},
            )
        )
    residual = scores - scores.mean(axis=0)
    power = float((residual**2).mean())
    if power > 0:
        lagged = float((residual[1:] * residual[:-1]).mean()) / power
        rows.append(
            Row(
                what=f"{what}, distance 1",
                metric="autocorrelation of scores",
                values=(lagged,),
                note=f"independent samples give {-1 / samples:.2f} on average",
            )
        )
    if len(cosines) > 1:
        rows.append(
            Row(
                what=f"{what}, next move",
                metric="cosine of weight moves",
                values=(cosines[1],),
            )
        )
    return rows


def _notes(rows: list[Row]) -> list[str]:
    notes = []
    for told in _TEMPERATURES:
        mean = _find(rows, f"T = {told}", "mean accuracy (%)")
        lagged = _find(rows, f"T = {told}, distance 1", "autocorrelation of scores")
        moves = _find(rows, f"T = {told}, next move", "cosine of weight moves")
        if mean is None or not mean.values:
            continue
        line = f"T = {told}: accuracy from {mean.values[0]:.1f} % to {mean.values[-1]:.1f} % over the samples"
        if lagged is not None and moves is not None:
            line += f"; lag-1 autocorrelation of scores {lagged.ours:.2f}; cosine of successive moves {moves.ours:.2f}"
            if (moves.ours or 0.0) > -0.25:
                line += " (nearer a walk than independent samples of a posterior)"
        notes.append(f"{line}.")
    return notes


def _find(rows: list[Row], what: str, metric: str) -> Row | None:
    return next((row for row in rows if row.what == what and row.metric == metric), None)
