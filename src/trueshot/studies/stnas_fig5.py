"""ST-NAS, Fig. 5: how the ranks of ten architectures fluctuate over the last epochs of a supernet."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from trueshot.core.results import Line, Series
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Study
from trueshot.studies.scored import Scored
from trueshot.studies.stnas import STABILITY

_SHOWN = 10


def ranks(scores: Float64[np.ndarray, "e n"]) -> Float64[np.ndarray, "e n"]:
    """Return the rank of each architecture at each epoch, 1 the best; of equal scores the earlier is better."""
    return np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1).astype(np.float64) + 1


def _analyse(scored: Scored) -> Outcome:
    columns = scored.columns("supernet", "last")
    each = [ranks(np.stack([scores[seed, :_SHOWN] for _, scores in columns])) for seed in range(scored.seeds)]
    moved = tuple(float(np.abs(np.diff(found, axis=0)).mean()) for found in each)
    span = tuple(float(np.ptp(found, axis=0).mean()) for found in each)
    epochs = tuple(float(epoch) for epoch, _ in columns)
    lines = [Line(name=f"{place + 1}", x=epochs, y=tuple(row)) for place, row in enumerate(each[0].T.tolist())]
    picture = Series(name="ranks", title="Ranks over the last epochs", x="epoch", y="rank", lines=tuple(lines))
    return Outcome(
        findings=(
            Finding(what="an epoch", metric="ranks moved", values=moved),
            Finding(what="all epochs", metric="best less worst rank", values=span),
        ),
        claims={"ranks moved": moved},
        pictures=(picture,),
    )


STUDY = Study(
    name="stnas-fig5",
    title="ST-NAS, Fig. 5: how the ranks of ten architectures fluctuate over the last epochs of a supernet",
    question="Do the ranks of ten architectures fluctuate from epoch to epoch?",
    work=STABILITY,
    analyse=_analyse,
    claims=(
        Claim(
            name="ranks moved",
            metric="ranks of 10 an epoch",
            says="ranks fluctuate drastically: by more than one an epoch",
            above=1.0,
            prior=Prior(0.4, "ranks moved by 1.4 in one supernet of 153afeb:results/stnas-fig5-cpu.json"),
        ),
    ),
)
