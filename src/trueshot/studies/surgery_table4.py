"""Surgery, Table 4: several architectures a step, at equal computation and at equal epochs, and FairNAS' sampling.

As in the paper's code, gradients are averaged over the architectures of a step that contain the weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueshot.studies.analysis import TAU, differences
from trueshot.studies.record import Claim, Outcome, Study
from trueshot.studies.scored import Scored
from trueshot.studies.surgery import SPREAD, circumstances, free_findings, group_findings, group_taus, rankings

_PAPER = {
    "1 sample": (0.093, 24.77, 0.7226),
    "3 samples, equal computation": (0.139, 9.60, 0.7128),
    "5 samples, equal computation": (0.495, 20.74, 0.6714),
    "FairNAS, equal computation": (0.139, 11.76, 0.7137),
    "3 samples, equal epochs": (0.015, 14.24, 0.7025),
    "5 samples, equal epochs": (0.124, 17.03, 0.7018),
    "FairNAS, equal epochs": (0.031, 15.17, 0.6965),
}
_SEVERAL: Mapping[str, tuple[Mapping[str, Any], int]] = {
    "3 samples": ({"supernet.sampler.per_step": 3}, 3),
    "5 samples": ({"supernet.sampler.per_step": 5}, 5),
    "FairNAS": ({"supernet.sampler": {"kind": "fair"}}, 5),
}
_CONDITIONS: Mapping[str, Mapping[str, Any]] = {
    "1 sample": {},
    **{
        f"{name}, equal {equal}": {
            **sampler,
            "supernet.averaging": "containing",
            "share": 1 / samples if equal == "computation" else 1.0,
        }
        for equal in ("computation", "epochs")
        for name, (sampler, samples) in _SEVERAL.items()
    },
}


def _analyse(scored: Scored) -> Outcome:
    findings = [
        finding
        for name, paper in _PAPER.items()
        for finding in group_findings(
            scored, name, name, "single", dict(zip(("BR@5%", "P@5%", TAU), paper, strict=True)), _epochs(scored, name)
        )
    ]
    taus = {name: group_taus(scored, name) for name in _PAPER}
    claims = {f"{name} less 1 sample": differences(taus[name], taus["1 sample"]) for name in list(_PAPER)[1:]}
    return Outcome(findings=(*findings, *free_findings(scored)), claims=claims, notes=(circumstances(scored),))


def _epochs(scored: Scored, name: str) -> str:
    return f"{scored.epochs[name]} epochs"


STUDY = Study(
    name="surgery-table4",
    title="Surgery, Table 4: architectures in a training step",
    question="Does a supernet rank better when a step trains several architectures?",
    work=rankings(_CONDITIONS, {"single": {}}, **{"supernet.recipe.epochs": 15}),
    analyse=_analyse,
    claims=tuple(
        Claim(
            name=f"{name} less 1 sample",
            metric=TAU,
            says="several samples a step do not help",
            below=0.01,
            paper=round(paper[2] - _PAPER["1 sample"][2], 4),
            prior=SPREAD,
        )
        for name, paper in list(_PAPER.items())[1:]
    ),
)
