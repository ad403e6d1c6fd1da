"""Inter-choice weights, Fig. 10: the predictions of one supernet against those of another, pair by pair.

The paper draws the points and prints no figures but the means of Table 2; its findings are in the notes.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.studies import interchoice, interchoice_chain, interchoice_table2
from trueshot.studies.interchoice_chain_setting import kinds
from trueshot.studies.result import Estimate, Row, Scale, StudyResult
from trueshot.studies.supernets import tau, tau_interval

NAME = "interchoice-fig10"
TITLE = "Inter-choice weights, Fig. 10: one supernet against another on SubImageNet"
FOLDER = interchoice.FOLDER


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Take up the predictions of Table 2 and compare every two supernets of a kind."""
    chains = interchoice_chain.Chains.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    rows: list[Row] = []
    details: dict[str, Any] = {}
    for label, kind in kinds(scale).items():
        scores = chains.predictions(kind)
        spread = float(scores.std(axis=1, ddof=1).mean())
        for (i, a), (j, b) in itertools.combinations(enumerate(scores), 2):
            what = f"{label}, supernets {i + 1} and {j + 1}"
            shift = float(np.mean(b - a)) / spread if spread else 0.0
            rows += [
                Row(
                    what=what,
                    metric="Kendall tau",
                    values=(tau(a, b),),
                    interval=tau_interval(a, b, chains.streams),
                    note=f"interval over {len(a)} architectures",
                ),
                Row(what=what, metric="offset / std of scores", values=(shift,)),
                Row(
                    what=what,
                    metric="of the ten best of one, among those of the other",
                    values=(float(len(_best(a) & _best(b))),),
                    note=f"by chance {len(_best(a)) ** 2 / len(a):.1f}",
                ),
            ]
        details[label] = scores.tolist()
    notes = [
        chains.note(),
        "The paper: supernets of the baseline and those split at 400 are offset in accuracy, the others far less; it"
        " takes that for a random artifact, as correlations do not see it.",
    ]
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return chains.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device`` where neither Fig. 5 nor Table 2 was run before."""
    return interchoice_table2.estimate(scale, device=device)


def _best(scores: np.ndarray, count: int = 10) -> set[int]:
    return set(np.argsort(-scores, kind="stable")[:count].tolist())
