"""Inter-choice weights, Fig. 4: bias of depth 2 against the baseline, convolutions only.

Strictly fair sampling stands beside the uniform one of the paper.
"""

from __future__ import annotations

from trueshot.studies.analysis import TAU, differences
from trueshot.studies.bases import NB201_CPU, NB201_SMOKE
from trueshot.studies.interchoice import IMPROVEMENT, PAPER, SPREAD, curves, findings, improvements, sharing, taus
from trueshot.studies.record import Claim, Outcome, Prior, Scale, Study
from trueshot.studies.scored import Scored
from trueshot.studies.supernets import Rankings

_BIAS = sharing("bias", depth=2)
_FAIR = {"supernet.sampler": {"kind": "fair"}}
_SPACE = {"space.arguments.sub_space": "only_conv"}
PLAIN, BIASED = "uniform, baseline", "uniform, bias D=2"

WORK = Rankings(
    conditions={
        PLAIN: {},
        BIASED: _BIAS,
        "fair, baseline": _FAIR,
        "fair, bias D=2": {**_FAIR, **_BIAS},
    },
    scales={
        Scale.SMOKE: {**NB201_SMOKE, **_SPACE, "archs.count": 14},
        Scale.CPU: {**NB201_CPU, **_SPACE, "supernet.recipe.epochs": 8, "seeds": 10},
        Scale.PAPER: {**PAPER, **_SPACE},
    },
    base={"scores": {"single": {}}},
)


def _analyse(scored: Scored) -> Outcome:
    claims = {
        f"{sampling}, {metric}": differences(
            *(values(scored, f"{sampling}, {name}") for name in ("bias D=2", "baseline"))
        )
        for sampling in ("uniform", "fair")
        for metric, values in ((IMPROVEMENT, improvements), (TAU, taus))
    }
    picture = curves(scored, "improvement", "Improvement, only convolutions")
    notes = (f"{len(scored.archs)} architectures.",)
    return Outcome(findings=tuple(findings(scored)), claims=claims, pictures=(picture,), notes=notes)


STUDY = Study(
    name="interchoice-fig4",
    title="Inter-choice weights, Fig. 4: bias against the baseline, convolutions only",
    question="Does an inter-choice bias of depth 2 rank networks of convolutions better?",
    work=WORK,
    analyse=_analyse,
    claims=tuple(
        Claim(
            name=f"{sampling}, {metric}",
            metric=metric,
            says=f"with only convolutions the bias ranks better ({sampling} sampling)",
            above=0.0,
            prior=prior,
        )
        for sampling in ("uniform", "fair")
        for metric, prior in ((IMPROVEMENT, SPREAD), (TAU, Prior(0.1, SPREAD.source)))
    ),
)
