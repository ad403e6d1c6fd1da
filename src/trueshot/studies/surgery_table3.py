"""Surgery, Table 3: with and without isomorphic architectures, by epoch."""

from __future__ import annotations

from trueshot.studies.analysis import CRITERIA, TAU, by_class, differences, each
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Study
from trueshot.studies.scored import Scored
from trueshot.studies.surgery import SAMPLING, SHARES, SPREAD, circumstances, group_truth, rankings

NAMES = ("no de-isomorphism", "de-isomorphic", "post de-isomorphism")

_PAPER = {
    "no de-isomorphism": (
        (3.372, 4.493, 21.555, 13.139, 11.379),
        (0.012, 0.019, 2.854, 2.739, 2.515),
        (0.006, 0.013, 2.336, 2.310, 2.221),
        (39.69, 12.03, 6.53, 7.68, 9.22),
        (79.27, 81.59, 88.04, 89.20, 89.72),
        (0.6033, 0.6500, 0.6951, 0.7032, 0.7127),
    ),
    "de-isomorphic": (
        (1.840, 2.737, 5.212, 5.707, 2.273),
        (0.046, 0.031, 0.062, 0.139, 0.015),
        (0.015, 0.015, 0.045, 0.090, 0.015),
        (41.48, 39.31, 30.65, 28.48, 28.48),
        (73.03, 83.76, 87.44, 86.39, 86.45),
        (0.4967, 0.6735, 0.7087, 0.6989, 0.7005),
    ),
    "post de-isomorphism": (
        (3.866, 4.964, 20.260, 12.465, 10.950),
        (0.015, 0.015, 0.479, 0.634, 0.247),
        (0.015, 0.015, 0.340, 0.217, 0.093),
        (46.13, 37.77, 23.52, 21.36, 24.77),
        (76.89, 83.14, 87.44, 87.44, 87.81),
        (0.5511, 0.6558, 0.7123, 0.7109, 0.7226),
    ),
}
"""By criterion, at 200, 400, 600, 800 and 1,000 epochs."""

WORK = rankings(SAMPLING, {"curve": {"shares": SHARES}})


def measured_as(scored: Scored, name: str, criterion: str) -> list[tuple[int, tuple[float, ...]]]:
    """Return epochs, and a criterion of each supernet: over all architectures without de-isomorphism, else over groups.

    De-isomorphic sampling trains one member of a group; the paper ranks groups by it, here by the mean over members.
    """
    condition = "de-isomorphic" if name == "de-isomorphic" else "no de-isomorphism"
    found = []
    for epoch, scores in scored.columns(condition, "curve"):
        if name == "no de-isomorphism":
            found.append((epoch, each(criterion, scores, scored.truth["truth"])))
        else:
            found.append((epoch, each(criterion, by_class(scores, scored.labels), group_truth(scored))))
    return found


def _analyse(scored: Scored) -> Outcome:
    findings = []
    for name in NAMES:
        for number, criterion in enumerate(CRITERIA):
            columns = measured_as(scored, name, criterion)
            for place, (epoch, values) in enumerate(columns):
                published = _PAPER[name][number][place] if len(columns) == len(SHARES) else None
                metric = criterion if criterion == TAU else f"{criterion} (%)"
                findings.append(Finding(what=f"{name}, epoch {epoch}", metric=metric, paper=published, values=values))
    last = {(name, one): measured_as(scored, name, one)[-1][1] for name in NAMES for one in CRITERIA}
    claims = {
        f"{better} less {worse}, {one}": differences(last[better, one], last[worse, one])
        for better, worse, one in _PAIRS
        if last[better, one]
    }
    return Outcome(findings=tuple(findings), claims=claims, notes=(circumstances(scored),))


_PAIRS = {
    ("de-isomorphic", "no de-isomorphism", "P@5%"): ("de-isomorphic sampling finds more of the best", 19.26, 1),
    ("de-isomorphic", "no de-isomorphism", "BR@5%"): ("and its best is better (smaller is better)", -2.206, -1),
    ("post de-isomorphism", "no de-isomorphism", TAU): ("averaging over groups ranks better", 0.0099, 1),
}

STUDY = Study(
    name="surgery-table3",
    title="Surgery, Table 3: with and without isomorphic architectures, by epoch",
    question="Does leaving isomorphic architectures out of the sampling, or averaging over them, improve the ranking?",
    work=WORK,
    analyse=_analyse,
    claims=tuple(
        Claim(
            name=f"{better} less {worse}, {one}",
            metric=one if one == TAU else f"{one} (points)",
            says=says,
            above=0.0 if sign > 0 else -float("inf"),
            below=0.0 if sign < 0 else float("inf"),
            paper=paper,
            prior=SPREAD
            if one == TAU
            else Prior(8.0 if one == "P@5%" else 2.0, "153afeb:results/surgery-table3-cpu.json"),
        )
        for (better, worse, one), (says, paper, sign) in _PAIRS.items()
    ),
)
