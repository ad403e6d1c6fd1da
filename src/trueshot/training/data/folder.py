"""Image folders: one sub-folder per class, alone or under ``train/``, ``val/`` and ``test/``."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from trueshot.core.errors import DataError
from trueshot.training.data.listing import FileImages, Labelled, Listing

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})
VALIDATION_NAMES = ("val", "valid", "validation")


def list_folder(root: Path) -> Listing:
    """List the images under ``root``.

    With a ``train`` sub-folder that holds class folders, ``val`` (or ``valid``, ``validation``) and ``test`` are parts:
    both present are validation and test, one of them alone is the test part. Otherwise each sub-folder is a class.
    Hidden files and folders are passed over, as are files without an image suffix; class folders may be nested.

    Raises:
        DataError: empty folder, no sub-folders, fewer than two classes, a class without images, a part with a class
            that ``train`` lacks.
    """
    folders = _subfolders(root)
    if not folders:
        raise DataError(_nothing_in(root))
    if "train" not in folders or not _subfolders(root / "train"):
        classes = _class_names(root)
        return Listing(name=root.resolve().name, classes=classes, train=_label(root, classes))
    classes = _class_names(root / "train")
    given = next((name for name in VALIDATION_NAMES if name in folders), None)
    tested = "test" if "test" in folders else given
    return Listing(
        name=root.resolve().name,
        classes=classes,
        train=_label(root / "train", classes),
        validation=_label(root / given, classes) if given and tested != given else None,
        test=_label(root / tested, classes) if tested else None,
    )


def _nothing_in(root: Path) -> str:
    needs = "give a folder with one sub-folder of images per class"
    entries = sorted(path.name for path in root.iterdir())
    if not entries:
        return f"folder {root} is empty: {needs}"
    tables = [name for name in entries if name.endswith(".parquet")]
    if tables:
        return f"folder {root} has no sub-folders but {tables[0]}: give that file itself, or {needs[5:]}"
    return f"folder {root} has no sub-folders: {needs}"


def _subfolders(root: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot read folder {root}: {error.strerror or error}; check its permissions") from error


def _class_names(root: Path) -> tuple[str, ...]:
    classes = tuple(_subfolders(root))
    if len(classes) < 2:
        raise DataError(
            f"folder {root} has one class only ('{classes[0]}'): at least 2 sub-folders with images are needed"
        )
    return classes


def _label(root: Path, classes: tuple[str, ...]) -> Labelled:
    found = _subfolders(root)
    if not found:
        raise DataError(_nothing_in(root))
    numbers = {name: number for number, name in enumerate(classes)}
    paths: list[str] = []
    labels: list[int] = []
    for name in found:
        if name not in numbers:
            raise DataError(f"folder {root} has class '{name}', which train lacks: add it to train or remove it")
        files = _image_files(root, name)
        if not files:
            raise DataError(
                f"class '{name}' has no images in {root / name}: add some ({', '.join(sorted(SUFFIXES))}) "
                "or remove the folder"
            )
        paths += files
        labels += [numbers[name]] * len(files)
    return Labelled(images=FileImages(root=root, paths=tuple(paths)), labels=np.asarray(labels, dtype=np.int64))


def _image_files(root: Path, name: str) -> list[str]:
    """Return the image files below ``root/name``, relative to ``root``, in an order that every machine shares."""
    files: list[str] = []
    for folder, inner, names in os.walk(root / name):
        inner[:] = [entry for entry in inner if not entry.startswith(".")]
        relative = Path(folder).relative_to(root)
        files += [
            (relative / file).as_posix()
            for file in names
            if not file.startswith(".") and Path(file).suffix.lower() in SUFFIXES
        ]
    return sorted(files)
