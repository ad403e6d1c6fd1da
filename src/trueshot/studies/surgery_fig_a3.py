"""Surgery, Fig. A3: tau, P@K and BR@K along the training, with and without isomorphic architectures."""

from __future__ import annotations

import numpy as np

from trueshot.core.results import Line
from trueshot.studies.analysis import TAU, differences
from trueshot.studies.record import Claim, Outcome, Prior, Study
from trueshot.studies.scored import Scored
from trueshot.studies.surgery import circumstances, picture
from trueshot.studies.surgery_table3 import NAMES, WORK, measured_as


def _line(scored: Scored, name: str, criterion: str) -> Line:
    columns = measured_as(scored, name, criterion)
    means = tuple(float(np.mean(values)) if values else None for _, values in columns)
    return Line(name=f"{name}, {criterion}", x=tuple(float(epoch) for epoch, _ in columns), y=means)


def _unit(criteria: tuple[str, ...]) -> str:
    return criteria[0] if len(criteria) == 1 else "%"


def _analyse(scored: Scored) -> Outcome:
    shown = {"tau": (TAU,), "precision": ("P@5%", "P@50%"), "best-rank": ("BR@1%", "BR@5%")}
    pictures = tuple(
        picture(
            key,
            f"{' and '.join(ones)} along the training",
            _unit(ones),
            [_line(scored, n, o) for n in NAMES for o in ones],
        )
        for key, ones in shown.items()
    )
    found = {one: measured_as(scored, "no de-isomorphism", one) for one in ("P@5%", "P@50%")}
    claims = {one: differences(values[-1][1], values[0][1]) for one, values in found.items() if values[0][1]}
    return Outcome(claims=claims, pictures=pictures, notes=(circumstances(scored),))


STUDY = Study(
    name="surgery-figA3",
    title="Surgery, Fig. A3: tau, P@K and BR@K along the training, with and without isomorphic architectures",
    question="Does training on make a supernet without de-isomorphic sampling worse at the top?",
    work=WORK,
    analyse=_analyse,
    claims=tuple(
        Claim(
            name=one,
            metric=f"{one} (points), last less first",
            says=says,
            above=0.0 if paper > 0 else -float("inf"),
            below=0.0 if paper < 0 else float("inf"),
            paper=paper,
            prior=Prior(8.0, "two supernets of 153afeb:results/surgery-figA3-cpu.json"),
        )
        for one, says, paper in (("P@5%", "P@5% falls", -30.47), ("P@50%", "P@50% rises", 10.45))
    ),
)
