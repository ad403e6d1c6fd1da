"""Inter-choice weights, Fig. 7: baselines on SubImageNet by epochs, augmentation and how BatchNorm is recalibrated."""

from __future__ import annotations

from trueshot.studies.analysis import differences
from trueshot.studies.interchoice import IMPROVEMENT, Conditions, curves, findings, improvements
from trueshot.studies.interchoice_chain import NO_TRUTH, SPREAD, STRONG, ranked
from trueshot.studies.record import Claim, Finding, Outcome, Scale, Study
from trueshot.studies.scored import Scored

_WEAK = {f"{epochs} epochs, weak": {"supernet.recipe.epochs": epochs} for epochs in (600, 300, 900)}
_STRONG = {
    f"{epochs} epochs, strong": {"supernet.recipe.epochs": epochs, "supernet.augmentation": STRONG}
    for epochs in (150, 600)
}
_CONDITIONS: Conditions = {**_WEAK, **_STRONG}
_PUBLISHED = "600 epochs, weak"
_GAINS = {
    "with weak augmentation 300 epochs are poor": (_PUBLISHED, "300 epochs, weak"),
    "150 epochs with strong augmentation are too few": (_PUBLISHED, "150 epochs, strong"),
}
_ADAPTED = f"{_PUBLISHED}, adapted less reset"


def _analyse(scored: Scored) -> Outcome:
    rows = [*findings(scored)]
    for name in _CONDITIONS:
        accuracy = tuple(100.0 * record["history"][-1]["accuracy"] for record in scored.records[name])
        rows += [
            Finding(
                what=f"{name}, BatchNorm reset", metric=IMPROVEMENT, values=improvements(scored, name, way="reset")
            ),
            Finding(what=name, metric="training accuracy (%)", values=accuracy),
        ]
    claims = {
        f"{one} less {other}": differences(improvements(scored, one), improvements(scored, other))
        for one, other in _GAINS.values()
    }
    claims[_ADAPTED] = differences(*(improvements(scored, _PUBLISHED, way=way) for way in ("single", "reset")))
    return Outcome(findings=tuple(rows), claims=claims, pictures=(curves(scored, "improvement", "Improvement"),))


STUDY = Study(
    name="interchoice-fig7",
    title="Inter-choice weights, Fig. 7: epochs, augmentation and BatchNorm of baselines on SubImageNet",
    question="What do epochs, augmentation and a reset of BatchNorm do to a baseline in a chain?",
    work=ranked(_CONDITIONS, reset=True),
    analyse=_analyse,
    claims=(
        *(
            Claim(name=f"{one} less {other}", metric=IMPROVEMENT, says=says, above=0.0, prior=SPREAD)
            for says, (one, other) in _GAINS.items()
        ),
        Claim(
            name=_ADAPTED,
            metric=IMPROVEMENT,
            says="a reset of the statistics is detrimental",
            above=0.0,
            prior=SPREAD,
        ),
    ),
    needs_more={
        Scale.CPU: f"{NO_TRUTH}; and supernets that learn: after 4 to 12 epochs their training accuracy is 1 to 2.5 %,"
        " of 100 classes (153afeb:results/interchoice-fig7-cpu.json)"
    },
)
