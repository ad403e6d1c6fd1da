"""What the studies of ST-NAS share: the supernet of section 4.3 at each scale, and how its scores fluctuate.

Source: Guo et al., "Powering One-shot Topological NAS with Stabilized Share-parameter Proxy" (ECCV 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueshot.studies.bases import DIGITS, IMAGENET, NB201_CPU
from trueshot.studies.record import Prior, Scale
from trueshot.studies.supernets import Rankings

SPREAD = Prior(0.03, "half the spread of tau between two supernets of one kind in results/rank-cifar10-cpu")

P_DROP = {Scale.SMOKE: 69_047, Scale.CPU: 1_986_560, Scale.PAPER: 347_004_487}
"""Expected MAdds of the published sampler, which drops six branches of ten, in the topology space of each scale."""

TRAINING_IMAGES = 40_000
"""Of the scale ``cpu``: the N of its temperatures."""


def sampled(way: str, samples: int, temperature: float | None = None) -> Mapping[str, Any]:
    """Return a way of scoring that averages over samples of the weights; no temperature is 1/N."""
    return {"way": way, "weight_sampling": {"samples": samples, "temperature": temperature}}


def _ways(samples: int, last: int, **more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "last": {"last": last},
        "Fine-tune": {"way": "fine-tuned"},
        "SGLD-param": sampled("parameter", samples),
        "SGLD-acc": sampled("score", samples),
        **more,
    }


_MATCHED: Mapping[str, Any] = {"kind": "matched"}
_SPACE: Mapping[str, Any] = {
    "nodes": (2, 2),
    "widths": (8, 16),
    "kernels": (3,),
    "expansions": (1, 3),
    "stem_stride": 1,
    "head_width": 32,
}

TOPOLOGY_SMOKE: Mapping[str, Any] = {
    **DIGITS,
    "space": {"name": "topology", "arguments": _SPACE},
    "supernet.recipe": {"epochs": 3, "batch_size": 32, "lr": 0.5, "final_lr": 0.005, "momentum": 0.0, "clip": 5.0},
    "supernet.sampler": {**_MATCHED, "target_madds": P_DROP[Scale.SMOKE]},
    "evaluation": {"recalibration": {"mode": "reset", "batches": 1, "batch_size": 64}, "fine_tune_steps": 2},
    "archs": {
        "draw": "sampler",
        "count": 6,
        "stream": "ablation/random",
        "sampler": {**_MATCHED, "target_madds": P_DROP[Scale.SMOKE]},
    },
    "truth": {
        "recipe": {"epochs": 2, "batch_size": 32, "lr": 0.1},
        "augmentation": DIGITS["supernet.augmentation"],
    },
    "stream": "ablation/supernet",
}

TOPOLOGY_PAPER: Mapping[str, Any] = {
    **IMAGENET,
    "space": {"name": "topology"},
    "supernet.recipe": {"epochs": 600, "batch_size": 512, "lr": 0.1, "final_lr": 2.5e-4, "momentum": 0.0},
    "supernet.sampler": {**_MATCHED, "target_madds": P_DROP[Scale.PAPER]},
    "evaluation": {
        "recalibration": {"mode": "reset", "batches": 20, "batch_size": 512},
        "fine_tune_steps": 1000,
    },
    "archs": {
        "draw": "sampler",
        "count": 12,
        "sampler": {**_MATCHED, "target_madds": P_DROP[Scale.PAPER]},
    },
    "truth": {"recipe": {"epochs": 300, "batch_size": 2048, "lr": 0.8, "nesterov": True}},
}
"""The published supernet of section 4.3, and the networks that are trained as its truth."""

_OTHERS = {
    f"{name}, T = {told}": sampled(way, 5, temperature)
    for told, temperature in (("10/N", 10 / TRAINING_IMAGES), ("100/N", 100 / TRAINING_IMAGES), ("1", 1.0))
    for name, way in (("SGLD-param", "parameter"), ("SGLD-acc", "score"))
}

STABILITY = Rankings(
    conditions={"supernet": {}},
    scales={
        Scale.SMOKE: {**TOPOLOGY_SMOKE, "scores": _ways(3, 2)},
        Scale.CPU: {
            **NB201_CPU,
            "supernet.recipe.epochs": 20,
            "supernet.recipe.lr": 0.5,
            "supernet.recipe.momentum": 0.0,
            "seeds": 8,
            "archs": {"draw": "rows", "count": 1000},
            "scores": _ways(20, 10, **{"Fine-tune": {"way": "fine-tuned", "count": 100}}, **_OTHERS),
        },
        Scale.PAPER: {**TOPOLOGY_PAPER, "scores": _ways(20, 10), "seeds": 20},
    },
)
"""Single checkpoints, fine-tuning, both expectations; on NAS-Bench-201 at scale ``cpu``, where the truth is free."""
