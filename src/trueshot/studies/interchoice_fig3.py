"""Inter-choice weights, Fig. 3: the improvement by pruning, and the correlation among the best architectures."""

from __future__ import annotations

import numpy as np

from trueshot.core.results import Line, Series
from trueshot.criteria.curves import pruning_curve
from trueshot.studies.analysis import TAU, differences, tau
from trueshot.studies.interchoice import IMPROVEMENT, curves, improvements, taus
from trueshot.studies.interchoice_fig4 import BIASED, PLAIN, WORK
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Study
from trueshot.studies.scored import Scored

_PLATEAU = 25
"""Architectures left, of 64, from where on the paper's baseline gains no more and its correlation is 0."""


def among_best(scored: Scored, condition: str, count: int) -> tuple[float, ...]:
    """Return the tau of each supernet among the truly best architectures."""
    truth = scored.truth["truth"]
    best = np.argsort(-truth, kind="stable")[:count]
    return tuple(tau(row[best], truth[best]) for row in scored.scores[condition, "single"])


def _pruned(scored: Scored, condition: str) -> Line:
    rows = scored.scores[condition, "single"]
    every = [pruning_curve(predicted=row, true=scored.truth["truth"]) for row in rows]
    means = np.stack([one.value for one in every]).mean(axis=0)
    y = tuple(None if np.isnan(value) else float(value) for value in means)
    return Line(name=condition, x=tuple(map(float, every[0].remaining)), y=y)


def _analyse(scored: Scored) -> Outcome:
    count = min(_PLATEAU, max(2, len(scored.archs) // 2))
    findings = [
        Finding(what="all", metric="mean accuracy (%)", paper=93.2, values=(float(scored.truth["truth"].mean()),))
    ]
    for name in (PLAIN, BIASED):
        findings += [
            Finding(what=name, metric=f"improvement, {count} left", values=improvements(scored, name, count)),
            Finding(what=name, metric=IMPROVEMENT, values=improvements(scored, name)),
            Finding(what=name, metric=f"tau among the best {count}", values=among_best(scored, name, count)),
        ]
    claims = {
        "tau of all less tau of the best": differences(taus(scored, PLAIN), among_best(scored, PLAIN, count)),
        "further improvement": differences(improvements(scored, PLAIN), improvements(scored, PLAIN, count)),
    }
    lines = tuple(_pruned(scored, name) for name in (PLAIN, BIASED))
    pruned = Series(name="pruned", title="Tau among the truly best", x="architectures left", y=TAU, lines=lines)
    return Outcome(
        findings=tuple(findings), claims=claims, pictures=(curves(scored, "improvement", "Improvement"), pruned)
    )


STUDY = Study(
    name="interchoice-fig3",
    title="Inter-choice weights, Fig. 3: improvement by pruning, and the correlation among the best architectures",
    question="Does a supernet tell bad architectures from good ones, and not the good ones from each other?",
    work=WORK,
    analyse=_analyse,
    claims=(
        Claim(
            name="tau of all less tau of the best",
            metric=f"tau of all less that of the best {_PLATEAU}",
            says="without the bad architectures the correlation is lost",
            above=0.0,
            prior=Prior(0.2, "taus of 25 random architectures spread by 0.14, and supernets beside"),
        ),
        Claim(
            name="further improvement",
            metric=f"{IMPROVEMENT}, less that with {_PLATEAU} left",
            says=f"pruning below {_PLATEAU} no longer improves: by less than 0.1",
            below=0.1,
            prior=Prior(0.15, "two supernets of 153afeb:results/interchoice-fig3-cpu.json"),
        ),
    ),
)
