"""What the studies of inter-choice weights on NAS-Bench-201 share: settings, conditions and their improvement curves.

Source: Laube and Zell, "Inter-choice dependent super-network weights", section 4.1 and appendices B to E.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import torch

from trueshot.evaluation.recalibration import PRESETS, Recalibration
from trueshot.spaces import NasBench201
from trueshot.strategies.config import SharingConfig
from trueshot.studies.images import Images
from trueshot.studies.interchoice_curves import BASELINE, Outcome
from trueshot.studies.lab import LAB_IMAGES, Condition, Lab, Setting, scoring_part, space_size, supernet_part
from trueshot.studies.result import Part, Scale
from trueshot.training.data.augment import Augmentation
from trueshot.training.data.options import DataOptions
from trueshot.training.recipe import Recipe

FOLDER = "interchoice"

SPLITS = (125, 175, 200)
"""Published epochs of the split, of ``EPOCHS``."""
EPOCHS = 250

_SPACE: dict[str, Any] = {"affine": False, "skip": "linear_transformer"}

SETTINGS: Mapping[Scale, Setting] = MappingProxyType(
    {
        Scale.SMOKE: Setting(
            images=LAB_IMAGES[Scale.SMOKE],
            space=NasBench201(channels=2, cells=1, **_SPACE),
            recipe=Recipe(epochs=5, batch_size=160, lr=0.1),
            marks=(),
            repeats=2,
            archs=14,
            recalibration=Recalibration(mode="batch", batch_size=80),
            metric="loss",
        ),
        Scale.CPU: Setting(
            images=Images(
                source="cifar10",
                side=16,
                channels=3,
                classes=10,
                train=10_000,
                validation=1_000,
                test=100,
                augmentation=Augmentation(crop_padding=2, flip=0.5),
                options=DataOptions(image_size=16, max_images=10_000, validation_fraction=0.1, max_test_images=100),
            ),
            space=NasBench201(channels=8, cells=1, **_SPACE),
            recipe=Recipe(epochs=8, batch_size=64, lr=0.1, weight_decay=5e-4),
            marks=(),
            repeats=2,
            archs=200,
            recalibration=Recalibration(mode="batch", batch_size=500),
            metric="loss",
            score_images=500,
        ),
        Scale.PAPER: Setting(
            images=Images(
                source="cifar10",
                side=32,
                channels=3,
                classes=10,
                train=50_000,
                validation=5_000,
                test=10_000,
                augmentation=Augmentation(crop_padding=4, padding="black", flip=0.5),
                options=DataOptions(image_size=32, validation_fraction=0.1),
            ),
            space=NasBench201(cells=2, **_SPACE),
            recipe=Recipe(epochs=EPOCHS, batch_size=256, lr=0.025, final_lr=1e-5, weight_decay=3e-4),
            marks=(),
            repeats=3,
            archs=1000,
            recalibration=PRESETS["interchoice"],
            metric="accuracy",
        ),
    }
)
"""The paper's own values (Tables 3 and 5, appendix B) at its scale."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How many conditions a scale compares.

    Attributes:
        sub_spaces: of NAS-Bench-201.
        depths: D of the bias.
        splits: published epochs of the split.
        shared_depths: D of the shared bias.
        attentions: linear layers of the attention, and whether the own choice counts.
        cells: cells in each stage.
    """

    sub_spaces: tuple[str, ...] = ("full", "no_none", "only_conv")
    depths: tuple[int, ...] = (1, 2, 3)
    splits: tuple[int, ...] = SPLITS
    shared_depths: tuple[int, ...] = (1,)
    attentions: tuple[tuple[Literal[1, 2], bool], ...] = ((1, True), (2, True), (1, False))
    cells: tuple[int, ...] = (1, 2, 3)


EXTENTS: Mapping[Scale, Extent] = MappingProxyType(
    {
        Scale.SMOKE: Extent(
            sub_spaces=("only_conv",), depths=(1,), splits=(125,), attentions=((2, True),), cells=(1, 2)
        ),
        Scale.CPU: Extent(),
        Scale.PAPER: Extent(shared_depths=(1, 2, 3), cells=(1, 2, 3, 4, 5)),
    }
)

SPACES: Mapping[str, str] = MappingProxyType(
    {"full": "all operations", "no_none": "no Zero", "only_conv": "only convolutions"}
)
"""The paper's names of the sub-spaces."""


def condition(sub_space: str, label: str, sharing: SharingConfig, **changes: Any) -> Condition:
    """Return a condition on a sub-space; ``changes`` are further fields of it."""
    name = f"{sub_space}-{label}".replace(" ", "-").replace("=", "").replace(",", "").replace("(s)", "s").lower()
    return Condition(name=name, sharing=sharing, sub_space=sub_space, **changes)


def baseline(sub_space: str, **changes: Any) -> Condition:
    """Return plain weight sharing on a sub-space."""
    return condition(sub_space, BASELINE, SharingConfig(), **changes)


def biases(scale: Scale, sub_space: str) -> dict[str, Condition]:
    """Return the bias at each depth of the scale, by the paper's label."""
    labels = {f"bias D={depth}": SharingConfig(kind="bias", depth=depth) for depth in EXTENTS[scale].depths}
    return {label: condition(sub_space, label, sharing) for label, sharing in labels.items()}


def splits(scale: Scale, sub_space: str) -> dict[str, Condition]:
    """Return the splits of the scale, each at the published share of the training, by the paper's label."""
    epochs = SETTINGS[scale].recipe.epochs
    labels = {
        f"split at {published}": SharingConfig(kind="split", epoch=published * epochs // EPOCHS)
        for published in EXTENTS[scale].splits
    }
    return {label: condition(sub_space, label, sharing) for label, sharing in labels.items()}


def outcome(lab: Lab, chosen: Condition) -> Outcome:
    """Train the supernets of a condition and score its architectures by their last weights."""
    archs = lab.archs(chosen)
    scores = []
    for repeat in range(lab.setting.repeats):
        trained = lab.trained(chosen, repeat)
        scores.append(lab.scores(trained, max(trained.marks), archs))
    return Outcome(truth=lab.truth(archs, condition=chosen), scores=tuple(scores))


def outcomes(lab: Lab, chosen: Mapping[str, Condition]) -> dict[str, Outcome]:
    """Return the outcome of each condition by its label."""
    return {label: outcome(lab, one) for label, one in chosen.items()}


def setting_note(lab: Lab) -> str:
    """Say what was trained and how it was scored."""
    setting = lab.setting
    recipe, mode = setting.recipe, setting.recalibration
    return (
        f"{setting.repeats} supernets of each kind, {recipe.epochs} epochs of {len(lab.work.dataset.train)} images at"
        f" {setting.space.image_size} pixels, {setting.space.channels} channels, {setting.space.cells} cell(s) a stage;"
        f" scored by validation {setting.metric}, BatchNorm mode {mode.mode} (the paper: 3 supernets, {EPOCHS} epochs,"
        " 45,000 images, 16 channels, 2 cells, accuracy, 1,000 architectures)."
    )


def parts(scale: Scale, device: torch.device, counts: Sequence[tuple[Condition, int]]) -> list[Part]:
    """Return the cost of training and scoring ``count`` kinds of supernets, each at the cost of the given condition."""
    setting = SETTINGS[scale]
    found = []
    for one, count in counts:
        supernets, size = count * setting.repeats, space_size(one)
        archs = size if setting.archs is None else min(setting.archs, size)
        found.append(supernet_part(setting, device, supernets, one))
        found.append(scoring_part(setting, device, supernets * archs, one))
    return found
