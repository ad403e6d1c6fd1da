"""The evaluation strategies of ST-NAS (section 3.3, Table 5) over snapshots of one supernet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trueshot.evaluation.one_shot import OneShot
from trueshot.evaluation.weights import Weights, WithWeights, read_weights
from trueshot.evaluation.wrappers import Mean, Reporting
from trueshot.training.snapshots import mean_parameters

Report = Callable[[int], None]


def single_checkpoint(one_shot: OneShot, weights: Weights, report: Report | None = None) -> WithWeights:
    """Score by one set of weights (Eq. 6). ``report`` is called with the number of architectures newly scored."""
    inner = one_shot if report is None else Reporting(one_shot, report)
    return WithWeights(inner, one_shot.supernet, weights)


def score_expectation(one_shot: OneShot, snapshots: Sequence[Weights], report: Report | None = None) -> Mean:
    """Score by the mean of the scores at every snapshot (Eq. 10), at K times the cost of one.

    Each call goes through the snapshots one after another and reads each once: score many architectures in a call.
    ``report`` is told of each architecture K times.
    """
    return Mean([single_checkpoint(one_shot, weights, report) for weights in snapshots])


def parameter_expectation(one_shot: OneShot, snapshots: Sequence[Weights], report: Report | None = None) -> WithWeights:
    """Score by the mean of the snapshots' weights (Eq. 11), at the cost of one; they are averaged here and now."""
    return single_checkpoint(one_shot, mean_parameters(map(read_weights, snapshots)), report)
