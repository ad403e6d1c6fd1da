"""Evaluators: architectures in, scores out, higher is better."""

from trueshot.evaluation.accuracy import measure
from trueshot.evaluation.expectation import parameter_expectation, score_expectation, single_checkpoint
from trueshot.evaluation.one_shot import Metric, OneShot
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.recalibration import PRESETS, RUNNING, Batch, Recalibration
from trueshot.evaluation.trained import FINE_TUNING, FineTuned, StandAlone, Trial
from trueshot.evaluation.weights import Weights, WithWeights
from trueshot.evaluation.wrappers import Cached, Canonical, Mean, Median, Reporting

__all__ = [
    "FINE_TUNING",
    "PRESETS",
    "RUNNING",
    "Batch",
    "Cached",
    "Canonical",
    "Evaluator",
    "FineTuned",
    "Mean",
    "Median",
    "Metric",
    "OneShot",
    "Recalibration",
    "Reporting",
    "StandAlone",
    "Trial",
    "Weights",
    "WithWeights",
    "measure",
    "parameter_expectation",
    "score_expectation",
    "single_checkpoint",
]
