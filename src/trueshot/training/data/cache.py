"""Decoded pixels kept on disk, so that only the first run on some data decodes it."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from trueshot.core.errors import RunError
from trueshot.core.files import replacing, write_bytes
from trueshot.training.data.layout import Survey

LEAST = 2000
"""Fewer images are decoded faster than it is worth keeping them."""

_DECODERS = ("torchvision", "pillow")


def folder() -> Path:
    """Return where pixels are kept: ``$XDG_CACHE_HOME/trueshot``, ``~/.cache/trueshot`` by default."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trueshot"


def remembered(digest: str, part: str, rows: Int64[np.ndarray, " n"], look: Callable[[], Survey]) -> Survey:
    """Return the survey of ``rows``, from the disk where an earlier call kept its pixels, else by ``look``.

    Only surveys of many good images of one size and colour are kept. A cache that cannot be read or written is not
    used.

    Args:
        digest: of the content of all images; their names must not matter.
        part: which part of the source the rows are of.
        rows: rows of the source.
        look: decodes the images.
    """
    if len(rows) < LEAST:
        return look()
    path = folder() / f"decoded-{_key(digest, part, rows)}.npy"
    kept = _read(path, len(rows))
    if kept is not None:
        return _survey(rows, kept)
    seen = look()
    if seen.pixels is not None and not seen.bad and len({pixels.shape for pixels in seen.pixels}) == 1:
        _write(path, np.stack(seen.pixels))
    return seen


def is_known_good(stamp: str, part: str, rows: Int64[np.ndarray, " n"]) -> bool:
    """Return whether all these images were decoded before, by the decoders that there are now, without an error."""
    return len(rows) >= LEAST and _mark(stamp, part, rows).is_file()


def note_good(stamp: str, part: str, rows: Int64[np.ndarray, " n"]) -> None:
    """Keep that all these images can be decoded; ``stamp`` is another when any of them may be."""
    if len(rows) >= LEAST:
        with contextlib.suppress(OSError, RunError):
            write_bytes(_mark(stamp, part, rows), b"")


def _mark(stamp: str, part: str, rows: Int64[np.ndarray, " n"]) -> Path:
    return folder() / f"decodable-{_key(stamp, part, rows)}"


def _key(digest: str, part: str, rows: Int64[np.ndarray, " n"]) -> str:
    versions = " ".join(f"{name} {version(name)}" for name in _DECODERS)
    return hashlib.blake2b(f"1 {digest} {part} {versions} ".encode() + rows.tobytes(), digest_size=16).hexdigest()


def _survey(rows: Int64[np.ndarray, " n"], pixels: UInt8[np.ndarray, "n h w *c"]) -> Survey:
    height, width = pixels.shape[1:3]
    grey: Bool[np.ndarray, " n"] = np.full(len(rows), pixels.ndim == 3)
    sizes = np.tile(np.array([width, height], dtype=np.int64), (len(rows), 1))
    return Survey(rows=rows, sizes=sizes, grey=grey, pixels=tuple(pixels), bad=())


def _read(path: Path, images: int) -> UInt8[np.ndarray, "n h w *c"] | None:
    try:
        pixels: np.ndarray = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return pixels if pixels.dtype == np.uint8 and pixels.ndim in (3, 4) and len(pixels) == images else None


def _write(path: Path, pixels: UInt8[np.ndarray, "n h w *c"]) -> None:
    try:
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, pixels)
    except (OSError, RunError):
        return
