"""What Tables 2 and 3 of ST-NAS share: one search under two budgets, and what they would need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueshot.criteria.power import pairs_needed
from trueshot.studies.bases import DIGITS, IMAGENET
from trueshot.studies.record import Finding, Prior, Scale
from trueshot.studies.searches import METRIC

_MODELS = (326_000_000, 503_000_000)
_FRACTIONS = (1.0, _MODELS[0] / _MODELS[1])
"""Budgets of the published networks B and A, as shares of the greater."""


def _setting(images: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return settings of a scale; all networks are trained on equally augmented images."""
    fixed = {"strategy": "one-shot", "retraining.off_the_shelf": False, "budget.fractions": _FRACTIONS}
    return {**images, "retraining.augmentation": images["supernet.augmentation"], **fixed, **more}


SCALES = {
    Scale.SMOKE: _setting(
        DIGITS,
        **{
            "space": {
                "name": "topology",
                "arguments": {
                    "nodes": (2, 2),
                    "widths": (24, 48),
                    "kernels": (3,),
                    "stem_stride": 1,
                    "head_width": 64,
                },
            },
            # Expected MAdds at four dropped branches of ten.
            "budget.max_madds": 979_610,
            "supernet.recipe": {
                "epochs": 1,
                "batch_size": 64,
                "lr": 0.5,
                "final_lr": 0.005,
                "momentum": 0.0,
                "clip": 5.0,
            },
            "weight_sampling.samples": 2,
            "evaluation.recalibration": {"mode": "reset", "batches": 1, "batch_size": 64},
            "proposer": {"kind": "nsga2", "population": 6, "generations": 2},
            "retraining.recipe": {"epochs": 1, "batch_size": 32, "lr": 0.1},
        },
    ),
    Scale.PAPER: _setting(
        IMAGENET,
        **{
            "space": {"name": "topology"},
            "budget.max_madds": _MODELS[1],
            "supernet.recipe": {"epochs": 600, "batch_size": 512, "lr": 0.1, "final_lr": 2.5e-4, "momentum": 0.0},
            "weight_sampling.samples": 20,
            "evaluation.recalibration": {"mode": "reset", "batches": 20, "batch_size": 512},
            "proposer": {"kind": "nsga2", "population": 45, "generations": 22},
            "retraining.recipe": {"epochs": 300, "batch_size": 2048, "lr": 0.8, "nesterov": True},
        },
    ),
}

SPREAD = Prior(2.1, "two networks, where trainings of one spread by 1.5 points (153afeb:results/stnas-table2-cpu.json)")


def published(what: str, madds: int, top1: float) -> Finding:
    """Return a published figure as a reference: that network is not trained here."""
    return Finding(what=what, metric=METRIC, paper=top1, note=f"published at {madds}M MAdds; not trained here")


def needs(effect: float) -> str:
    """Say what it takes to see a published lead."""
    return (
        "baselines that converge (scaled in depth, width and resolution), eight random architectures for each winner,"
        f" and {pairs_needed(effect, SPREAD.std)} trainings of each network to see the published {effect} points at a"
        f" spread of {SPREAD.std} between two; what five epochs rank is how fast networks start"
    )


NOTES = (
    "Off-the-shelf networks are scaled in width to the MAdds of the winner and trained by the same recipe.",
    "Published figures are of ImageNet at 224 pixels: only differences between our own rows mean anything.",
)
