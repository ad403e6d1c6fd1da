"""Image folders: one sub-folder per class, alone or under ``train/``, ``val/`` and ``test/``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trueshot.core.errors import DataError
from trueshot.training.data.listing import FileImages, Labelled, Listing

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .bmp .gif .webp .avif .ppm .pgm .pnm .tif .tiff".split()  # noqa: SIM905
)
TRAIN, VALIDATION, TEST = "train", "val", "test"
_NAMES = {
    TRAIN: ("train", "training", "train_set", "trainset", "training_set"),
    VALIDATION: ("val", "valid", "validation", "dev", "val_set", "valset", "validation_set"),
    TEST: ("test", "testing", "test_set", "testset"),
}
"""How people call the parts of a data set, in lower case."""
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
_CLUTTER = ("thumbs.db", "desktop.ini")
"""What file managers leave in folders of pictures."""


def list_folder(root: Path) -> Listing:
    """List the images under ``root``.

    With a ``train`` sub-folder that holds class folders, ``val`` and ``test`` are parts (``Training``, ``valid`` and
    other usual names too): both present are validation and test, one of them alone is the test part. Otherwise each
    sub-folder is a class. Hidden files and folders are passed over, as are run directories; class folders may be
    nested. Files are images by their ending, or, with another or none, by their first bytes; what is left out is noted.

    Raises:
        DataError: empty folder, no sub-folders, fewer than two classes, a class without images, a part with a class
            that ``train`` lacks, or sub-folders that may be parts or classes.
    """
    parts = _parts(root)
    notes: list[str] = []
    name = root.resolve().name
    if parts is None:
        classes = _class_names(root)
        return Listing(name=name, classes=classes, train=_label(root, classes, notes), notes=tuple(notes))
    classes = _class_names(parts[TRAIN])
    found = {part: _label(folder, classes, notes) for part, folder in parts.items()}
    both = VALIDATION in found and TEST in found
    return Listing(
        name=name,
        classes=classes,
        train=found[TRAIN],
        validation=found[VALIDATION] if both else None,
        test=found.get(TEST, found.get(VALIDATION)),
        notes=tuple(notes),
    )


def _parts(root: Path) -> dict[str, Path] | None:
    """Return the folders of the parts, ``None`` where the sub-folders are classes.

    Raises:
        DataError: when they can be neither.
    """
    folders = _subfolders(root)
    if not folders:
        raise DataError(_nothing_in(root))
    named: dict[str, list[str]] = {part: [] for part in _NAMES}
    others = []
    for folder in folders:
        plain = folder.lower().replace("-", "_").replace(" ", "_")
        part = next((part for part, names in _NAMES.items() if plain in names), None)
        others.append(folder) if part is None else named[part].append(folder)
    there = {part: names for part, names in named.items() if names}
    told = " and ".join(f"{name}/" for names in there.values() for name in names)
    full = [name for name in others if _holds_images(root / name)]
    split = [name for names in there.values() for name in names if _subfolders(root / name)]
    if not there or (full and not split):
        # A class may be called after a part: bus, car, train.
        return None
    if twice := next((names for names in there.values() if len(names) > 1), None):
        raise DataError(
            f"folder {root} has {' and '.join(f'{name}/' for name in twice)}, which say the same: keep one of them"
        )
    if TRAIN not in there:
        raise DataError(f"folder {root} has {told}, but no train/: add it, or name folders of classes otherwise")
    bare = [names[0] for names in there.values() if not _subfolders(root / names[0])]
    if loose := next((name for name in bare if _holds_images(root / name)), None):
        raise DataError(
            f"folder {root} has {told}, but {loose}/ has no class folders: put the images of each class into a folder"
            f" of its own, {loose}/CLASS/"
        )
    if full:
        raise DataError(
            f"folder {root} has {told}, and {full[0]}/ with images, which is none of these parts: move it elsewhere"
        )
    return {part: root / names[0] for part, names in there.items()}


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
        return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not _is_passed_over(entry))
    except OSError as error:
        raise DataError(f"cannot read folder {root}: {error.strerror or error}; check its permissions") from error


def _is_passed_over(folder: os.DirEntry[str]) -> bool:
    """Whether a folder holds no images by its nature: hidden, a run directory, or one of those."""
    if folder.name.startswith("."):
        return True
    path = Path(folder.path)
    inside = [path / entry.name for entry in os.scandir(path)] if folder.name == "runs" else []
    return _is_run(path) or (bool(inside) and all(_is_run(one) for one in inside))


def _is_run(folder: Path) -> bool:
    """Whether a folder is the directory of a run, whose drawings and tables are no images of the data."""
    try:
        content = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "command" in content and "version" in content


def _class_names(root: Path) -> tuple[str, ...]:
    classes = tuple(_subfolders(root))
    if not classes:
        raise DataError(_nothing_in(root))
    if len(classes) < 2:
        raise DataError(
            f"folder {root} has one class only ('{classes[0]}'): at least 2 sub-folders with images are needed"
        )
    for name in classes:
        if not name.isprintable():
            raise DataError(f"folder {root} has class {name!a}, whose name cannot be written as text: rename it")
    return classes


def _label(root: Path, classes: tuple[str, ...], notes: list[str]) -> Labelled:
    found = _subfolders(root)
    if not found:
        raise DataError(_nothing_in(root))
    numbers = {name: number for number, name in enumerate(classes)}
    paths: list[str] = []
    labels: list[int] = []
    others: list[str] = []
    for name in found:
        if name not in numbers:
            raise DataError(f"folder {root} has class '{name}', which train lacks: add it to train or remove it")
        files = _image_files(root, name, others)
        if not files:
            raise DataError(
                f"class '{name}' has no images in {root / name}: add some ({', '.join(sorted(SUFFIXES))}) "
                "or remove the folder"
            )
        paths += files
        labels += [numbers[name]] * len(files)
    loose = sorted(entry.name for entry in os.scandir(root) if entry.is_file() and is_image(Path(entry.path)))
    if loose:
        notes.append(f"{len(loose)} images beside the class folders of {root} are left out, such as {loose[0]}")
    if others:
        notes.append(f"{len(others)} files in {root} are no images and are left out, such as {others[0]}")
    return Labelled(images=FileImages(root=root, paths=tuple(paths)), labels=np.asarray(labels, dtype=np.int64))


def _image_files(root: Path, name: str, others: list[str]) -> list[str]:
    """Return the image files below ``root/name``, relative to ``root``, in an order that every machine shares.

    What is no image is added to ``others``.
    """
    files: list[str] = []
    for file in _files(root / name):
        relative = file.relative_to(root).as_posix()
        if is_image(file):
            files.append(relative)
        elif file.name.lower() not in _CLUTTER:
            others.append(relative)
    return sorted(files)


def _files(folder: Path) -> Iterator[Path]:
    """Go through all files below a folder but hidden ones."""
    for inner, folders, names in os.walk(folder):
        folders[:] = [entry for entry in folders if not entry.startswith(".")]
        yield from (Path(inner) / name for name in names if not name.startswith("."))


def _holds_images(folder: Path) -> bool:
    return any(is_image(file) for file in _files(folder))


def is_image(file: Path) -> bool:
    """Say whether a file is an image, by its ending or, with another or none, by its first bytes."""
    if file.name.startswith("."):
        return False
    if file.suffix.lower() in SUFFIXES:
        return True
    try:
        with file.open("rb") as stream:
            start = stream.read(12)
    except OSError:
        return False
    return start.startswith(_MAGIC) or (start[:4] == b"RIFF" and start[8:] == b"WEBP") or start[4:] == b"ftypavif"
