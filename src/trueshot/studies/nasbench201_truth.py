"""The truth of NAS-Bench-201, from its table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pandas as pd

from trueshot.core.errors import DataError
from trueshot.training.data.sources import DATA_VARIABLE

TRUTH = "cifar10_test_200"
"""Column of the truth: test accuracy in percent after 200 epochs, mean over the benchmark's seeds."""

SHORT = "cifar10_valid_12"
"""Column of what 12 epochs of training tell: validation accuracy in percent; no test image is looked at for it."""

TRUTH_FILE = "nasbench201.parquet"


def truth_file() -> Path:
    """Return the table of truth.

    Raises:
        DataError: when it is absent.
    """
    root = os.environ.get(DATA_VARIABLE)
    path = Path(root or ".") / TRUTH_FILE
    if root is None or not path.is_file():
        raise DataError(f"this study needs the truth of NAS-Bench-201: put {TRUTH_FILE} into ${DATA_VARIABLE}")
    return path


@lru_cache(maxsize=4)
def read_truth(path: Path, column: str) -> Mapping[str, float]:
    """Return one column of a wide table by architecture; reading the whole as measurements takes seconds.

    Raises:
        DataError: when the table cannot be read or has no such column.
    """
    try:
        table = pd.read_parquet(path, columns=["arch", column])
    except Exception as error:  # pandas and its readers raise nearly anything on broken files
        raise DataError(f"cannot read column {column} of {path} ({str(error).splitlines()[0]})") from error
    return dict(zip(table["arch"], table[column].astype(float), strict=True))
