"""What the studies of inter-choice weights on SubImageNet share: a chain, its supernets, and the truth.

In this space a bias can do nothing: every block begins with a 1x1 convolution and BatchNorm, which takes a constant
added to a whole channel away again. Supernets with it are baselines that rounding has led elsewhere.

Source: Laube and Zell, "Inter-choice dependent super-network weights", sections 3.1.2 and 4.1, appendices A to C.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueshot.studies.bases import DIGITS
from trueshot.studies.interchoice import BASELINE, Conditions, sharing
from trueshot.studies.record import Prior, Scale
from trueshot.studies.supernets import Rankings

EPOCHS = 600
"""Published epochs of the supernets."""

CONDITIONS: Conditions = {
    BASELINE: {},
    "bias D=1": sharing("bias", depth=1),
    "split at 400": sharing("split", epoch=400),
    "split at 500": sharing("split", epoch=500),
}

STRONG: Mapping[str, Any] = {
    "resized_crop": (0.08, 1.0),
    "flip": 0.5,
    "brightness": 0.4,
    "contrast": 0.4,
    "saturation": 0.4,
}
"""Augmentation of the stand-alone networks, and of the supernets that Fig. 7 compares."""

_RECIPE: Mapping[str, Any] = {
    "batch_size": 128,
    "lr": 0.05,
    "final_lr": 1e-5,
    "warmup_epochs": 5.0,
    "weight_decay": 4e-5,
    "label_smoothing": 0.1,
}
"""Of supernets and networks (Table 5)."""

TRUTH = {
    Scale.SMOKE: {
        "recipe": {"epochs": 2, "batch_size": 40, "lr": 0.1},
        "augmentation": DIGITS["supernet.augmentation"],
    },
    Scale.PAPER: {"recipe": {"epochs": 240, **_RECIPE, "dropout": 0.2}, "augmentation": STRONG},
}
"""Training of the networks themselves."""

ARGUMENTS = {
    Scale.SMOKE: {
        "layers": ((8, 2), (8, 1), (8, 1)),
        "stem_width": 8,
        "stem_stride": 1,
        "fixed_width": 8,
        "head_width": 16,
        "kernels": (3, 5),
    },
    # The images at hand have 64 pixels, not 224: the first stride is taken away.
    Scale.PAPER: {"stem_stride": 1},
}
"""Of the chain."""

IMAGES = {Scale.SMOKE: DIGITS, Scale.PAPER: {"source": "subimagenet64", "data": {"image_size": 64}}}

_SHARED = {scale: {**IMAGES[scale], "space": {"name": "chain", "arguments": ARGUMENTS[scale]}} for scale in IMAGES}
_SCALES: Mapping[Scale, Mapping[str, Any]] = {
    Scale.SMOKE: {
        **_SHARED[Scale.SMOKE],
        "share": 3 / EPOCHS,
        "supernet.recipe": {"epochs": EPOCHS, "batch_size": 160, "lr": 0.1},
        "evaluation": {"recalibration": {"mode": "adapt", "batches": 1, "batch_size": 80}, "metric": "loss"},
        "archs.count": 11,
        "seeds": 2,
    },
    Scale.PAPER: {
        **_SHARED[Scale.PAPER],
        "supernet.augmentation": {"resized_crop": (0.4, 1.0), "flip": 0.5},
        "supernet.recipe": {"epochs": EPOCHS, **_RECIPE},
        "evaluation": {"recalibration": {"mode": "adapt", "batches": 20, "batch_size": 128}},
        "seeds": 3,
    },
}
_BASE: Mapping[str, Any] = {
    "supernet.sampler": "uniform",
    "archs": {"draw": "sampler", "sampler": "uniform", "stream": "chain/archs"},
    "scores": {"single": {}},
}

SPREAD = Prior(0.2, "pairs of bias and baseline, which are one kind here, in 153afeb:results/interchoice-fig5-cpu.json")

NO_TRUTH = (
    "a truth that ranks: two trainings of three epochs agree with tau 0.07 over 20 chains"
    " (153afeb:results/interchoice-fig6-cpu.json), and no ranking can be told from chance by them; the published truth"
    " is 100 trainings of 240 epochs"
)


def ranked(conditions: Conditions = CONDITIONS, *, reset: bool = False) -> Rankings:
    """Return supernets that score the architectures whose truth is known, 50 in the paper.

    Args:
        conditions: what differs between them.
        reset: whether they score a second time, with BatchNorm statistics estimated anew instead of adapted.
    """
    count = {Scale.SMOKE: {}, Scale.PAPER: {"archs.count": 50}}
    scales = {}
    for scale, values in _SCALES.items():
        anew = {"scores.reset.recalibration": {**values["evaluation"]["recalibration"], "mode": "reset"}}
        known = {"truth": {**TRUTH[scale], "seeds": 2}, **count[scale]}
        scales[scale] = {**values, **known, **(anew if reset else {})}
    return Rankings(scales=scales, conditions=conditions, base=_BASE)


RANKED = ranked()

COMPARED = Rankings(
    scales={
        Scale.SMOKE: {**_SCALES[Scale.SMOKE], "archs.stream": "chain/compared"},
        Scale.PAPER: {**_SCALES[Scale.PAPER], "archs.count": 250, "archs.stream": "chain/compared"},
    },
    conditions=CONDITIONS,
    base=_BASE,
)
"""The same supernets, which score 250 architectures that nobody trains."""
