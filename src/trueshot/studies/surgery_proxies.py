"""Studies of supernets that are smaller than the networks whose ranks they tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from trueshot.core.results import Line
from trueshot.studies.analysis import TAU, differences, each
from trueshot.studies.record import Claim, Finding, Outcome, Study
from trueshot.studies.scored import Scored
from trueshot.studies.surgery import SPREAD, circumstances, group_truth, groups, picture, rankings

_CRITERIA = (TAU, "P@5%", "BR@5%")


def proxy_study(
    *,
    name: str,
    title: str,
    question: str,
    conditions: Mapping[str, Mapping[str, Any]],
    says: str,
    above: float = -math.inf,
    below: float = math.inf,
) -> Study:
    """Return a study that compares the smallest supernet with the largest.

    Args:
        name: of the study, as ``title`` and ``question``.
        conditions: from the smallest supernet to the largest; names begin with a number.
        says: the claim, and the range ``above`` to ``below`` of smallest less largest.
    """
    first, *_, last = conditions

    def analyse(scored: Scored) -> Outcome:
        truth, findings = group_truth(scored), []
        for condition in conditions:
            for criterion in _CRITERIA:
                values = each(criterion, groups(scored, condition, "single"), truth)
                metric = criterion if criterion == TAU else f"{criterion} (%)"
                findings.append(Finding(what=condition, metric=metric, values=values))
        taus = {one.what: one.values for one in findings if one.metric == TAU}
        means = tuple(float(np.mean(values)) if values else None for values in taus.values())
        sizes = tuple(float(condition.split()[0]) for condition in taus)
        line = Line(name="mean over supernets", x=sizes, y=means)
        return Outcome(
            findings=tuple(findings),
            claims={f"{first} less {last}": differences(taus[first], taus[last])},
            pictures=(picture("tau", title, TAU, [line], first.split()[1]),),
            notes=(circumstances(scored), "The truth is that of networks with 16 channels and 17 layers."),
        )

    claim = Claim(name=f"{first} less {last}", metric=TAU, says=says, above=above, below=below, prior=SPREAD)
    work = rankings(conditions, {"single": {}})
    return Study(name=name, title=title, question=question, work=work, analyse=analyse, claims=(claim,))
