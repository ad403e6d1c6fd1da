"""Tables that a user hands over: Parquet or CSV files with certain columns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from trueshot.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


DATA_VARIABLE = "TRUESHOT_DATA"
"""Environment variable that names the folder with the benchmark datasets."""


def shared_file(path: Path) -> Path:
    """Return a file as given or, where it is not there, the one of that name in ``$TRUESHOT_DATA``."""
    folder = os.environ.get(DATA_VARIABLE)
    there = Path(folder).expanduser() / path if folder else path
    return there if not path.exists() and there.exists() else path


def check_truth(path: Path) -> None:
    """See that a table of truth is there.

    Raises:
        DataError: when it is not, or its name does not end as that of a table.
    """
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise DataError(f"{path} is neither .parquet nor .csv: import a NATS-Bench folder first")
    if not path.exists():
        raise DataError(f"there is no file {path}: give a table with the truth, Parquet or CSV")


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a Parquet or CSV file that has some columns.

    Raises:
        DataError: when there is no such file, it cannot be read, or lacks a column.
    """
    import pandas as pd

    if not path.is_file():
        raise DataError(f"there is no file {path}: give a Parquet or CSV file that is there")
    try:
        table = pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    except Exception as error:  # pandas and its readers raise nearly anything on broken files
        raise DataError(f"cannot read {path} ({str(error).splitlines()[0]}): give a Parquet or CSV file") from error
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise DataError(f"{path} has no column '{absent[0]}': it has {', '.join(map(str, table.columns))}")
    return table
