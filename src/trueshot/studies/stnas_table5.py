"""ST-NAS, Table 5: Kendall tau of a single checkpoint, fine-tuning, and the two expectations over SGLD samples."""

from __future__ import annotations

import math

import numpy as np

from trueshot.studies.analysis import TAU, differences, tau, tau_interval
from trueshot.studies.record import Claim, Finding, Outcome, Study
from trueshot.studies.scored import Scored
from trueshot.studies.stnas import SPREAD, STABILITY

_SINGLE = 0.71
_PAPER = {
    "Fine-tune": 0.64,
    "SGLD-param": 0.84,
    "SGLD-acc": 0.81,
    # Eq. 9 of the paper to the letter, which may be what its figures are of.
    "SGLD-param, T = 1": 0.84,
    "SGLD-acc, T = 1": 0.81,
}


def _analyse(scored: Scored) -> Outcome:
    truth, taus = scored.truth["truth"], {"Single checkpoint": single(scored)}
    findings = [Finding(what="Single checkpoint", metric=TAU, paper=_SINGLE, values=taus["Single checkpoint"])]
    for (_, name), scores in scored.scores.items():
        if "@" in name:
            continue
        known = truth[: scores.shape[1]]
        taus[name] = tuple(tau(row, known) for row in scores)
        few = len(scores) < 3
        findings.append(
            Finding(
                what=name,
                metric=TAU,
                paper=_PAPER.get(name),
                values=taus[name],
                interval=tau_interval(scores[0], known, scored.streams) if few else None,
                resampled="architectures",
                note="" if len(known) == len(truth) else f"{len(known)} architectures",
            )
        )
    # What was scored on fewer architectures is compared with the single checkpoint on the same ones.
    claims = {
        f"{name} less single": differences(taus[name], single(scored, scored.scores["supernet", name].shape[1]))
        for name in taus
        if name != "Single checkpoint"
    }
    notes = (
        f"{len(scored.archs)} architectures (the paper: 12), {scored.seeds} supernet(s); single: median of the taus"
        f" of the last {len(scored.columns('supernet', 'last'))} epochs (the paper: 10).",
    )
    return Outcome(findings=tuple(findings), claims=claims, notes=notes)


def _says(name: str) -> str:
    if name == "Fine-tune":
        return "fine-tuning ranks worse"
    return "the expectation ranks better" + (", by Eq. 9 to the letter" if "T = 1" in name else "")


def single(scored: Scored, count: int | None = None) -> tuple[float, ...]:
    """Return the median over the last checkpoints of their taus, for each supernet."""
    truth = scored.truth["truth"][:count]
    found = [[tau(row[:count], truth) for row in scores] for _, scores in scored.columns("supernet", "last")]
    return tuple(float(value) for value in np.median(found, axis=0))


STUDY = Study(
    name="stnas-table5",
    title="ST-NAS, Table 5: Kendall tau of a single checkpoint, fine-tuning, and the expectations over SGLD samples",
    question="Does averaging over SGLD samples of the shared weights rank architectures better than one checkpoint?",
    work=STABILITY,
    analyse=_analyse,
    claims=tuple(
        Claim(
            name=f"{name} less single",
            metric=TAU,
            says=_says(name),
            above=-math.inf if name == "Fine-tune" else 0.0,
            below=0.0 if name == "Fine-tune" else math.inf,
            paper=round(paper - _SINGLE, 2),
            prior=SPREAD,
        )
        for name, paper in _PAPER.items()
    ),
)
