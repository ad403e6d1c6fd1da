"""What the images of a source have in common: size, colour, and which of them cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from trueshot.core.errors import DataError
from trueshot.training.data.decode import DECODER_ERRORS, BadImage, Header, look, map_chunked, reason_of
from trueshot.training.data.listing import FileImages, Images

LEAST_SIDE = 4
"""Images of fewer pixels a side say nothing."""

SMALL_SIDE = 64
"""Images up to this side live decoded on the device."""

RESIDENT_BYTES = 2 * 2**30
"""Most bytes of decoded images that live on the device."""

IMAGENET_CROP = 0.875
"""Share of the resized image that larger networks see, as is customary for ImageNet."""

Pixels = UInt8[np.ndarray, "..."]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The readable images among the rows looked at.

    Attributes:
        rows: their rows, in the order given.
        sizes: width and height of each.
        grey: whether each is grey.
        pixels: each decoded, where all are small and few enough; else ``None``.
        bad: the images that cannot be read; their ``row`` is a row of the source.
    """

    rows: Int64[np.ndarray, " n"]
    sizes: Int64[np.ndarray, "n 2"]
    grey: Bool[np.ndarray, " n"]
    pixels: tuple[Pixels, ...] | None
    bad: tuple[BadImage, ...]

    def take(self, positions: Int64[np.ndarray, " m"]) -> Survey:
        """Return the survey of some of the readable images."""
        return Survey(
            rows=self.rows[positions],
            sizes=self.sizes[positions],
            grey=self.grey[positions],
            pixels=None if self.pixels is None else tuple(self.pixels[position] for position in positions),
            bad=(),
        )


def survey(
    images: Images, rows: Int64[np.ndarray, " n"], *, keep: bool, workers: int, known_good: bool = False
) -> Survey:
    """Decode each of ``rows`` once, so that every broken image is found before a run begins.

    Args:
        images: of the source.
        rows: which of them.
        keep: whether pixels of small images are kept.
        workers: threads, for images that are files.
        known_good: all have been decoded before; of large images only headers are read then.
    """
    kept = 0

    def see(row: int) -> tuple[Header, Pixels | None] | BadImage:
        nonlocal kept
        try:
            seen, pixels = look(
                images.item(row), SMALL_SIDE if keep and kept <= RESIDENT_BYTES else 0, known_good=known_good
            )
        except DECODER_ERRORS as error:
            return BadImage(row=row, name=images.name(row), reason=reason_of(error))
        kept += 0 if pixels is None else pixels.nbytes
        return seen, pixels

    found = map_chunked(see, rows.tolist(), workers if isinstance(images, FileImages) else 0)
    good = [entry for entry in found if not isinstance(entry, BadImage)]
    pixels = tuple(pixels for _, pixels in good if pixels is not None)
    return Survey(
        rows=np.asarray(
            [row for row, entry in zip(rows, found, strict=True) if not isinstance(entry, BadImage)], dtype=np.int64
        ),
        sizes=np.asarray([(seen.width, seen.height) for seen, _ in good], dtype=np.int64).reshape(-1, 2),
        grey=np.asarray([seen.grey for seen, _ in good], dtype=bool),
        pixels=pixels if keep and len(pixels) == len(good) else None,
        bad=tuple(entry for entry in found if isinstance(entry, BadImage)),
    )


def choose_size(sizes: Int64[np.ndarray, "n 2"]) -> int:
    """Choose the side of the square that networks see.

    Equal squares of at most 64 pixels keep their size. Otherwise the median of the shorter sides decides: up to 64
    pixels it is taken itself, rounded up to a multiple of 8; up to 128 it becomes 64; beyond, 224.

    Raises:
        DataError: when they are too small to learn from.
    """
    if np.median(sizes.min(axis=1)) < LEAST_SIDE:
        raise DataError(
            f"most images have fewer than {LEAST_SIDE} pixels a side (the first {sizes[0][0]}x{sizes[0][1]}), too few"
            " to learn from: give larger ones"
        )
    width, height = sizes[0]
    if width == height <= SMALL_SIDE and bool((sizes == sizes[0]).all()):
        return int(width)
    shorter = float(np.median(sizes.min(axis=1)))
    if shorter <= SMALL_SIDE:
        return max(8, int(-(-shorter // 8)) * 8)
    return SMALL_SIDE if shorter <= 2 * SMALL_SIDE else 224


def layout_notes(surveys: Sequence[Survey], size: int) -> list[str]:
    """Say what had to be changed to make all images alike."""
    sizes = np.concatenate([part.sizes for part in surveys])
    grey = np.concatenate([part.grey for part in surveys])
    notes = []
    if bool((sizes != size).any()):
        small, large = sizes.min(axis=0), sizes.max(axis=0)
        span = f"{small[0]}x{small[1]}"
        if bool((small != large).any()):
            span += f" to {large[0]}x{large[1]}"
        notes.append(f"images of {span} pixels are resized and centre-cropped to {size}x{size}")
    if grey.any() and not grey.all():
        notes.append(f"{int(grey.sum())} of {len(grey)} images are grey among colour images: all are read as colour")
    return notes
