"""ST-NAS, Fig. 4: the best and the worst ranking of independent supernets."""

from __future__ import annotations

import numpy as np

from trueshot.studies.analysis import TAU, tau
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Study
from trueshot.studies.scored import Scored
from trueshot.studies.stnas import STABILITY


def _analyse(scored: Scored) -> Outcome:
    truth, (_, last) = scored.truth["truth"], scored.columns("supernet", "last")[-1]
    taus = [tau(row, truth) for row in last]
    pairs = tuple(abs(first - second) for first, second in zip(taus[::2], taus[1::2], strict=False))
    between = tuple(tau(first, second) for first, second in zip(last[::2], last[1::2], strict=False))
    return Outcome(
        findings=(
            Finding(what="one supernet", metric=TAU, values=tuple(taus)),
            Finding(what="best", metric=TAU, values=(max(taus),)),
            Finding(what="worst", metric=TAU, values=(min(taus),)),
            Finding(what="two supernets", metric="tau between them", values=between, over="pairs of supernets"),
            Finding(what="mean score of all", metric=TAU, values=(tau(np.mean(last, axis=0), truth),)),
        ),
        claims={"two runs": pairs},
    )


STUDY = Study(
    name="stnas-fig4",
    title="ST-NAS, Fig. 4: the best and the worst ranking of independent supernets",
    question="How far does the seed of a supernet alone change its ranking?",
    work=STABILITY,
    analyse=_analyse,
    claims=(
        Claim(
            name="two runs",
            metric="difference of tau",
            says="the quality of rankings differs greatly from run to run: by more than 0.05",
            above=0.05,
            prior=Prior(0.03, "two supernets of one kind in results/rank-cifar10-cpu"),
            over="pairs of supernets",
            each=2,
        ),
    ),
)
