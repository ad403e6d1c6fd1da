"""Final parts from surveyed rows: decoded into memory when small, kept encoded otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from trueshot.training.data.dataset import EncodedImages, HeldBack, Part, without
from trueshot.training.data.decode import BadImage, Geometry, decode_rows, fit_all
from trueshot.training.data.layout import IMAGENET_CROP, RESIDENT_BYTES, SMALL_SIDE, Survey, choose_size
from trueshot.training.data.listing import Labelled
from trueshot.training.data.options import DataOptions
from trueshot.training.data.preprocessing import Preprocessing

STATISTICS_IMAGES = 2048
"""Mean and deviation of images that stay encoded come from so many training images."""

THREADED_PIXELS = 128 * 128
"""Below this size threads that decode wait for each other more than they gain."""

MIN_STD = 1 / 255
"""Least deviation to divide by: one grey level."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One geometry for all parts, and whether they live in memory."""

    geometry: Geometry
    resident: bool
    workers: int

    @classmethod
    def of(cls, surveys: Sequence[Survey], options: DataOptions, workers: int) -> Reader:
        """Choose the geometry that suits all images, as the options allow."""
        size = options.image_size or choose_size(np.concatenate([seen.sizes for seen in surveys]))
        channels = 1 if all(bool(seen.grey.all()) for seen in surveys) else 3
        total = sum(len(seen.rows) for seen in surveys) * channels * size * size
        resident = size <= SMALL_SIDE and total <= RESIDENT_BYTES
        area = float(np.median(np.concatenate([seen.sizes for seen in surveys]).prod(axis=1)))
        crop = 1.0 if size <= SMALL_SIDE else IMAGENET_CROP
        return cls(
            geometry=Geometry(channels=channels, image_size=size, crop=crop),
            resident=resident,
            workers=workers if not resident or area > THREADED_PIXELS else 0,
        )

    def read(self, source: Labelled, seen: Survey) -> tuple[Part, list[BadImage]]:
        """Make a part; images found unreadable only now are left out and returned."""
        labels = source.labels[seen.rows]
        if not self.resident:
            return Part(images=self.encoded(source, seen), labels=torch.from_numpy(labels)), []
        if seen.pixels is not None:
            pixels = fit_all(seen.pixels, self.geometry)
            return Part(images=torch.from_numpy(pixels), labels=torch.from_numpy(labels)), []
        decoded, bad = decode_rows(source.images, seen.rows.tolist(), self.geometry, self.workers)
        keep = without(len(labels), bad)
        part = Part(images=torch.from_numpy(decoded[keep]), labels=torch.from_numpy(labels[keep]))
        return part, bad

    def encoded(self, source: Labelled, seen: Survey) -> EncodedImages:
        """Return the images undecoded."""
        return EncodedImages(images=source.images, rows=seen.rows, geometry=self.geometry, workers=self.workers)

    def preprocessing(self, train: Part) -> Preprocessing:
        """Measure mean and deviation per channel: of all training images in memory, else of the first 2,048."""
        images = train.images
        if isinstance(images, EncodedImages):
            rows = images.rows[:STATISTICS_IMAGES].tolist()
            decoded, bad = decode_rows(images.images, rows, self.geometry, self.workers)
            images = torch.from_numpy(decoded[without(len(rows), bad)])
        moments = channel_moments(images)
        return Preprocessing(
            channels=self.geometry.channels,
            image_size=self.geometry.image_size,
            mean=tuple(float(value) for value in moments[0]),
            std=tuple(float(value) for value in np.maximum(moments[1], MIN_STD)),
            crop=self.geometry.crop,
        )


def held_back(reader: Reader, source: Labelled, seen: Survey, allowance: int) -> HeldBack:
    """Set the test images aside, undecoded."""
    return HeldBack(
        encoded=reader.encoded(source, seen),
        labels=source.labels[seen.rows],
        resident=reader.resident,
        allowance=allowance,
    )


def channel_moments(images: UInt8[Tensor, "n c h w"]) -> Float64[np.ndarray, "2 c"]:
    """Return mean and standard deviation per channel of pixels in [0, 1], exact up to one rounding.

    Counting the 256 levels needs no copy of the images as floating point.
    """
    levels = np.arange(256) / 255
    moments = []
    for channel in range(images.shape[1]):
        counts = torch.zeros(256, dtype=torch.int64)
        for chunk in images[:, channel].split(4096):
            counts += torch.bincount(chunk.flatten(), minlength=256)
        weights = counts.numpy() / max(int(counts.sum()), 1)
        mean = float(weights @ levels)
        moments.append((mean, float(np.sqrt(weights @ (levels - mean) ** 2))))
    return np.asarray(moments, dtype=np.float64).T
