"""Evaluators: architectures in, scores out, higher is better."""

from trueshot.evaluation.accuracy import measure
from trueshot.evaluation.costs import CostScore
from trueshot.evaluation.expectation import parameter_expectation, score_expectation, single_checkpoint
from trueshot.evaluation.one_shot import Metric, OneShot
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.recalibration import PRESETS, RUNNING, Batch, Recalibration
from trueshot.evaluation.trained import FINE_TUNING, FineTuned, StandAlone, Trial
from trueshot.evaluation.twins import TwinMean
from trueshot.evaluation.weights import Weights, WithWeights
from trueshot.evaluation.wrappers import Cached, Canonical, Mean, Median, Reporting
from trueshot.evaluation.zero_cost import PROXIES as ZERO_COST_PROXIES
from trueshot.evaluation.zero_cost import ZeroCost

__all__ = [
    "FINE_TUNING",
    "PRESETS",
    "RUNNING",
    "ZERO_COST_PROXIES",
    "Batch",
    "Cached",
    "Canonical",
    "CostScore",
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
    "TwinMean",
    "Weights",
    "WithWeights",
    "ZeroCost",
    "measure",
    "parameter_expectation",
    "score_expectation",
    "single_checkpoint",
]
