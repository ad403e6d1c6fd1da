"""Parquet files in the layout of the Hugging Face Hub: ``image: {bytes, path}`` and ``label: int64``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Int64

from trueshot.core.errors import DataError
from trueshot.training.data.listing import Item, Labelled, Listing

TRAIN_ENDING = "-train"
VALIDATION_ENDINGS = ("-valid", "-validation", "-val")
TEST_ENDING = "-test"


@dataclass(frozen=True, kw_only=True)
class ParquetImages:
    """The encoded images of one Parquet file, held in memory as they lie in the file."""

    path: Path
    column: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.column)

    def item(self, row: int) -> Item:
        """Return the bytes of the image, none where the file holds a null."""
        content: bytes | None = self.column[row].as_py()
        return content or b""

    def name(self, row: int) -> str:
        """Return the row and the file."""
        return f"row {row} of {self.path}"


def list_parquet(path: Path) -> Listing:
    """List the images of a Parquet file.

    ``X-train.parquet`` takes ``X-valid`` (or ``X-validation``, ``X-val``) and ``X-test`` beside it: both are
    validation and test, one alone is the test part. Any other file is one unsplit source. Class names come from the
    ``huggingface`` metadata of the schema; without it they are the numbers.

    Raises:
        DataError: unreadable file, missing or unfit columns, labels out of range, a class without images.
    """
    table, names = _read(path)
    classes = names or tuple(str(number) for number in range(_highest(table, path) + 1))
    train = _label(table, classes, path)
    missing = np.flatnonzero(np.bincount(train.labels, minlength=len(classes)) == 0)
    if len(classes) < 2:
        raise DataError(f"{path} has one class only ('{classes[0]}'): at least 2 are needed")
    if len(missing):
        raise DataError(
            f"class '{classes[missing[0]]}' has no images in {path} ({len(missing)} of {len(classes)} classes are "
            "empty): add images or renumber the labels without gaps"
        )
    validation, test = (_read_part(part, classes) for part in _siblings(path))
    stem = path.stem.removesuffix(TRAIN_ENDING)
    return Listing(name=stem, classes=classes, train=train, validation=validation, test=test)


def _siblings(path: Path) -> tuple[Path | None, Path | None]:
    """Return the files of the validation part and the test part."""
    if not path.stem.endswith(TRAIN_ENDING):
        return None, None
    stem = path.stem.removesuffix(TRAIN_ENDING)
    candidates = [path.with_name(f"{stem}{ending}.parquet") for ending in VALIDATION_ENDINGS]
    validation = next((candidate for candidate in candidates if candidate.is_file()), None)
    test = path.with_name(f"{stem}{TEST_ENDING}.parquet")
    return (validation, test) if test.is_file() else (None, validation)


def _read_part(path: Path | None, classes: tuple[str, ...]) -> Labelled | None:
    if path is None:
        return None
    table, names = _read(path)
    if names and names != classes:
        raise DataError(f"{path} has other class names than its train file: write both with the same list of classes")
    return _label(table, classes, path)


def _read(path: Path) -> tuple[pa.Table, tuple[str, ...]]:
    """Return the two columns of a file, the image column as bytes alone, and its class names, if it has them."""
    try:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        columns = _image_columns(schema, path)
        table = file.read(columns=columns)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise DataError(f"{path} is not a readable Parquet file ({reason}): download or write it again") from error
    if table.num_rows == 0:
        raise DataError(f"{path} has no rows: give a Parquet file with images")
    image = table["image"]
    content = pc.struct_field(image, "bytes") if pa.types.is_struct(image.type) else image
    return pa.table({"image": content, "label": table["label"]}), _class_names(schema)


def _image_columns(schema: pa.Schema, path: Path) -> list[str]:
    absent = [name for name in ("image", "label") if name not in schema.names]
    if absent:
        raise DataError(
            f"{path} lacks the column {' and '.join(absent)} (it has {', '.join(schema.names) or 'none'}): "
            "rename its columns to image (struct with bytes) and label (integer)"
        )
    label = schema.field("label").type
    if not pa.types.is_integer(label):
        raise DataError(f"column label of {path} is {label}, not an integer: number the classes 0, 1, 2, ...")
    image = schema.field("image").type
    content = image.field("bytes").type if pa.types.is_struct(image) and image.get_field_index("bytes") >= 0 else image
    if not (pa.types.is_binary(content) or pa.types.is_large_binary(content)):
        raise DataError(f"column image of {path} is {image}: it must hold image files as bytes")
    return ["image.bytes" if pa.types.is_struct(image) else "image", "label"]


def _class_names(schema: pa.Schema) -> tuple[str, ...]:
    """Return the class names of the ``huggingface`` metadata; foreign or broken metadata counts as none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features["label"]["names"]
        return tuple(str(name) for name in names)
    except (KeyError, TypeError, ValueError):
        return ()


def _highest(table: pa.Table, path: Path) -> int:
    highest = pc.max(table["label"]).as_py()
    if highest is None or highest < 0:
        raise DataError(f"{path} has no label of 0 or above: number the classes 0, 1, 2, ...")
    if highest >= table.num_rows:
        raise DataError(f"{path} has label {highest} but only {table.num_rows} rows: number the classes 0, 1, 2, ...")
    return int(highest)


def _label(table: pa.Table, classes: tuple[str, ...], path: Path) -> Labelled:
    column = table["label"]
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise DataError(f"row {row} of {path} has no label ({column.null_count} rows in all): label or remove them")
    labels: Int64[np.ndarray, " n"] = column.to_numpy().astype(np.int64)
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        raise DataError(
            f"row {wrong[0]} of {path} has label {labels[wrong[0]]}, outside 0 to {len(classes) - 1} of its "
            f"{len(classes)} classes ({len(wrong)} such rows): correct or remove them"
        )
    return Labelled(images=ParquetImages(path=path, column=table["image"]), labels=labels)
