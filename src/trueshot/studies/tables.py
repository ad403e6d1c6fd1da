"""The truth about architectures from a table, and studies that ask nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from trueshot.core.config import Config
from trueshot.core.errors import DataError
from trueshot.core.random import Streams
from trueshot.core.tables import shared_file
from trueshot.spaces.canonical.classes import every
from trueshot.studies.plan import Need
from trueshot.studies.record import Scale
from trueshot.studies.session import Session, classes
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


class TableConfig(Config):
    """A table and the space whose architectures it holds.

    Attributes:
        space: its name.
        truth: columns of the table.
    """

    space: str
    truth: TruthConfig


@dataclass(frozen=True, kw_only=True, eq=False)
class Tabled:
    """What a table says of all architectures of a space: the material of an analysis.

    Attributes:
        archs: as strings; ``labels``: class of twins of each.
        truth: by name.
        data: name of the table.
        streams: of the study's draws.
    """

    archs: tuple[str, ...]
    labels: Int64[np.ndarray, " n"]
    truth: Mapping[str, Float64[np.ndarray, " n"]]
    data: Mapping[str, Any]
    streams: Streams
    seconds: float = 0.0

    def table(self) -> None:
        """The table itself is not written again."""


@dataclass(frozen=True, kw_only=True)
class Tables:
    """A question to a table of truth; nothing is trained."""

    scales: Mapping[Scale, Mapping[str, Any]]

    def repetitions(self, session: Session, scale: Scale) -> int:
        """Return the number of classes of twins that have two members or more."""
        counts = np.unique(self._space(session, scale)[2], return_counts=True)[1]
        return int((counts > 1).sum())

    def needs(self, session: Session, scale: Scale) -> list[Need]:
        """Return nothing: no second is spent."""
        return []

    def known(self, session: Session, scale: Scale) -> None:
        """A table that is read whole is no repetition of another."""

    def gather(self, session: Session, scale: Scale) -> Tabled:
        """Read the table."""
        config, texts, labels = self._space(session, scale)
        return Tabled(
            archs=texts,
            labels=labels,
            truth=table_truth(config.truth, texts),
            data={"name": config.truth.file},
            streams=session.streams(),
        )

    def _space(self, session: Session, scale: Scale) -> tuple[TableConfig, tuple[str, ...], Int64[np.ndarray, " n"]]:
        config = TableConfig.make(self.scales[scale], session.names)
        space = session.make_space(config.space, {})
        rows = every(space)
        return config, tuple(space.format(row) for row in rows), classes(space, rows, None)
