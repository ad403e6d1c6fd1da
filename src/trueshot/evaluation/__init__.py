"""Evaluators: architectures in, scores out, higher is better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueshot.core.lazy import lazily

if TYPE_CHECKING:
    from trueshot.evaluation.accuracy import measure
    from trueshot.evaluation.costs import CostScore
    from trueshot.evaluation.expectation import parameter_expectation, score_expectation, single_checkpoint
    from trueshot.evaluation.fused import Fused
    from trueshot.evaluation.one_shot import Metric, OneShot
    from trueshot.evaluation.parallel import Spread
    from trueshot.evaluation.protocol import Evaluator
    from trueshot.evaluation.recalibration import PRESETS, RUNNING, Batch, Recalibration
    from trueshot.evaluation.trained import (
        FineTuned,
        Movement,
        StandAlone,
        Trained,
        Trial,
        fine_tuning,
        train_and_measure,
    )
    from trueshot.evaluation.twins import TwinMean
    from trueshot.evaluation.weights import Weights, WithWeights
    from trueshot.evaluation.wrappers import Cached, Canonical, Mean, Median, Reporting
    from trueshot.evaluation.zero_cost import ProxyImages, ProxyTable, ZeroCost


__all__ = [
    "PRESETS",
    "RUNNING",
    "Batch",
    "Cached",
    "Canonical",
    "CostScore",
    "Evaluator",
    "FineTuned",
    "Fused",
    "Mean",
    "Median",
    "Metric",
    "Movement",
    "OneShot",
    "ProxyImages",
    "ProxyTable",
    "Recalibration",
    "Reporting",
    "Spread",
    "StandAlone",
    "Trained",
    "Trial",
    "TwinMean",
    "Weights",
    "WithWeights",
    "ZeroCost",
    "fine_tuning",
    "measure",
    "parameter_expectation",
    "score_expectation",
    "single_checkpoint",
    "train_and_measure",
]

__getattr__ = lazily(
    __name__,
    {
        "accuracy": ("measure",),
        "costs": ("CostScore",),
        "expectation": ("parameter_expectation", "score_expectation", "single_checkpoint"),
        "fused": ("Fused",),
        "one_shot": ("Metric", "OneShot"),
        "parallel": ("Spread",),
        "protocol": ("Evaluator",),
        "recalibration": ("Batch", "PRESETS", "RUNNING", "Recalibration"),
        "trained": ("FineTuned", "Movement", "StandAlone", "Trained", "Trial", "fine_tuning", "train_and_measure"),
        "twins": ("TwinMean",),
        "weights": ("Weights", "WithWeights"),
        "wrappers": ("Cached", "Canonical", "Mean", "Median", "Reporting"),
        "zero_cost": ("ProxyImages", "ProxyTable", "ZeroCost"),
    },
)
