"""Surgery, section 4.4: search by a small supernet, then look up what was found at full size.

The paper draws its conclusion from the correlations of Fig. 3; here each proxy picks, and its picks are looked up at
the full size of the benchmark, 16 channels and 17 layers.
"""

from __future__ import annotations

import numpy as np

from trueshot.criteria.columns import order
from trueshot.studies.analysis import differences
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Study
from trueshot.studies.scored import Scored
from trueshot.studies.surgery import circumstances, group_truth, groups, rankings
from trueshot.studies.surgery_fig3a import LAYERS
from trueshot.studies.surgery_fig3b import CHANNELS

_BEST = 5
_ONE, _FEW = "best by score: accuracy (%)", f"best {_BEST}: mean accuracy (%)"
_SPREAD = Prior(0.6, "between two supernets of 153afeb:results/surgery-section44-cpu.json")
_ENDS = [(next(iter(sizes)), next(reversed(sizes))) for sizes in (LAYERS, CHANNELS)]


def picked(scored: Scored, condition: str, count: int) -> tuple[float, ...]:
    """Return the mean truth of the groups that each supernet likes best; of equal scores the first counts."""
    truth = group_truth(scored)
    return tuple(float(truth[order(row)[:count]].mean()) for row in groups(scored, condition, "single"))


def _analyse(scored: Scored) -> Outcome:
    truth = group_truth(scored)
    findings = [
        Finding(what=condition, metric=metric, values=picked(scored, condition, count))
        for condition, _ in scored.scores
        for metric, count in ((_ONE, 1), (_FEW, _BEST))
    ]
    free = {"random choice": truth.mean(), "best of all": truth.max()}
    first = np.unique(scored.labels, return_index=True)[1]
    for name, cost in scored.costs.items():
        free[f"most {name}"] = truth[order(cost[first])[0]]
    findings += [Finding(what=what, metric=_ONE, values=(float(one),), over="tables") for what, one in free.items()]
    claims = {
        f"{small} less {large}": differences(picked(scored, small, _BEST), picked(scored, large, _BEST))
        for small, large in _ENDS
    }
    return Outcome(findings=tuple(findings), claims=claims, notes=(circumstances(scored),))


STUDY = Study(
    name="surgery-section44",
    title="Surgery, section 4.4: what a search by a small supernet is worth at full size",
    question="What is lost at full size when a small supernet searches?",
    work=rankings({**LAYERS, **CHANNELS}, {"single": {}}),
    analyse=_analyse,
    claims=(
        Claim(
            name=" less ".join(_ENDS[0]),
            metric=_FEW,
            says="with fewer layers the result is worse",
            below=0.0,
            prior=_SPREAD,
        ),
        Claim(
            name=" less ".join(_ENDS[1]),
            metric=_FEW,
            says="fewer channels have little influence: less than 0.5 points",
            above=-0.5,
            below=0.5,
            prior=_SPREAD,
        ),
    ),
)
