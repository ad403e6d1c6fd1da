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
from torch import Tensor

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

LONGEST = 32
"""Images more than so many times as long as wide are cut to this before they are resized."""

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
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = " ".join(str(error).split())[:80]
    return text[:1].lower() + text[1:] if text and " at 0x" not in text else type(error).__name__


def look(
    item: Item, decoded_up_to: int, *, known_good: bool = False
) -> tuple[Header, UInt8[np.ndarray, "h w *c"] | None]:
    """Read size and mode of an image, and decode it once, so that a broken one is found before it is needed.

    Args:
        item: the image.
        decoded_up_to: the pixels of images with neither side above this many pixels are returned.
        known_good: larger images have been decoded before and need not be again.

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
        (width, height), grey = image.size, image.mode in GREY_MODES
        small = max(width, height) <= decoded_up_to
        if image.format == "JPEG" and not small:
            # All of the file is read, but an eighth of the pixels made.
            image.draft(None, (width // 8, height // 8))
        # Before the orientation is asked for: that decodes some images too, and keeps their errors to itself.
        pixels = np.asarray(upright(image)) if small or not known_good else None
        if _orientation(image) >= 5:
            width, height = height, width
        return Header(width=width, height=height, grey=grey), pixels if small else None


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
    return _resizing(geometry)(_strip(image)).numpy()


def _strip(image: Image.Image) -> Image.Image:
    """Return the middle of an image that is far longer than wide, of which the central square is all that is seen.

    Resized as a whole it would take hundreds of times the memory of the square.
    """
    width, height = image.size
    shorter = min(width, height)
    if max(width, height) <= LONGEST * shorter:
        return image
    keep = LONGEST * shorter
    left, top = (max(0, (side - keep) // 2) for side in (width, height))
    return image.crop((left, top, left + min(width, keep), top + min(height, keep)))


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
    # Importing it takes as long as PyTorch itself.
    from timm.data import create_transform

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


def check_pixels(width: int, height: int) -> None:
    """Refuse an image of more pixels than Pillow decodes, before memory is taken for it.

    Raises:
        Image.DecompressionBombError: when it has more.
    """
    most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
    if most and width * height > most:
        raise Image.DecompressionBombError(f"{width}x{height} pixels, more than {most:,} in all")


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height as the header of a JPEG has them, ``None`` where it cannot be found."""
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        place += 1 if marker == 0xFF else 2 + int(struct.unpack_from(">H", content, place + 2)[0])
    return None


def _quick_jpeg(content: bytes) -> UInt8[np.ndarray, "h w *c"] | None:
    """Decode a grey or colour JPEG, upright, in a quarter of Pillow's time; ``None`` leaves anything else to Pillow.

    So does a header that is unusual. The operator is called without ``torchvision.io.decode_jpeg`` around it, which
    takes as long as decoding does.

    Raises:
        Image.DecompressionBombError: when the header tells of more pixels than Pillow decodes.
    """
    if not content.startswith(b"\xff\xd8\xff"):
        return None
    size = _jpeg_size(content)
    if size is None:
        return None
    check_pixels(*size)
    # Its import makes the operator known.
    from torchvision.io import ImageReadMode

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


def upright(image: Image.Image) -> Image.Image:
    """Decode an opened image, turned as its camera says, as 8 bits of grey (``L``) or colour (``RGB``)."""
    image.load()
    return _eight_bits(ImageOps.exif_transpose(image) if _orientation(image) != 1 else image)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except (TypeError, *DECODER_ERRORS):  # a broken EXIF block says nothing about the pixels
        return 1


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
