"""ST-NAS, section 4.1: momentum 0 against 0.9 in supernet training, each at the rate that a sweep finds."""

from __future__ import annotations

from trueshot.core.results import Line, Series
from trueshot.studies.analysis import TAU, differences, tau
from trueshot.studies.bases import NB201_CPU, NB201_SMOKE
from trueshot.studies.record import Claim, Finding, Outcome, Scale, Study
from trueshot.studies.stnas import SPREAD, TOPOLOGY_PAPER
from trueshot.studies.supernets import Rankings
from trueshot.studies.swept import Swept, SweptScored


def _analyse(swept: SweptScored) -> Outcome:
    truth = swept.main.truth["truth"]
    taus = {
        name: tuple(tau(row, truth) for row in swept.main.scores[name, "single"])
        for name in ("momentum 0", "momentum 0.9")
    }
    lines = [Line(name=name, x=tuple(found), y=tuple(found.values())) for name, found in swept.taus.items()]
    return Outcome(
        findings=tuple(
            Finding(what=name, metric=TAU, values=values, note=f"rate {swept.chosen[name]:g}")
            for name, values in taus.items()
        ),
        claims={"momentum 0 less 0.9": differences(taus["momentum 0"], taus["momentum 0.9"])},
        pictures=(Series(name="sweep", title="Tau by rate in the sweep", x="rate", y=TAU, lines=tuple(lines)),),
    )


STUDY = Study(
    name="stnas-momentum",
    title="ST-NAS, section 4.1: momentum 0 against 0.9 in supernet training",
    question="Does a supernet rank better without momentum, each at its best rate?",
    work=Swept(
        main=Rankings(
            conditions={f"momentum {value}": {"supernet.recipe.momentum": value} for value in (0, 0.9)},
            scales={
                Scale.SMOKE: {**NB201_SMOKE, "archs.count": 20},
                Scale.CPU: {**NB201_CPU, "archs.count": 1000, "seeds": 8},
                Scale.PAPER: {**TOPOLOGY_PAPER, "seeds": 8},
            },
            base={"scores": {"single": {}}},
        ),
        key="supernet.recipe.lr",
        values={Scale.SMOKE: (0.05, 0.2), Scale.CPU: (0.03, 0.1, 0.3, 1.0), Scale.PAPER: (0.03, 0.1, 0.3)},
    ),
    analyse=_analyse,
    claims=(
        Claim(
            name="momentum 0 less 0.9",
            metric=TAU,
            says="momentum 0 ranks better, as it decouples successive architectures",
            above=0.0,
            prior=SPREAD,
        ),
    ),
)
