"""Surgery, Fig. 2: criteria along the training of a supernet (de-isomorphic sampling)."""

from __future__ import annotations

from trueshot.studies.analysis import TAU, differences
from trueshot.studies.record import Claim, Outcome, Prior, Study
from trueshot.studies.scored import Scored
from trueshot.studies.surgery import SPREAD, circumstances, curves, picture
from trueshot.studies.surgery_table3 import WORK, measured_as


def _analyse(scored: Scored) -> Outcome:
    found = {one: measured_as(scored, "de-isomorphic", one) for one in (TAU, "P@5%")}
    claims = {one: differences(values[-1][1], values[0][1]) for one, values in found.items() if values[0][1]}
    percent = [curves(scored, one, condition="de-isomorphic", post=True) for one in ("BR@5%", "P@5%", "P@50%")]
    taus = curves(scored, TAU, condition="de-isomorphic", post=True)
    return Outcome(
        claims=claims,
        pictures=(
            picture("tau", "Kendall tau along the training", TAU, [taus]),
            picture("top", "BR@K and P@K along the training", "%", percent),
        ),
        notes=(circumstances(scored),),
    )


STUDY = Study(
    name="surgery-fig2",
    title="Surgery, Fig. 2: criteria along the training of a supernet (de-isomorphic sampling)",
    question="Do correlations go on growing while the precision at the top falls?",
    work=WORK,
    analyse=_analyse,
    claims=(
        Claim(name=TAU, metric=f"{TAU}, last less first", says="tau grows", above=0.0, paper=0.2038, prior=SPREAD),
        Claim(
            name="P@5%",
            metric="P@5% (points), last less first",
            says="P@5% falls",
            below=0.0,
            paper=-13.0,
            prior=Prior(8.0, "two supernets of 153afeb:results/surgery-table3-cpu.json"),
        ),
    ),
)
