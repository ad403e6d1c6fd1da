"""ST-NAS, section 3.2: uniform sampling against matched p_drop; are cheap networks under-trained?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from trueshot.studies.bases import TOPOLOGY_CPU
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Scale, Study
from trueshot.studies.scored import Scored
from trueshot.studies.stnas import P_DROP, TOPOLOGY_PAPER, TOPOLOGY_SMOKE
from trueshot.studies.supernets import Rankings

_METRIC = "points of accuracy per e-fold of MAdds"


def slope(gained: Float64[np.ndarray, " n"], madds: Float64[np.ndarray, " n"]) -> float:
    """Return the least-squares slope of gained accuracy against the logarithm of the MAdds."""
    x = np.log(madds) - np.log(madds).mean()
    return float(x @ (gained - gained.mean()) / (x @ x))


def _analyse(scored: Scored) -> Outcome:
    scores = {name: 100.0 * scored.scores[name, "single"] for name in ("uniform", "matched")}
    gained, madds = scores["matched"] - scores["uniform"], scored.costs["madds"]
    findings = [
        Finding(what=name, metric="supernet accuracy (%)", values=tuple(map(float, values.mean(axis=1))))
        for name, values in scores.items()
    ]
    findings.append(
        Finding(what="matched less uniform", metric="points", values=tuple(map(float, gained.mean(axis=1))))
    )
    span = madds.max() / madds.min()
    return Outcome(
        findings=tuple(findings),
        claims={"slope of the gain": tuple(slope(row, madds) for row in gained)},
        notes=(f"{len(madds)} architectures whose MAdds differ by a factor of up to {span:.2g}.",),
    )


def _targets(scale: Scale) -> dict[str, object]:
    """Return the published sampler, and how architectures are drawn: more widely than it, so that a slope shows."""
    return {"conditions": {"matched": {"supernet.sampler": {"kind": "matched", "target_madds": P_DROP[scale]}}}}


STUDY = Study(
    name="stnas-sampling",
    title="ST-NAS, section 3.2: uniform sampling against matched p_drop",
    question="Does uniform sampling under-train cheap networks, and does matched sampling correct it?",
    work=Rankings(
        conditions={"uniform": {"supernet.sampler": {"kind": "uniform"}}, "matched": {}},
        scales={
            Scale.SMOKE: {**TOPOLOGY_SMOKE, "truth": {}, **_targets(Scale.SMOKE)},
            Scale.CPU: {
                **TOPOLOGY_CPU,
                "seeds": 6,
                "archs": {
                    "draw": "sampler",
                    "count": 300,
                    "sampler": {"kind": "matched", "target_madds": P_DROP[Scale.CPU]},
                },
                **_targets(Scale.CPU),
            },
            Scale.PAPER: {**TOPOLOGY_PAPER, "truth": {}, "seeds": 6, "archs.count": 300, **_targets(Scale.PAPER)},
        },
        base={"scores": {"single": {"metric": "accuracy"}}},
    ),
    analyse=_analyse,
    claims=(
        Claim(
            name="slope of the gain",
            metric=_METRIC,
            says="matched sampling gains most where networks are cheap",
            below=0.0,
            prior=Prior(1.2, "slopes of -3.3, -1.5 and -3.8 in three pairs of a replication"),
        ),
    ),
)
