"""Inter-choice weights, Table 2: how far supernets of one kind, trained by other seeds, agree with each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64

from trueshot.core.observe import SILENT, Observer
from trueshot.criteria.consistency import Consistency, self_consistency
from trueshot.studies import interchoice, interchoice_chain
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.interchoice_chain_setting import SETTINGS, kinds
from trueshot.studies.interchoice_curves import BASELINE
from trueshot.studies.result import Estimate, Row, Scale, StudyResult

NAME = "interchoice-table2"
TITLE = "Inter-choice weights, Table 2: self-consistency of supernets on SubImageNet"
FOLDER = interchoice.FOLDER

_METRICS = {"kendall_tau": "Kendall tau", "pearson": "Pearson", "spearman": "Spearman"}
_PAPER = {
    BASELINE: (0.761, 0.948, 0.927),
    "bias D=1": (0.730, 0.932, 0.904),
    "split at 400": (0.700, 0.905, 0.883),
    "split at 500": (0.703, 0.908, 0.884),
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
    """Score random architectures by every supernet of Fig. 5 and compare those of one kind in pairs."""
    chains = interchoice_chain.Chains.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    every = {label: chains.predictions(kind) for label, kind in kinds(scale).items()}
    found = {label: self_consistency(scores=scores) for label, scores in every.items()}
    rows: list[Row] = []
    for label, agreement in found.items():
        for (name, metric), paper in zip(_METRICS.items(), _PAPER[label], strict=True):
            values = tuple(float(getattr(pair, name)) for pair in agreement.pairs.values())
            rows.append(Row(what=label, metric=metric, paper=paper, values=values, note="n and spread over pairs"))
    rows += [_offset(label, scores) for label, scores in every.items()]
    notes = [
        chains.note(),
        f"{chains.setting.compared} random architectures, {chains.setting.repeats} supernets of each kind (the paper:"
        " 250 and 3). Pairs share supernets, so the intervals are too narrow.",
        _verdict(found),
        "In a chain BatchNorm takes the bias away (see Fig. 5), so that bias and baseline are one and the same kind but"
        " for rounding: the paper's 0.761 and 0.730 show how far such means of three pairs are apart by chance.",
        "The paper: more weights make supernets agree less, splitting more than bias, though what they select is"
        " better.",
    ]
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    details = {label: scores.tolist() for label, scores in every.items()}
    return chains.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device`` where Fig. 5 was not run before."""
    chosen, setting = list(kinds(scale).values()), SETTINGS[scale]
    return sum_up(
        scale,
        device,
        interchoice_chain.supernet_part(scale, device, chosen),
        interchoice_chain.scoring_part(scale, device, len(chosen) * setting.repeats * setting.compared),
    )


def _offset(label: str, scores: Float64[np.ndarray, "supernets n"]) -> Row:
    """Return how far the mean scores of supernets are apart, which no correlation sees."""
    spread = float(scores.std(axis=1, ddof=1).mean())
    apart = float(scores.mean(axis=1).std(ddof=1))
    return Row(
        what=label,
        metric="std of supernets' means / std of scores",
        values=(apart / spread if spread else 0.0,),
        note="offset between supernets, appendix F",
    )


def _verdict(found: dict[str, Consistency]) -> str:
    told = ", ".join(f"{label} {one.mean.kendall_tau:.3f}" for label, one in found.items())
    return f"Mean tau between two supernets of one kind: {told}."
