"""A dataset ready for training: three disjoint parts, and what a network must know of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from trueshot.core.errors import DataError
from trueshot.training.data.decode import BadImage, Geometry, decode_rows
from trueshot.training.data.listing import Images, Item, Listing
from trueshot.training.data.preprocessing import Preprocessing

IMBALANCE = 5.0
"""From this ratio of the largest to the smallest class on, accuracy alone misleads."""


@dataclass(frozen=True, kw_only=True)
class EncodedImages:
    """Images of one part that are decoded each time they are needed, by ``workers`` processes."""

    images: Images
    rows: Int64[np.ndarray, " n"]
    geometry: Geometry
    workers: int

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: Int64[np.ndarray, " m"]) -> EncodedImages:
        """Return the images at some positions, in that order."""
        return replace(self, rows=self.rows[positions])

    def joined(self, other: EncodedImages) -> EncodedImages:
        """Return these images followed by those of ``other``; both must be meant for the same geometry."""
        if other.images is self.images:
            return EncodedImages(
                images=self.images,
                rows=np.concatenate([self.rows, other.rows]),
                geometry=self.geometry,
                workers=self.workers,
            )
        rows = np.concatenate([self.rows, other.rows + len(self.images)])
        return EncodedImages(
            images=_Joined(self.images, other.images), rows=rows, geometry=self.geometry, workers=self.workers
        )

    def item(self, position: int) -> Item:
        """Return the encoded image at a position of the part."""
        return self.images.item(int(self.rows[position]))

    def name(self, position: int) -> str:
        """Return the name of the image at a position of the part."""
        return self.images.name(int(self.rows[position]))


@dataclass(frozen=True)
class _Joined:
    """Two sequences of images as one."""

    first: Images
    second: Images

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def item(self, row: int) -> Item:
        """Return the image of ``row``."""
        return self.first.item(row) if row < len(self.first) else self.second.item(row - len(self.first))

    def name(self, row: int) -> str:
        """Return how messages call the image of ``row``."""
        return self.first.name(row) if row < len(self.first) else self.second.name(row - len(self.first))


@dataclass(frozen=True, kw_only=True)
class Part:
    """Images and their classes in a fixed order that mixes the classes.

    Attributes:
        images: decoded pixels ``(n, channels, side, side)``, or encoded images where those would be too many.
        labels: class number of each image.
        skipped: images passed over because they turned out unreadable when the part was decoded, with the reasons.
        origin: where decoded images come from, in the same order, which knows their names.
    """

    images: UInt8[Tensor, "n c s s"] | EncodedImages
    labels: Int64[Tensor, " n"]
    skipped: tuple[str, ...] = ()
    origin: EncodedImages | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, position: int) -> str:
        """Return the name of the image at a position in its source; empty where that is not known."""
        origin = self.images if isinstance(self.images, EncodedImages) else self.origin
        return "" if origin is None else origin.name(position)


@dataclass(frozen=True, kw_only=True)
class HeldBack:
    """The test images before they are asked for: their headers were read, their pixels not.

    Attributes:
        encoded: the images.
        labels: class number of each.
        resident: whether to decode them into memory at once.
        allowance: how many may still turn out unreadable.
    """

    encoded: EncodedImages
    labels: Int64[np.ndarray, " n"]
    resident: bool
    allowance: int

    def __len__(self) -> int:
        return len(self.labels)

    def part(self) -> Part:
        """Decode the images.

        Raises:
            DataError: when more images than allowed are unreadable.
        """
        if not self.resident:
            return Part(images=self.encoded, labels=torch.from_numpy(self.labels))
        encoded = self.encoded
        pixels, bad = decode_rows(encoded.images, encoded.rows.tolist(), encoded.geometry, encoded.workers)
        check_bad(bad, len(self), self.allowance)
        keep = without(len(self), bad)
        return Part(
            images=torch.from_numpy(pixels[keep]),
            labels=torch.from_numpy(self.labels[keep]),
            origin=encoded.take(keep),
            skipped=tuple(f"{image.name} ({image.reason})" for image in bad),
        )


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Training, validation and test images, disjoint and stratified.

    Attributes:
        name: short name of the source.
        classes: class names; a label is a position in it.
        preprocessing: shape and scaling of the network's input; mean and deviation are those of ``train``.
        train: images whose labels weights are fitted to.
        validation: images that architectures are compared on.
        held_back: the test images, undecoded; see :attr:`test`.
        notes: what a reader of the results should know about the data, a sentence each.
        digest: fingerprint of the images to train and validate on, equal wherever they lie.
        test_digest: the same of those to test on.
        listing: of the source, from which earlier releases made one fingerprint of all.
    """

    name: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    train: Part
    validation: Part
    held_back: HeldBack = field(repr=False)
    notes: tuple[str, ...]
    digest: str
    test_digest: str = ""
    listing: Listing | None = field(default=None, repr=False)

    @cached_property
    def test(self) -> Part:
        """The test images, decoded when first asked for.

        Raises:
            DataError: when more of them than allowed are unreadable although their headers were not.
        """
        return self.held_back.part()

    @property
    def test_size(self) -> int:
        """Number of test images, known without decoding them."""
        return len(self.held_back)

    @property
    def channels(self) -> int:
        """1 when all images are grey, else 3."""
        return self.preprocessing.channels

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""
        return self.preprocessing.image_size

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean per channel of the training pixels, between 0 and 1."""
        return self.preprocessing.mean

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation per channel of the training pixels."""
        return self.preprocessing.std

    @property
    def class_counts(self) -> Int64[np.ndarray, " classes"]:
        """Training and validation images of each class."""
        labels = torch.cat([self.train.labels, self.validation.labels])
        return torch.bincount(labels, minlength=len(self.classes)).numpy()

    @property
    def test_counts(self) -> Int64[np.ndarray, " classes"]:
        """Test images of each class."""
        return torch.bincount(self.test.labels, minlength=len(self.classes)).numpy()

    @property
    def imbalanced(self) -> bool:
        """Whether balanced accuracy should stand beside accuracy."""
        return imbalance(self.class_counts) >= IMBALANCE


def imbalance(counts: Int64[np.ndarray, " classes"]) -> float:
    """Return the ratio of the largest to the smallest class."""
    return float(counts.max() / max(counts.min(), 1))


def without(count: int, bad: list[BadImage]) -> Int64[np.ndarray, " kept"]:
    """Return the positions below ``count`` that are not bad."""
    return np.setdiff1d(np.arange(count), [image.row for image in bad])


def check_bad(bad: list[BadImage], total: int, allowed: int) -> None:
    """Refuse more unreadable images than allowed.

    Raises:
        DataError: naming some of them, their number and the remedy.
    """
    if len(bad) > allowed:
        raise DataError(
            f"{len(bad)} of {total} images cannot be read: {name_bad(bad)}; replace them, or before a run remove them, "
            f"or skip them with a larger --max-bad-images (now {allowed})"
        )


def name_bad(bad: list[BadImage], most: int = 5) -> str:
    """Name unreadable images with their reasons, the first few of many."""
    named = ", ".join(f"{image.name} ({image.reason})" for image in bad[:most])
    return named if len(bad) <= most else f"{named} and {len(bad) - most} more"
