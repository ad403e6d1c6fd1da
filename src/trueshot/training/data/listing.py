"""Images that are known but not yet decoded: where they lie, what they are called, which class they have."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8

HASHED_BYTES = 256 * 2**20
"""Files are fingerprinted by content up to this total size, beyond it by name and size, which needs no reading."""

Item = bytes | Path | UInt8[np.ndarray, "..."]
"""One encoded image: the content of an image file, its path, or pixels (height, width[, 3])."""


@runtime_checkable
class Images(Protocol):
    """A sequence of encoded images, each with a name for messages."""

    def __len__(self) -> int: ...

    def item(self, row: int) -> Item:
        """Return the image of ``row``; nothing is decoded."""
        ...

    def name(self, row: int) -> str:
        """Return how messages call the image of ``row``."""
        ...


@dataclass(frozen=True, kw_only=True)
class FileImages:
    """Image files below one folder."""

    root: Path
    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def item(self, row: int) -> Item:
        """Return the path of the file."""
        return self.root / self.paths[row]

    def name(self, row: int) -> str:
        """Return the path of the file as the user can find it."""
        return str(self.root / self.paths[row])


@dataclass(frozen=True, kw_only=True)
class ArrayImages:
    """Images that are in memory as pixels, ``(n, height, width)`` or ``(n, height, width, 3)``."""

    origin: str
    pixels: UInt8[np.ndarray, "n h w *c"]

    def __len__(self) -> int:
        return len(self.pixels)

    def item(self, row: int) -> Item:
        """Return the pixels of one image."""
        pixels: UInt8[np.ndarray, "..."] = self.pixels[row]
        return pixels

    def name(self, row: int) -> str:
        """Return the origin and the position in it."""
        return f"image {row} of {self.origin}"


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Encoded images with one class number each."""

    images: Images
    labels: Int64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a source holds before anything is split or decoded; absent parts are cut from ``train`` later.

    Its notes say what of the source is left out, a sentence each.
    """

    name: str
    classes: tuple[str, ...]
    train: Labelled
    validation: Labelled | None = None
    test: Labelled | None = None
    notes: tuple[str, ...] = ()

    def digest(self) -> str:
        """Return a hexadecimal fingerprint of classes, labels and images, equal wherever the data lies."""
        state = hashlib.blake2b(digest_size=16)
        state.update(repr(self.classes).encode())
        for part in (self.train, self.validation, self.test):
            state.update(b"part" if part is None else f"part {len(part)}".encode())
            if part is not None:
                state.update(part.labels.tobytes())
                _hash_images(part.images, state)
        return state.hexdigest()


def digest_of(classes: tuple[str, ...], parts: Sequence[tuple[Labelled, Int64[np.ndarray, " _"]]]) -> str:
    """Return a hexadecimal fingerprint of some rows of labelled image files, equal wherever they lie."""
    state = hashlib.blake2b(digest_size=16)
    state.update(repr(classes).encode())
    for part, rows in parts:
        assert isinstance(part.images, FileImages)
        state.update(f"part {len(rows)}".encode() + part.labels[rows].tobytes())
        paths = tuple(part.images.paths[row] for row in rows)
        _hash_images(FileImages(root=part.images.root, paths=paths), state)
    return state.hexdigest()


def stamp_of(images: Images, digest: str) -> str:
    """Return a text that is another when any image may be: of files by their size and time, else the digest."""
    if not isinstance(images, FileImages):
        return digest
    state = hashlib.blake2b(str(images.root.resolve()).encode(errors="surrogateescape"), digest_size=16)
    for path in images.paths:
        try:
            status = (images.root / path).stat()
        except OSError:
            continue
        state.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return state.hexdigest()


def _hash_images(images: Images, state: hashlib.blake2b) -> None:
    if isinstance(images, FileImages):
        sizes = [_size(images.root / path) for path in images.paths]
        by_content = sum(sizes) <= HASHED_BYTES
        for row, (path, size) in enumerate(zip(images.paths, sizes, strict=True)):
            state.update(f"{path}\0{size}\0".encode(errors="surrogateescape"))
            if by_content and size:
                state.update(_content(images.item(row)))
        return
    for row in range(len(images)):
        content = _content(images.item(row))
        state.update(f"{len(content)}\0".encode())
        state.update(content)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # a dangling link: counted as a bad image when it is read


def _content(item: Item) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, Path):
        try:
            return item.read_bytes()
        except OSError:
            return b""
    return item.tobytes()
