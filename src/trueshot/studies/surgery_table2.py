"""Surgery, Table 2: deviation of accuracies and ranks inside isomorphic groups."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from trueshot.criteria.groups import mean_group_rank_std, mean_group_std
from trueshot.studies.analysis import differences
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Study
from trueshot.studies.scored import Scored
from trueshot.studies.surgery import SAMPLING, SHARES, circumstances, rankings

_PAPER = {
    "accuracy std (points)": (0.193, 0.161, 0.0901, 0.0977, 0.0911),
    "rank std of 15,625": (162, 153, 123, 116, 117),
}
_TRUTH = (0.0392, 65.1)
_ALL = 15_625


def spreads(
    scores: Float64[np.ndarray, "s n"], labels: Int64[np.ndarray, " n"]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the deviation of accuracies (in percent) and of ranks (of 15,625) inside a group, for each supernet."""
    scale = _ALL / len(labels)
    return (
        tuple(mean_group_std(values=row, labels=labels) for row in scores),
        tuple(scale * mean_group_rank_std(values=row, labels=labels) for row in scores),
    )


def _analyse(scored: Scored) -> Outcome:
    findings, found = [], []
    for metric, published, values in zip(
        _PAPER, _TRUTH, spreads(scored.truth["truth"][None], scored.labels), strict=True
    ):
        findings.append(Finding(what="truth", metric=metric, paper=published, values=values, over="tables"))
    columns = scored.columns("no de-isomorphism", "accuracy")
    for number, (epoch, scores) in enumerate(columns):
        found.append(spreads(100.0 * scores, scored.labels))
        for (metric, paper), values in zip(_PAPER.items(), found[-1], strict=True):
            beside = paper[number] if len(columns) == len(paper) else None
            findings.append(Finding(what=f"epoch {epoch}", metric=metric, paper=beside, values=values))
    claims = {metric: differences(found[-1][place], found[0][place]) for place, metric in enumerate(_PAPER)}
    return Outcome(findings=tuple(findings), claims=claims, notes=(circumstances(scored),))


STUDY = Study(
    name="surgery-table2",
    title="Surgery, Table 2: deviation of accuracies and ranks inside isomorphic groups",
    question="Do isomorphic architectures come to score alike as a supernet is trained?",
    work=rankings(
        {"no de-isomorphism": SAMPLING["no de-isomorphism"]}, {"accuracy": {"metric": "accuracy", "shares": SHARES}}
    ),
    analyse=_analyse,
    claims=tuple(
        Claim(
            name=metric,
            metric=f"{metric}, last less first",
            says="the deviation inside a group shrinks",
            below=0.0,
            paper=round(paper[-1] - paper[0], 4),
            prior=Prior(std, "two supernets of 153afeb:results/surgery-table2-cpu.json"),
        )
        for (metric, paper), std in zip(_PAPER.items(), (0.05, 40.0), strict=True)
    ),
)
