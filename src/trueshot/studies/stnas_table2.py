"""ST-NAS, Table 2: efficient search methods and a searched network at equal MAdds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueshot.studies import baselines
from trueshot.studies.bases import CIFAR16, DIGITS
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Scale, Study
from trueshot.studies.searches import METRIC, Searched, Searches

_PUBLISHED = (
    ("DARTS", 574, 73.3),
    ("Proxyless-R", 320, 74.6),
    ("Single-path NAS", 365, 75.0),
    ("FBNet-C", 375, 74.9),
    ("SPOS", 328, 74.7),
    ("BetaNet-A", 333, 75.9),
)
_MODEL = "ST-NAS-A"
_FRACTIONS = (1.0, 326e6 / 503e6)
"""Budgets of the published networks B and A, as shares of the greater."""


def _setting(images: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a scale; all networks are trained on equally augmented images."""
    augmented = {"retraining.augmentation": images["supernet.augmentation"]}
    fixed = {"strategy": "one-shot", "retraining.off_the_shelf": False, "budget.fractions": _FRACTIONS}
    return {**images, **augmented, **fixed, **more}


_SCALES = {
    Scale.SMOKE: _setting(
        DIGITS,
        {
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
    Scale.CPU: _setting(
        CIFAR16,
        {
            "data": {"image_size": 16, "max_images": 10_000, "max_test_images": 4_000},
            "space": {
                "name": "topology",
                "arguments": {
                    "nodes": (2, 3, 2),
                    "widths": (12, 24, 40),
                    "kernels": (3,),
                    "stem_stride": 1,
                    "head_width": 96,
                },
            },
            "budget.max_madds": 2_323_200,
            "supernet.recipe": {
                "epochs": 12,
                "batch_size": 64,
                "lr": 0.5,
                "final_lr": 0.005,
                "momentum": 0.0,
                "clip": 5.0,
            },
            "weight_sampling.samples": 3,
            "evaluation.recalibration": {"mode": "reset", "batches": 1, "batch_size": 512},
            "proposer": {"kind": "nsga2", "population": 16, "generations": 8},
            "retraining.recipe": {
                "epochs": 5,
                "batch_size": 128,
                "lr": 0.2,
                "nesterov": True,
                "weight_decay": 5e-4,
                "warmup_epochs": 1.0,
            },
            "retraining.repeats": 2,
        },
    ),
    Scale.PAPER: {
        "source": "imagenet",
        "data": {"image_size": 224, "validation_fraction": 50_000 / 1_281_167},
        "strategy": "one-shot",
        "space": {"name": "topology"},
        "budget": {"max_madds": 503_000_000, "fractions": _FRACTIONS},
        "supernet.recipe": {"epochs": 600, "batch_size": 512, "lr": 0.1, "final_lr": 2.5e-4, "momentum": 0.0},
        "weight_sampling.samples": 20,
        "evaluation.recalibration": {"mode": "reset", "batches": 20, "batch_size": 512},
        "proposer": {"kind": "nsga2", "population": 45, "generations": 22},
        "retraining.recipe": {"epochs": 300, "batch_size": 2048, "lr": 0.8, "nesterov": True},
        "retraining.off_the_shelf": False,
    },
}


def _analyse(searched: Searched) -> Outcome:
    findings = [
        searched.searched(f"{_MODEL} (ours: best searched)", "winner", 76.4),
        searched.searched(f"random, as expensive as {_MODEL}", "random", None),
        searched.rival("FairNAS-A, scaled", "fairnas_a", 75.3),
        searched.rival("MobileNetV2, scaled", "mobilenet_v2", None),
        *(
            Finding(what=name, metric=METRIC, paper=top1, note=f"published at {madds}M MAdds; not trained here")
            for name, madds, top1 in _PUBLISHED
        ),
    ]
    notes = (
        "Off-the-shelf networks are scaled in width to the MAdds of the winner and trained by the same recipe.",
        "Published figures are of ImageNet at 224 pixels: only differences between our own rows mean anything.",
    )
    best, rival = findings[0].ours, findings[2].ours
    claims = {} if best is None or rival is None else {"winner less FairNAS-A": (best.value - rival.value,)}
    return Outcome(findings=tuple(findings), claims=claims, notes=notes)


STUDY = Study(
    name="stnas-table2",
    title="ST-NAS, Table 2: efficient search methods and a searched network at equal MAdds",
    question="Is a searched network better than off-the-shelf ones of equal MAdds?",
    work=Searches(
        scales=_SCALES,
        rivals={"fairnas_a": baselines.fairnas_a, "mobilenet_v2": baselines.mobilenet_v2},
    ),
    analyse=_analyse,
    claims=(
        Claim(
            name="winner less FairNAS-A",
            metric=METRIC,
            says="the searched network is better",
            above=0.0,
            paper=1.1,
            prior=Prior(1.0, "two trainings of one network differ by 0.5 to 1.5 points at this length"),
            over="searches",
        ),
    ),
    needs_more={
        Scale.CPU: "rivals that converge, eight random architectures and three seeds a winner; trainings of five epochs"
        " rank nothing"
    },
)
