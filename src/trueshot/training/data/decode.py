"""From an encoded image to pixels: one way for every image, in training, in evaluation and from the user."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from timm.data import create_transform
from torch import Tensor
from torchvision.io import ImageReadMode

from trueshot.training.data.listing import Images, Item

GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "I;16L", "I;16B", "I;16N"})
ORIENTATION = 0x0112
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What decoders raise on broken bytes; anything else is a defect of the program."""

CHUNK = 64
"""Images that a thread decodes before it takes the next."""

TINY_BYTES = 8192
"""JPEG files up to this size are decoded at sight: nearly all that have up to 64 pixels a side are this small."""

T = TypeVar("T")
Stream = io.BytesIO | io.BufferedReader


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """The shape images are brought to.

    Attributes:
        channels: 1 (grey) or 3 (red, green, blue).
        image_size: side of the square in pixels.
        crop: side of the square as a share of the shorter side of the resized image.
        interpolation: how it is resized, by Pillow's name.
    """

    channels: int
    image_size: int
    crop: float
    interpolation: str = "bicubic"


@dataclass(frozen=True, kw_only=True)
class BadImage:
    """An image that cannot be read, and why."""

    row: int
    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Header:
    """What an image says of itself without being decoded: upright size in pixels, and whether it is grey."""

    width: int
    height: int
    grey: bool


def reason_of(error: Exception) -> str:
    """Say in a few words, the same on every run, why an image cannot be read."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, FileNotFoundError):
        return "file is missing"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = " ".join(str(error).split())[:80]
    return text[:1].lower() + text[1:] if text and " at 0x" not in text else type(error).__name__


def look(item: Item, decoded_up_to: int) -> tuple[Header, UInt8[np.ndarray, "h w *c"] | None]:
    """Read size and mode of an image and see whether its end is there; decode it only if it is small or in doubt.

    Args:
        item: the image.
        decoded_up_to: images with neither side above this many pixels are decoded.

    Returns:
        The header, and the pixels ``(height, width[, 3])`` of a small image.

    Raises:
        DECODER_ERRORS: one of these, when the image is not readable.
    """
    if isinstance(item, np.ndarray):
        seen = Header(width=item.shape[1], height=item.shape[0], grey=item.ndim == 2)
        return seen, item if max(item.shape[:2]) <= decoded_up_to else None
    quick = _quick_jpeg(_content(item)) if decoded_up_to and _size(item) <= TINY_BYTES else None
    if quick is not None and max(quick.shape[:2]) <= decoded_up_to:
        return Header(width=quick.shape[1], height=quick.shape[0], grey=quick.ndim == 2), quick
    with _opened(item) as stream, Image.open(stream) as image:
        seen = _header(image)
        if max(image.size) <= decoded_up_to:
            return seen, np.asarray(upright(image))
        if not _complete(stream, image.format):
            image.load()
        return seen, None


def open_image(item: Item) -> Image.Image:
    """Decode an image, upright, as 8 bits of grey (``L``) or colour (``RGB``).

    16-bit grey keeps its upper 8 bits, palettes become colour, and what is transparent lies on white.

    Raises:
        DECODER_ERRORS: one of these, when the image is not readable.
    """
    if isinstance(item, np.ndarray):
        return Image.fromarray(item)
    quick = _quick_jpeg(_content(item))
    if quick is not None:
        return Image.fromarray(quick)
    with _opened(item) as stream, Image.open(stream) as image:
        return upright(image).copy()


def fit(image: Image.Image, geometry: Geometry) -> UInt8[np.ndarray, "c s s"]:
    """Bring a decoded image to the geometry: shorter side resized, centre cropped."""
    mode = "L" if geometry.channels == 1 else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    if geometry.crop == 1 and image.size == (geometry.image_size, geometry.image_size):
        pixels = np.array(image)
        return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
    return _resizing(geometry)(image).numpy()


def fit_all(images: Sequence[UInt8[np.ndarray, "..."]], geometry: Geometry) -> UInt8[np.ndarray, "n c s s"]:
    """Bring decoded pixels to the geometry; equal to :func:`fit` one by one, and fast where nothing is to be done."""
    shape = (geometry.image_size, geometry.image_size, *([3] if geometry.channels == 3 else []))
    if geometry.crop == 1 and all(image.shape == shape for image in images):
        stacked = np.stack(images)
        return stacked[:, None] if geometry.channels == 1 else np.ascontiguousarray(stacked.transpose(0, 3, 1, 2))
    return np.stack([fit(Image.fromarray(image), geometry) for image in images])


def decode_rows(
    images: Images, rows: Sequence[int], geometry: Geometry, workers: int
) -> tuple[UInt8[np.ndarray, "n c s s"], list[BadImage]]:
    """Decode ``rows`` with threads; an unreadable image leaves zeros and is listed.

    Returns:
        The pixels in the order of ``rows``, and the images that could not be read; their ``row`` is a position in
        ``rows``.
    """
    out = np.zeros((len(rows), geometry.channels, geometry.image_size, geometry.image_size), dtype=np.uint8)

    def decode(position: int) -> BadImage | None:
        row = int(rows[position])
        try:
            out[position] = fit(open_image(images.item(row)), geometry)
        except DECODER_ERRORS as error:
            return BadImage(row=position, name=images.name(row), reason=reason_of(error))
        return None

    found = map_chunked(decode, range(len(rows)), workers)
    return out, [bad for bad in found if bad is not None]


def map_chunked(call: Callable[[int], T], rows: Sequence[int], workers: int) -> list[T]:
    """Call ``call`` for each row, in threads by chunks; decoders release the interpreter's lock."""
    if workers < 2 or len(rows) <= CHUNK:
        return [call(row) for row in rows]

    def run(start: int) -> list[T]:
        return [call(row) for row in rows[start : start + CHUNK]]

    with ThreadPoolExecutor(workers) as pool:
        chunks = pool.map(run, range(0, len(rows), CHUNK))
        return [value for chunk in chunks for value in chunk]


@lru_cache(maxsize=8)
def _resizing(geometry: Geometry) -> Callable[[Image.Image], Tensor]:
    resizing: Callable[[Image.Image], Tensor] = create_transform(
        geometry.image_size,
        is_training=False,
        interpolation=geometry.interpolation,
        crop_pct=geometry.crop,
        normalize=False,
    )
    return resizing


def _content(item: bytes | Path) -> bytes:
    return item if isinstance(item, bytes) else item.read_bytes()


def _size(item: bytes | Path) -> int:
    return len(item) if isinstance(item, bytes) else item.stat().st_size


def _quick_jpeg(content: bytes) -> UInt8[np.ndarray, "h w *c"] | None:
    """Decode a grey or colour JPEG, upright, in a quarter of Pillow's time; ``None`` leaves anything else to Pillow.

    The operator is called without ``torchvision.io.decode_jpeg`` around it, which takes as long as decoding does.
    """
    if not content.startswith(b"\xff\xd8\xff"):
        return None
    try:
        pixels = torch.ops.image.decode_jpeg(
            torch.frombuffer(bytearray(content), dtype=torch.uint8), ImageReadMode.UNCHANGED.value, True
        )
    except RuntimeError:
        return None
    if pixels.shape[0] not in (1, 3):
        return None
    decoded: UInt8[np.ndarray, "h w *c"] = pixels.permute(1, 2, 0).contiguous().numpy()
    return decoded[:, :, 0] if pixels.shape[0] == 1 else decoded


@contextlib.contextmanager
def _opened(item: bytes | Path) -> Iterator[Stream]:
    if isinstance(item, bytes):
        if not item:
            raise ValueError("no bytes")
        yield io.BytesIO(item)
        return
    with item.open("rb") as stream:
        yield stream


def _header(image: Image.Image) -> Header:
    width, height = image.size
    if _orientation(image) >= 5:
        width, height = height, width
    return Header(width=width, height=height, grey=image.mode in GREY_MODES)


def upright(image: Image.Image) -> Image.Image:
    """Decode an opened image, turned as its camera says, as 8 bits of grey (``L``) or colour (``RGB``)."""
    image.load()
    return _eight_bits(ImageOps.exif_transpose(image) if _orientation(image) != 1 else image)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except (TypeError, *DECODER_ERRORS):  # a broken EXIF block says nothing about the pixels
        return 1


def _complete(stream: Stream, kind: str | None) -> bool:
    """Say whether a JPEG or PNG ends as it must; other formats pass, some whole files with data behind them fail."""
    marks = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
    if kind not in marks:
        return True
    position = stream.tell()
    stream.seek(-min(len(marks[kind]), stream.seek(0, io.SEEK_END)), io.SEEK_END)
    end = stream.read()
    stream.seek(position)
    return end == marks[kind]


def _eight_bits(image: Image.Image) -> Image.Image:
    see_through = image.mode in ("LA", "RGBA", "PA") or (
        image.mode in ("L", "RGB", "P") and "transparency" in image.info
    )
    if see_through:
        solid = image.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", solid.size, "white"), solid)
        return flat.convert("L" if image.mode in GREY_MODES else "RGB")
    if image.mode in ("L", "RGB"):
        return image
    if image.mode.startswith("I"):
        return Image.fromarray((np.clip(np.asarray(image), 0, 65535).astype(np.int64) >> 8).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    return image.convert("L" if image.mode in GREY_MODES else "RGB")
