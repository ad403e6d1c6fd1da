"""Inter-choice weights, Fig. 8: the improvement of Fig. 4 below ten architectures, convolutions only."""

from __future__ import annotations

from functools import partial

from trueshot.studies.analysis import differences, spread
from trueshot.studies.interchoice import LEFT, curves, findings, improvements
from trueshot.studies.interchoice_fig4 import PLAIN, WORK
from trueshot.studies.record import Claim, Outcome, Prior, Study
from trueshot.studies.scored import Scored

SPREADS = "spread, 1 left less 10 left"

BELOW = (LEFT, 5, 2, 1)
"""Where curves that go on to the end are read."""

WIDER = Prior(0.25, "deviations from the median of 0.1 to 0.5 in 153afeb:results/interchoice-fig8-cpu.json")


def wider(scored: Scored, condition: str, left: int = LEFT) -> tuple[float, ...]:
    """Return by how much a single architecture's improvement is farther from the median than that of ten is."""
    return differences(*(spread(improvements(scored, condition, count)) for count in (1, left)))


def to_the_end(scored: Scored, condition: str) -> Outcome:
    """Return improvements down to a single architecture; the claim is about the supernets of one condition."""
    picture = curves(scored, "improvement", "Improvement to the end", 1)
    return Outcome(
        findings=tuple(findings(scored, "", BELOW)), claims={SPREADS: wider(scored, condition)}, pictures=(picture,)
    )


def spreads(says: str) -> Claim:
    """Return the claim that the spread between supernets grows below ten architectures."""
    return Claim(name=SPREADS, metric="distance of improvements from their median", says=says, above=0.0, prior=WIDER)


STUDY = Study(
    name="interchoice-fig8",
    title="Inter-choice weights, Fig. 8: improvement below ten architectures, convolutions only",
    question="Do supernets that agree on ten architectures disagree on the best one?",
    work=WORK,
    analyse=partial(to_the_end, condition=PLAIN),
    claims=(spreads("with only convolutions the spread between supernets grows below ten architectures"),),
)
