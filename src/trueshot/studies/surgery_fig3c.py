"""Surgery, Fig. 3c: over- and under-estimation by computation."""

from __future__ import annotations

import numpy as np

from trueshot.core.results import Line
from trueshot.criteria.groups import by_cost
from trueshot.studies.analysis import tau
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Study
from trueshot.studies.scored import Scored
from trueshot.studies.surgery import circumstances, picture, rankings

_TREND = "tau with the number of the group"


def _analyse(scored: Scored) -> Outcome:
    truth, number = scored.truth["truth"], min(10, len(scored.archs) // 3)
    found = [
        by_cost(predicted=row, true=truth, cost=scored.costs["madds"], groups=number)
        for row in scored.scores["plain", "single"]
    ]
    places = np.arange(number, dtype=np.float64)
    differences = np.array([[100.0 * group.rank_difference / len(truth) for group in groups] for groups in found])
    inside = np.array([[group.value or 0.0 for group in groups] for groups in found])
    shown = {"rank difference (% of all)": differences, "Kendall tau inside": inside}
    findings = [
        Finding(what=f"group {place + 1}", metric=metric, values=tuple(map(float, values[:, place])))
        for place in range(number)
        for metric, values in shown.items()
    ]
    claims = {metric: tuple(tau(row, places) for row in values) for metric, values in shown.items()}
    x = tuple(float(place + 1) for place in range(number))
    pictures = tuple(
        picture(name, metric, metric, [Line(name=metric, x=x, y=tuple(shown[metric].mean(axis=0)))], "group by MAdds")
        for name, metric in (("difference", "rank difference (% of all)"), ("inside", "Kendall tau inside"))
    )
    return Outcome(findings=tuple(findings), claims=claims, pictures=pictures, notes=(circumstances(scored),))


STUDY = Study(
    name="surgery-fig3c",
    title="Surgery, Fig. 3c: over- and under-estimation by computation",
    question="Are large architectures under-estimated, and harder to compare?",
    work=rankings({"plain": {}}, {"single": {}}),
    analyse=_analyse,
    claims=(
        Claim(
            name="rank difference (% of all)",
            metric=f"rank difference, {_TREND}",
            says="the larger, the more under-estimated",
            below=0.0,
            prior=Prior(0.2, "trends of -0.82 and about -0.6 in 153afeb:results/surgery-fig3c-cpu.json"),
        ),
        Claim(
            name="Kendall tau inside",
            metric=f"tau inside, {_TREND}",
            says="the larger, the harder to compare",
            below=0.0,
            prior=Prior(0.3, "a trend of -0.38 in 153afeb:results/surgery-fig3c-cpu.json"),
        ),
    ),
)
