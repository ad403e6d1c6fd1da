"""The settings of the studies of inter-choice weights on SubImageNet, and the kinds of supernets they train.

The published images have 224 pixels and the published chain has 19 layers; the images at hand have 64.

Source: Laube and Zell, "Inter-choice dependent super-network weights", section 3.1.2, Table 5, appendices A to C.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from trueshot.evaluation.one_shot import Metric
from trueshot.evaluation.recalibration import Recalibration
from trueshot.spaces import Chain
from trueshot.strategies.config import SharingConfig
from trueshot.studies.images import Images
from trueshot.studies.interchoice_curves import BASELINE
from trueshot.studies.lab import LAB_IMAGES
from trueshot.studies.result import Scale
from trueshot.training.data.augment import Augmentation
from trueshot.training.data.options import DataOptions
from trueshot.training.recipe import Recipe

EPOCHS = 600
"""Published epochs of the supernets."""
SPLITS = (400, 500)
"""Published epochs of the split."""


@dataclass(frozen=True, kw_only=True)
class ChainSetting:
    """How the studies are run at one scale.

    Attributes:
        images: with the augmentation of the stand-alone networks.
        weak: augmentation of the supernets; ``strong``: the stronger one that Fig. 7 compares.
        space: without the shape of the images, which replaces its own.
        recipe: of the supernets; ``truth``: of the stand-alone networks, with ``dropout`` before their classifier.
        metric: of the scores; ``truth_metric``: of the truth.
        archs: architectures whose truth is known; ``truth_seeds``: trainings of each.
        compared: architectures by which supernets are compared with each other.
        repeats: supernets of each kind.
        recalibration: of BatchNorm before scoring; ``reset``: the other one that Fig. 7 compares.
        score_images: validation images of a score, ``None`` for all.
    """

    images: Images
    weak: Augmentation
    strong: Augmentation
    space: Chain
    recipe: Recipe
    truth: Recipe
    dropout: float
    metric: Metric
    truth_metric: Metric
    archs: int
    truth_seeds: int
    compared: int
    repeats: int
    recalibration: Recalibration
    reset: Recalibration
    score_images: int | None = None

    @property
    def fitted(self) -> Chain:
        """The space for the images as stated."""
        images = self.images
        shape: dict[str, Any] = {"image_size": images.side, "classes": images.classes, "in_channels": images.channels}
        return dataclasses.replace(self.space, **shape)

    def recipe_of(self, kind: Kind) -> Recipe:
        """Return how a kind of supernet is trained."""
        return dataclasses.replace(self.recipe, epochs=max(1, round(kind.epochs * self.recipe.epochs)))


_SMALL = Augmentation(crop_padding=2, flip=0.5)

SETTINGS: Mapping[Scale, ChainSetting] = MappingProxyType(
    {
        Scale.SMOKE: ChainSetting(
            images=LAB_IMAGES[Scale.SMOKE],
            weak=Augmentation.preset("digits"),
            strong=Augmentation(crop_padding=2, padding="black", brightness=0.4, contrast=0.4),
            space=Chain(
                layers=((8, 2), (8, 1), (8, 1)),
                stem_width=8,
                stem_stride=1,
                fixed_width=8,
                head_width=16,
                kernels=(3, 5),
            ),
            recipe=Recipe(epochs=6, batch_size=160, lr=0.1),
            truth=Recipe(epochs=1, batch_size=160, lr=0.1),
            dropout=0.0,
            metric="loss",
            truth_metric="loss",
            archs=11,
            truth_seeds=2,
            compared=11,
            repeats=2,
            recalibration=Recalibration(mode="adapt", batches=1, batch_size=80),
            reset=Recalibration(mode="reset", batches=1, batch_size=80),
        ),
        Scale.CPU: ChainSetting(
            images=Images(
                source="subimagenet64",
                side=32,
                channels=3,
                classes=100,
                train=12_000,
                validation=2_000,
                test=10_000,
                augmentation=_SMALL,
                options=DataOptions(image_size=32, max_images=12_000, validation_fraction=1 / 6),
            ),
            weak=_SMALL,
            strong=Augmentation(resized_crop=(0.25, 1.0), flip=0.5, brightness=0.4, contrast=0.4, saturation=0.4),
            space=Chain(
                layers=((16, 2), (24, 2), (32, 1), (48, 2), (48, 1)), stem_width=8, fixed_width=8, head_width=128
            ),
            recipe=Recipe(epochs=8, batch_size=64, lr=0.1, weight_decay=4e-5, warmup_epochs=0.5),
            truth=Recipe(epochs=3, batch_size=64, lr=0.1, weight_decay=4e-5, warmup_epochs=0.25),
            dropout=0.0,
            metric="loss",
            truth_metric="loss",
            archs=20,
            truth_seeds=2,
            compared=120,
            repeats=3,
            recalibration=Recalibration(mode="adapt", batches=4, batch_size=250),
            reset=Recalibration(mode="reset", batches=4, batch_size=250),
            score_images=1_000,
        ),
        Scale.PAPER: ChainSetting(
            images=Images(
                source="subimagenet64",
                side=64,
                channels=3,
                classes=100,
                train=25_000,
                validation=5_000,
                test=10_000,
                augmentation=Augmentation.preset("imagenet"),
                options=DataOptions(image_size=64),
            ),
            weak=Augmentation(resized_crop=(0.4, 1.0), flip=0.5),
            strong=Augmentation.preset("imagenet"),
            space=Chain(stem_stride=1),
            recipe=Recipe(
                epochs=EPOCHS,
                batch_size=128,
                lr=0.05,
                final_lr=1e-5,
                warmup_epochs=5.0,
                weight_decay=4e-5,
                label_smoothing=0.1,
            ),
            truth=Recipe(
                epochs=240,
                batch_size=128,
                lr=0.05,
                final_lr=1e-5,
                warmup_epochs=5.0,
                weight_decay=4e-5,
                label_smoothing=0.1,
            ),
            dropout=0.2,
            metric="accuracy",
            truth_metric="accuracy",
            archs=50,
            truth_seeds=2,
            compared=250,
            repeats=3,
            recalibration=Recalibration(mode="adapt", batches=20, batch_size=128),
            reset=Recalibration(mode="reset", batches=20, batch_size=128),
        ),
    }
)
"""The paper's own values (Table 5, appendix A) at its scale, but for the size of the images and the first stride."""


_SHARED = SharingConfig()


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One way of training a supernet.

    Attributes:
        name: for its directory and progress.
        sharing: which weights it shares.
        epochs: share of the setting's epochs.
        strong: whether images are augmented strongly.
    """

    name: str = BASELINE
    sharing: SharingConfig = _SHARED
    epochs: float = 1.0
    strong: bool = False


def kinds(scale: Scale) -> dict[str, Kind]:
    """Return the kinds of Fig. 5 and Table 2 by the paper's labels; splits at the published share of the training."""
    total = SETTINGS[scale].recipe.epochs
    found = {
        BASELINE: Kind(),
        "bias D=1": Kind(name="bias-d1", sharing=SharingConfig(kind="bias", depth=1)),
    }
    for published in SPLITS:
        sharing = SharingConfig(kind="split", epoch=published * total // EPOCHS)
        found[f"split at {published}"] = Kind(name=f"split-at-{published}", sharing=sharing)
    return found
