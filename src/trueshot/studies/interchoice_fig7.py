"""Inter-choice weights, Fig. 7: baselines on SubImageNet by epochs, augmentation and how BatchNorm is recalibrated.

The paper draws curves and prints no figures; its findings are in the notes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from trueshot.core.observe import SILENT, Observer
from trueshot.core.run import read_log
from trueshot.studies import interchoice, interchoice_chain, interchoice_curves
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.interchoice_chain_setting import EPOCHS, SETTINGS, Kind
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "interchoice-fig7"
TITLE = "Inter-choice weights, Fig. 7: epochs, augmentation and BatchNorm of baselines on SubImageNet"
FOLDER = interchoice.FOLDER

_EPOCHS = {False: (300, 600, 900), True: (150, 600)}
"""Published epochs by whether images are augmented strongly."""


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Train a baseline for each of them and score it with BatchNorm statistics that are adapted, or estimated anew."""
    chains = interchoice_chain.Chains.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    setting = chains.setting
    truth = chains.truth().by(setting.truth_metric).mean(axis=0)
    rows: list[Row] = []
    details: dict[str, Any] = {}
    for label, kind in _kinds().items():
        found, accuracies = _outcomes(chains, kind, truth)
        rows.append(
            Row(
                what=label,
                metric="training accuracy (%)",
                values=tuple(accuracies),
                note="last epoch, over sampled architectures",
            )
        )
        rows += interchoice_curves.improvement_rows(label, found)
        details[label] = {mode: one.curve(interchoice_curves.LEFT) for mode, one in found.items()}
    notes = [
        chains.note(),
        f"Epochs are published ones; ours are {setting.recipe.epochs} for {EPOCHS}, the others in proportion."
        " BatchNorm statistics of the supernet are adapted by some training batches, or estimated anew from as many.",
        "The paper: 150 epochs with strong augmentation reach less than 50 % training accuracy and rank poorly; with"
        " weaker augmentation 300 are poor, 600 and 900 equal. A reset of the statistics is detrimental in nearly all"
        " cases.",
    ]
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return chains.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    chosen, setting = list(_kinds().values()), SETTINGS[scale]
    return sum_up(
        scale,
        device,
        interchoice_chain.truth_part(scale, device),
        interchoice_chain.supernet_part(scale, device, chosen),
        interchoice_chain.scoring_part(scale, device, 2 * len(chosen) * setting.repeats * setting.archs),
    )


def _kinds() -> dict[str, Kind]:
    return {
        f"{epochs} epochs, {'strong' if strong else 'weak'} augmentation": Kind(
            name=f"baseline-{epochs}-{'strong' if strong else 'weak'}", epochs=epochs / EPOCHS, strong=strong
        )
        for strong, each in _EPOCHS.items()
        for epochs in each
    }


def _outcomes(
    chains: interchoice_chain.Chains, kind: Kind, truth: Float64[np.ndarray, " n"]
) -> tuple[dict[str, interchoice_curves.Outcome], list[float]]:
    """Return the outcome by the way of recalibration, and the supernets' training accuracies in percent."""
    archs, modes = chains.archs(), {"adapted": chains.setting.recalibration, "reset": chains.setting.reset}
    scores: dict[str, list[Float64[np.ndarray, " n"]]] = {mode: [] for mode in modes}
    accuracies = []
    for repeat in range(chains.setting.repeats):
        trained = chains.trained(kind, repeat)
        accuracies.append(100.0 * float(read_log(trained.setup.run.log("supernet"))[-1]["accuracy"]))
        for mode, recalibration in modes.items():
            scores[mode].append(chains.scores(trained, archs, recalibration=recalibration))
    return {
        mode: interchoice_curves.Outcome(truth=truth, scores=tuple(each)) for mode, each in scores.items()
    }, accuracies
