"""ST-NAS, Table 2: efficient search methods and a searched network at equal MAdds."""

from __future__ import annotations

from trueshot.studies import baselines
from trueshot.studies.record import Claim, Outcome, Scale, Study
from trueshot.studies.searches import METRIC, ScaledBaseline, Searched, Searches
from trueshot.studies.stnas_winners import NOTES, SCALES, SPREAD, needs, published

_PUBLISHED = (
    ("DARTS", 574, 73.3),
    ("Proxyless-R", 320, 74.6),
    ("Single-path NAS", 365, 75.0),
    ("FBNet-C", 375, 74.9),
    ("SPOS", 328, 74.7),
    ("BetaNet-A", 333, 75.9),
)
_MODEL = "ST-NAS-A"


def _analyse(searched: Searched) -> Outcome:
    findings = [
        searched.searched(f"{_MODEL} (ours: best searched)", "winner", 76.4),
        searched.searched(f"random, as expensive as {_MODEL}", "random", None),
        searched.scaled_baseline("FairNAS-A, scaled", "fairnas_a", 75.3),
        searched.scaled_baseline("MobileNetV2, scaled", "mobilenet_v2", None),
        *(published(*row) for row in _PUBLISHED),
    ]
    best, scaled_baseline = findings[0].ours, findings[2].ours
    claims = (
        {}
        if best is None or scaled_baseline is None
        else {"winner less FairNAS-A": (best.value - scaled_baseline.value,)}
    )
    return Outcome(findings=tuple(findings), claims=claims, notes=NOTES)


STUDY = Study(
    name="stnas-table2",
    title="ST-NAS, Table 2: efficient search methods and a searched network at equal MAdds",
    question="Is a searched network better than off-the-shelf ones of equal MAdds?",
    work=Searches(
        scales=SCALES,
        scaled_baselines={
            "fairnas_a": ScaledBaseline(baselines.fairnas_a),
            "mobilenet_v2": ScaledBaseline(baselines.mobilenet_v2),
        },
    ),
    analyse=_analyse,
    claims=(
        Claim(
            name="winner less FairNAS-A",
            metric=METRIC,
            says="the searched network is better",
            above=0.0,
            paper=1.1,
            prior=SPREAD,
            over="searches",
        ),
    ),
    needs_more={Scale.CPU: needs(1.1)},
)
