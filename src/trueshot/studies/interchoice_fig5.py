"""Inter-choice weights, Figs. 5 and 9: bias and split weights in a chain on SubImageNet, down to ten and to one."""

from __future__ import annotations

from functools import partial

from trueshot.criteria.power import pairs_needed
from trueshot.studies.analysis import differences
from trueshot.studies.interchoice import BASELINE, IMPROVEMENT, curves, findings, improvements
from trueshot.studies.interchoice_chain import CONDITIONS, NO_TRUTH, RANKED, SPREAD
from trueshot.studies.interchoice_fig8 import spreads, to_the_end
from trueshot.studies.record import Claim, Outcome, Scale, Study
from trueshot.studies.scored import Scored

_EFFECT = 0.1
_NEEDS = {
    Scale.CPU: f"{NO_TRUTH}; then {pairs_needed(_EFFECT, SPREAD.std)} pairs of supernets to see {_EFFECT} of"
    f" improvement at a spread of {SPREAD.std}"
}


def _analyse(scored: Scored) -> Outcome:
    base = improvements(scored, BASELINE)
    claims = {f"{name} less {BASELINE}": differences(improvements(scored, name), base) for name in list(CONDITIONS)[1:]}
    picture = curves(scored, "improvement", "Improvement in a chain")
    return Outcome(findings=tuple(findings(scored)), claims=claims, pictures=(picture,))


STUDY = Study(
    name="interchoice-fig5",
    title="Inter-choice weights, Fig. 5: bias and split weights in a chain on SubImageNet",
    question="Do bias and split weights rank chains better?",
    work=RANKED,
    analyse=_analyse,
    claims=tuple(
        Claim(
            name=f"{name} less {BASELINE}",
            metric=IMPROVEMENT,
            says="towards the last ten the additional weights improve on the baseline",
            above=0.0,
            prior=SPREAD,
        )
        for name in list(CONDITIONS)[1:]
    ),
    needs_more=_NEEDS,
)

FIG9 = Study(
    name="interchoice-fig9",
    title="Inter-choice weights, Fig. 9: improvement in a chain below ten architectures",
    question="Are the curves of chains chaotic below ten architectures?",
    work=RANKED,
    analyse=partial(to_the_end, condition=BASELINE),
    claims=(spreads("beyond ten architectures supernets are farther apart"),),
    needs_more=_NEEDS,
)
