"""What a user may choose about the data of a run and about augmentation: configurations, free of heavy imports."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, model_validator

from trueshot.core.config import Config, Flag
from trueshot.core.errors import ConfigError


class DataOptions(Config):
    """How a dataset is read and split; part of a run's configuration.

    Attributes:
        image_size: side in pixels of the square the network sees; ``None`` chooses it (see ``layout.choose_size``).
        validation_fraction: share of the training images set aside for validation, unless the data has a part for it.
        test_fraction: share of all images set aside for testing when the data is one unsplit source.
        max_bad_images: so many unreadable images, over all parts, are skipped and named; one more is an error.
        max_images: at most so many training and validation images together, drawn per class in proportion.
        max_test_images: the same for the test images.
        split_seed: decides which images go into which part. It is apart from the seed of a run, so that runs of several
            seeds, and those that search the supernet of another run again, never test on what another trained on.
        workers: processes or threads that decode images; ``None`` takes one per processor this process may use.
    """

    image_size: int | None = Field(default=None, ge=4, le=1024)
    validation_fraction: float = Field(default=0.2, gt=0, lt=1)
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    max_bad_images: Annotated[int, Flag("--max-bad-images", help="Unreadable images to skip.")] = Field(default=0, ge=0)
    max_images: int | None = Field(default=None, ge=4)
    max_test_images: int | None = Field(default=None, ge=2)
    split_seed: int = Field(default=0, ge=0)
    workers: int | None = Field(default=None, ge=0)

    def worker_count(self) -> int:
        """Return the number of workers to start; 0 decodes in the process itself."""
        if self.workers is not None:
            return self.workers
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(available, 16)


class Augmentation(Config):
    """What is done to training images; the default is nothing.

    Attributes:
        crop_padding: pixels added on each side before a crop of the old size at a random place.
        padding: what the added pixels show: the image mirrored at its edge, or black.
        flip: probability of a mirror image, left to right.
        brightness: the image is multiplied by a factor between 1 - this and 1 + this.
        contrast: the same for the distance of pixels from the mean grey of the image.
        saturation: the same for the distance of pixels from their own grey; no effect on grey images.
        cutout: side in pixels of a square of the mean colour at a random place, cut at the edges (DeVries and Taylor,
            arXiv 1708.04552).
        resized_crop: range of the share of the image's area that is cut out, in an aspect between 3:4 and 4:3, and
            resized to the old size; ``None`` leaves it out.
    """

    crop_padding: int = Field(default=0, ge=0)
    padding: Literal["reflect", "black"] = "reflect"
    flip: float = Field(default=0, ge=0, le=1)
    brightness: float = Field(default=0, ge=0, le=1)
    contrast: float = Field(default=0, ge=0, le=1)
    saturation: float = Field(default=0, ge=0, le=1)
    cutout: int = Field(default=0, ge=0)
    resized_crop: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _check_scale(self) -> Augmentation:
        if self.resized_crop is not None and not 0 < self.resized_crop[0] <= self.resized_crop[1] <= 1:
            raise ValueError("resized_crop needs two shares of the area, 0 < least <= most <= 1")
        return self

    @classmethod
    def preset(cls, name: str) -> Augmentation:
        """Return a preset by name.

        Raises:
            ConfigError: when there is no such preset.
        """
        if name not in PRESETS:
            raise ConfigError(f"no augmentation '{name}': choose one of {', '.join(PRESETS)}")
        return PRESETS[name]


PRESETS: Mapping[str, Augmentation] = MappingProxyType(
    {
        "none": Augmentation(),
        "digits": Augmentation(crop_padding=1, padding="black", brightness=0.2, contrast=0.2),
        "cifar": Augmentation(crop_padding=4, flip=0.5),
        "cifar_strong": Augmentation(crop_padding=4, flip=0.5, cutout=8, brightness=0.2, contrast=0.2, saturation=0.2),
        "imagenet": Augmentation(resized_crop=(0.08, 1.0), flip=0.5, brightness=0.4, contrast=0.4, saturation=0.4),
    }
)
"""Ready-made augmentations: for digits (never mirrored), CIFAR, and ImageNet (timm's defaults)."""
