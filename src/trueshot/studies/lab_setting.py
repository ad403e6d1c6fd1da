"""What a ranking study trains and scores: images, conditions, and a setting for each scale."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from trueshot.evaluation.one_shot import Metric
from trueshot.evaluation.recalibration import Recalibration
from trueshot.spaces import NasBench201
from trueshot.strategies.config import EvaluationConfig, SamplerConfig, SharingConfig
from trueshot.studies.images import Images
from trueshot.studies.result import Scale
from trueshot.training.data.augment import Augmentation
from trueshot.training.data.options import DataOptions
from trueshot.training.recipe import Recipe

_LAB_SMOKE = Images(
    source="digits",
    side=8,
    channels=1,
    classes=10,
    train=400,
    validation=80,
    test=100,
    augmentation=Augmentation.preset("digits"),
    options=DataOptions(max_images=400, max_test_images=100),
)

LAB_IMAGES: Mapping[Scale, Images] = MappingProxyType(
    {
        Scale.SMOKE: _LAB_SMOKE,
        Scale.CPU: Images(
            source="cifar10",
            side=16,
            channels=3,
            classes=10,
            train=20_000,
            validation=2_000,
            test=100,
            augmentation=Augmentation(crop_padding=2, flip=0.5),
            options=DataOptions(image_size=16, max_images=20_000, validation_fraction=0.1, max_test_images=100),
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
)
"""Images of a ranking study; test images play no part in it, as the truth is a table."""


_UNIFORM = SamplerConfig(kind="uniform")
_SHARED = SharingConfig()


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One way of training a supernet; what is ``None`` takes the scale's own value.

    Attributes:
        name: for its directory and progress; conditions that differ in nothing else are one supernet.
        sampler: which architectures train it.
        sharing: which weights they share.
        cells: in each stage.
        channels: of the first stage.
        sub_space: of NAS-Bench-201; architectures of the condition are then rows of it.
        skip: what a skip connection is.
        affine: whether BatchNorm inside the cells has weights.
        recipe: fields of the training that differ, such as ``epochs``.
    """

    name: str
    sampler: SamplerConfig = _UNIFORM
    sharing: SharingConfig = _SHARED
    cells: int | None = None
    channels: int | None = None
    sub_space: str | None = None
    skip: str | None = None
    affine: bool | None = None
    recipe: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def space(self, base: NasBench201) -> NasBench201:
        """Return ``base`` with what the condition changes."""
        names = ("cells", "channels", "sub_space", "skip", "affine")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return dataclasses.replace(base, **given)


PLAIN = Condition(name="plain")
"""Uniform sampling, plain sharing, everything as the scale has it."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a paper's studies are run at one scale.

    Attributes:
        images: what supernets are trained and scored on.
        space: without the shape of the images, which replaces its own.
        recipe: of the supernets.
        marks: numbers of complete epochs after which weights are kept; the last epoch always is, and those beyond the
            end of a shorter training are left out.
        repeats: supernets of each condition.
        archs: how many random architectures are scored, ``None`` for all.
        recalibration: of BatchNorm before scoring.
        metric: ``accuracy``, or ``loss`` (negated).
        score_images: validation images of a score, ``None`` for all.
    """

    images: Images
    space: NasBench201
    recipe: Recipe
    marks: tuple[int, ...]
    repeats: int
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
        return dataclasses.replace(self.recipe, **condition.recipe)

    def marks_of(self, condition: Condition) -> tuple[int, ...]:
        """Return after which epochs the weights of a condition are kept."""
        epochs = self.recipe_of(condition).epochs
        return tuple(sorted({*(mark for mark in self.marks if 1 <= mark < epochs), epochs}))

    def evaluation(
        self, *, metric: Metric | None = None, recalibration: Recalibration | None = None
    ) -> EvaluationConfig:
        """Return how architectures are scored."""
        return EvaluationConfig(
            expectation="single",
            recalibration=recalibration or self.recalibration,
            metric=metric or self.metric,
            images=self.score_images,
        )
