"""What a study of the Surgery paper trains and scores: conditions, and a setting for each scale."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from trueshot.core.config import Part
from trueshot.evaluation.config import EvaluationConfig, Metric
from trueshot.evaluation.recalibration import RUNNING, Recalibration
from trueshot.sampling.config import UniformConfig
from trueshot.spaces import NasBench201
from trueshot.studies.images import IMAGES, Images
from trueshot.studies.result import Scale
from trueshot.training.config import Averaging, Plateau, Recipe
from trueshot.training.data.augment import Augmentation
from trueshot.training.data.options import DataOptions

_UNIFORM = Part("uniform", UniformConfig())


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One way of training a supernet.

    Attributes:
        name: for its directory and progress; conditions that differ in nothing else are one supernet.
        sampler: which architectures train it.
        averaging: how a step of several architectures averages their gradients.
        recipe: fields of the training that differ, such as ``epochs``.
    """

    name: str
    sampler: Part = _UNIFORM
    averaging: Averaging = "all"
    recipe: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


PLAIN = Condition(name="plain")
"""Uniform sampling, everything as the scale has it."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How the paper's studies are run at one scale.

    Attributes:
        images: what supernets are trained and scored on.
        space: without the shape of the images, which replaces its own.
        recipe: of the supernets.
        archs: how many are ranked, ``None`` for all.
        recalibration: of BatchNorm before scoring.
        metric: ``accuracy``, or ``loss`` (negated).
        score_images: validation images of a score, ``None`` for all.
    """

    images: Images
    space: NasBench201
    recipe: Recipe
    archs: int | None
    recalibration: Recalibration
    metric: Metric
    score_images: int | None = None

    @property
    def fitted(self) -> NasBench201:
        """The space for the images as stated."""
        images = self.images
        return dataclasses.replace(
            self.space, image_size=images.side, classes=images.classes, in_channels=images.channels
        )

    def recipe_of(self, condition: Condition) -> Recipe:
        """Return how a condition is trained."""
        return self.recipe.replace(**condition.recipe)

    def evaluation(self) -> EvaluationConfig:
        """Return how architectures are scored."""
        return EvaluationConfig(
            recalibration=self.recalibration,
            metric=self.metric,
            images=self.score_images,
        )


_IMAGES = {
    Scale.SMOKE: IMAGES[Scale.SMOKE],
    Scale.CPU: Images(
        source="cifar10",
        side=16,
        channels=3,
        classes=10,
        train=50_000,
        validation=5_000,
        test=100,
        augmentation=Augmentation(crop_padding=2, flip=0.5),
        options=DataOptions(image_size=16, validation_fraction=0.1, max_test_images=100),
    ),
    Scale.PAPER: Images(
        source="cifar10",
        side=32,
        channels=3,
        classes=10,
        train=50_000,
        validation=10_000,
        test=10_000,
        augmentation=Augmentation(crop_padding=4, padding="black", flip=0.5),
        options=DataOptions(image_size=32, validation_fraction=0.2),
    ),
}
"""What each scale trains on; test images play no part in it, as the truth is a table."""

SETTINGS: Mapping[Scale, Setting] = MappingProxyType(
    {
        Scale.SMOKE: Setting(
            images=_IMAGES[Scale.SMOKE],
            space=NasBench201(channels=4, cells=1, affine=False),
            recipe=Recipe(epochs=2, batch_size=64, lr=0.05, weight_decay=5e-4, clip=5.0, dropout=0.1),
            archs=12,
            recalibration=Recalibration(mode="batch", batch_size=80),
            metric="loss",
        ),
        # So early, the loss on batch statistics ranks best. As that of the paper, the rate stays high while the loss
        # falls: the end of a cosine makes the ranks of so short a training worse.
        Scale.CPU: Setting(
            images=_IMAGES[Scale.CPU],
            space=NasBench201(channels=8, cells=1, affine=False),
            recipe=Recipe(epochs=10, batch_size=256, lr=0.1, weight_decay=5e-4, clip=5.0, plateau=Plateau(patience=1)),
            archs=300,
            recalibration=Recalibration(mode="batch", batch_size=500),
            metric="loss",
            score_images=500,
        ),
        Scale.PAPER: Setting(
            images=_IMAGES[Scale.PAPER],
            space=NasBench201(channels=16, cells=5, affine=False),
            recipe=Recipe(
                epochs=1000, batch_size=512, lr=0.05, weight_decay=5e-4, clip=5.0, plateau=Plateau(), dropout=0.1
            ),
            archs=None,
            recalibration=RUNNING,
            metric="accuracy",
        ),
    }
)
"""At its own scale Table 1 of the paper, with running statistics and accuracy as its code has it.

``archs`` is the number of groups here, of which all members are scored.
"""
