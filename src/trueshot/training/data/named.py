"""What a user may call the data; free of heavy imports, so that a mistyped name is told at once."""

from __future__ import annotations

import os
from pathlib import Path

from trueshot.core.errors import DataError
from trueshot.core.tables import DATA_VARIABLE

DIGITS = "digits"
SHARED = ("cifar10", "subimagenet64")
"""Names of datasets below ``$TRUESHOT_DATA``."""


def find_source(spec: str) -> Path | None:
    """Return the folder or the Parquet file that ``spec`` names, ``None`` for the digits, which an import brings.

    Raises:
        DataError: when there is no such thing, or it is neither.
    """
    if not spec.strip():
        raise DataError(f"the name of the data is empty: give digits, {', '.join(SHARED)}, a folder or a Parquet file")
    if spec == DIGITS:
        return None
    if spec in SHARED:
        return _shared(spec)
    path = Path(spec).expanduser()
    if path.is_dir():
        return path
    if not path.exists():
        raise DataError(
            f"no data at '{spec}': give {DIGITS}, {', '.join(SHARED)}, a folder with one sub-folder per class, "
            "or a Parquet file"
        )
    if path.suffix.lower() not in (".parquet", ".pq"):
        raise DataError(f"'{spec}' is neither a folder nor a .parquet file: give one of these")
    return path


def _shared(name: str) -> Path:
    file = f"{name}-train.parquet"
    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        raise DataError(f"{name} needs {file}: set {DATA_VARIABLE} to the folder that holds it")
    path = Path(folder).expanduser() / file
    if not path.is_file():
        raise DataError(f"{name} needs {file}, which {DATA_VARIABLE} ({folder}) lacks: put it there")
    return path
