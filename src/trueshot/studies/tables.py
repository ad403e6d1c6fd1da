"""The truth about architectures, from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64

from trueshot.core.errors import DataError
from trueshot.core.tables import shared_file
from trueshot.studies.setting import TruthConfig


def table_truth(config: TruthConfig, archs: Sequence[str]) -> dict[str, Float64[np.ndarray, " n"]]:
    """Return the columns of a truth for some architectures, by the names that the analysis knows; none without a file.

    Raises:
        DataError: when the table is absent, has no such column or lacks an architecture.
    """
    if config.file is None:
        return {}
    path = shared_file(Path(config.file))
    if not path.is_file():
        raise DataError(f"this study needs the truth in {config.file}: put it into $TRUESHOT_DATA")
    found = {}
    for name, column in config.columns.items():
        table = _column(path, column)
        try:
            found[name] = np.array([table[arch] for arch in archs], dtype=np.float64)
        except KeyError as error:
            raise DataError(f"{path} has no {column} of {error}: give the complete table") from error
    return found


@lru_cache(maxsize=8)
def _column(path: Path, column: str) -> Mapping[str, float]:
    """Return one column of a wide table by architecture; reading the whole as measurements takes seconds."""
    try:
        table = pd.read_parquet(path, columns=["arch", column])
    except Exception as error:  # pandas and its readers raise nearly anything on broken files
        raise DataError(f"cannot read column {column} of {path} ({str(error).splitlines()[0]})") from error
    return dict(zip(table["arch"], table[column].astype(float), strict=True))
