"""Ground truth: what architectures reach when each is trained on its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from jaxtyping import Bool, Float64, Int64, UInt8

from trueshot.core.errors import ArchitectureError, DataError, did_you_mean
from trueshot.core.files import replacing
from trueshot.core.tables import check_truth
from trueshot.spaces import Space

LONG = ("architecture", "metric", "fidelity", "seed", "value")
"""Columns of the long layout."""
MEAN = -1
"""The seed of a value that is a mean over seeds, or whose seed is not known."""
_ARCHITECTURE = ("arch", "architecture")


class Measurement(NamedTuple):
    """One row of the long layout.

    Attributes:
        architecture: its string.
        metric: data set and part of it, such as ``cifar10_test``.
        fidelity: epochs of training, 0 when not stated.
        seed: of the training, :data:`MEAN` for a mean over seeds.
        value: accuracies in percent; higher is better.
    """

    architecture: str
    metric: str
    fidelity: int
    seed: int
    value: float


@final
@dataclass(frozen=True, eq=False)
class TruthTable:
    """Values of architectures by metric, fidelity and seed.

    The wide view names a metric at a fidelity ``metric_fidelity`` (``cifar10_test_200``), or ``metric`` alone where
    the fidelity is not stated, and holds the mean over seeds.

    Attributes:
        architectures: strings, each once, in the order in which they were first seen.
        columns: names of the wide view, in the order in which they were first seen.
        row: index into ``architectures`` for each measurement; ``which`` into ``columns`` likewise.
        seed: seed of each measurement.
        value: value of each measurement, finite.
    """

    architectures: tuple[str, ...]
    columns: tuple[str, ...]
    row: Int64[np.ndarray, " m"]
    which: Int64[np.ndarray, " m"]
    seed: Int64[np.ndarray, " m"]
    value: Float64[np.ndarray, " m"]

    def __len__(self) -> int:
        return len(self.architectures)

    @classmethod
    def of(cls, measurements: Iterable[Measurement]) -> TruthTable:
        """Make a table of measurements.

        Raises:
            DataError: without any, for one made twice, or for a value that is not finite.
        """
        return cls._of_frame(pd.DataFrame(list(measurements), columns=list(LONG)), "the table")

    @classmethod
    def read(cls, path: Path | str) -> TruthTable:
        """Read a Parquet or CSV file, long (:data:`LONG`) or wide (``arch``, and a column of numbers for each metric).

        In a wide file an empty cell or NaN is a value that was not measured; texts and ``index`` are left out.

        Raises:
            DataError: when the file cannot be read, has another layout, holds an architecture (or, if long, a
                measurement) twice or a value that is not finite.
        """
        table = _load(Path(path))
        if len(set(table.column_names)) < len(table.column_names):
            raise DataError(f"{path} has several columns of one name: rename them")
        if set(LONG) <= set(table.column_names):
            return cls._of_frame(table.select(list(LONG)).to_pandas(), str(path))
        return cls._of_frame(_melted(table, str(path)), str(path))

    @classmethod
    def _of_frame(cls, frame: pd.DataFrame, source: str) -> TruthTable:
        if not len(frame):
            raise DataError(f"{source} holds no measurement: give at least one architecture with a value")
        try:
            numbers = {name: _whole(frame[name].to_numpy(dtype=np.float64)) for name in ("fidelity", "seed")}
            value = frame["value"].to_numpy(dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{source}: fidelity and seed are whole numbers and value is a number ({error})") from error
        architectures, metrics = frame["architecture"].astype(str), frame["metric"].astype(str)
        if len(wrong := np.flatnonzero(~np.isfinite(value))):
            raise DataError(
                f"{source}: {len(wrong)} of {len(value)} values are not finite, the first of architecture"
                f" '{architectures.iloc[int(wrong[0])]}': remove those rows"
            )
        pairs = pd.DataFrame({"metric": metrics, "fidelity": numbers["fidelity"]})
        numbered = pairs.groupby(["metric", "fidelity"], sort=False).ngroup().to_numpy()
        first = pairs.drop_duplicates()
        names = [_join(str(m), int(f)) for m, f in zip(first["metric"], first["fidelity"], strict=True)]
        # Two spellings of one column, the fidelity apart or in the metric's name, are that column.
        distinct, columns = pd.factorize(np.array(names, dtype=object))
        which = distinct[numbered]
        row, strings = pd.factorize(architectures)
        keys = pd.DataFrame({"row": row, "which": which, "seed": numbers["seed"]})
        if (again := keys.duplicated().to_numpy()).any():
            raise DataError(
                f"{source}: {int(again.sum())} measurements are there twice, the first of architecture"
                f" '{architectures.iloc[int(again.argmax())]}': keep one of each"
            )
        return cls(
            architectures=tuple(map(str, strings)),
            columns=tuple(map(str, columns)),
            row=row.astype(np.int64),
            which=which.astype(np.int64),
            seed=numbers["seed"],
            value=value,
        )

    def measurements(self) -> list[Measurement]:
        """Return all rows of the long layout."""
        names = [_split(name) for name in self.columns]
        rows = zip(self.row, self.which, self.seed, self.value, strict=True)
        return [
            Measurement(self.architectures[row], names[which][0], names[which][1], int(seed), float(value))
            for row, which, seed, value in rows
        ]

    def write(self, path: Path | str) -> None:
        """Write the long layout atomically, as CSV if the name ends so, else as Parquet."""
        fields = zip(LONG, zip(*self.measurements(), strict=True), strict=True)
        table = pa.table({name: list(values) for name, values in fields})
        with replacing(Path(path)) as temporary:
            if Path(path).suffix.lower() == ".csv":
                pyarrow.csv.write_csv(table, temporary)
            else:
                pq.write_table(table, temporary)

    def column(self, name: str, seed: int | None = None) -> Float64[np.ndarray, " n"]:
        """Return one value for each architecture, NaN where there is none.

        Args:
            name: a name of the wide view.
            seed: only this seed; without it, the mean over all seeds there are.

        Raises:
            DataError: naming the columns there are.
        """
        chosen = self._chosen(name)
        if seed is not None:
            chosen = chosen & (self.seed == seed)
        count = np.bincount(self.row[chosen], minlength=len(self))
        total = np.bincount(self.row[chosen], weights=self.value[chosen], minlength=len(self))
        mean: Float64[np.ndarray, " n"] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return mean

    def seeds(self, name: str) -> tuple[int, ...]:
        """Return the seeds with which a column was measured, ascending; :data:`MEAN` where it is not known."""
        return tuple(map(int, np.unique(self.seed[self._chosen(name)])))

    def _chosen(self, name: str) -> Bool[np.ndarray, " m"]:
        if name not in self.columns:
            raise DataError(f"the truth has no column '{name}'{did_you_mean(name, self.columns)}")
        chosen: Bool[np.ndarray, " m"] = self.which == self.columns.index(name)
        return chosen

    def on(self, space: Space, name: str) -> tuple[UInt8[np.ndarray, "k decisions"], Float64[np.ndarray, " k"]]:
        """Return the architectures measured in a column, as rows of ``space``, and their values.

        Raises:
            DataError: when there is no such column, or an architecture is none of the space.
        """
        values = self.column(name)
        measured = np.flatnonzero(~np.isnan(values))
        return rows_of([self.architectures[position] for position in measured], space), values[measured]


def rows_of(architectures: Sequence[str], space: Space) -> UInt8[np.ndarray, "n decisions"]:
    """Parse strings from a file.

    Raises:
        DataError: naming the first string that is no architecture of the space, or is one for the second time.
    """
    with suppress(ArchitectureError):
        rows = space.parse_all(architectures)
        if len(np.unique(rows, axis=0)) == len(rows):
            return rows
    rows = np.empty((len(architectures), len(space.decisions)), dtype=np.uint8)
    seen: dict[bytes, str] = {}
    for position, text in enumerate(architectures):
        try:
            rows[position] = space.parse(text)
        except ArchitectureError as error:
            raise DataError(f"entry {position + 1}, '{text}', is no architecture of {space.name}: {error}") from error
        other = seen.setdefault(rows[position].tobytes(), text)
        if len(seen) <= position:
            raise DataError(f"'{other}' and '{text}', entry {position + 1}, are one architecture: keep one of them")
    return rows


def _whole(values: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Return numbers as whole ones.

    Raises:
        ValueError: naming the first that is none.
    """
    wrong = np.flatnonzero(~(np.isfinite(values) & (values == np.floor(values))))
    if len(wrong):
        raise ValueError(f"{values[wrong[0]]:g} is none")
    return values.astype(np.int64)


def _join(metric: str, fidelity: int) -> str:
    return f"{metric}_{fidelity}" if fidelity else metric


def _split(name: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.+)_([1-9][0-9]*)", name)
    return (name, 0) if match is None else (match[1], int(match[2]))


def _load(path: Path) -> Any:
    """Read a file as an Arrow table."""
    check_truth(path)
    try:
        return pyarrow.csv.read_csv(path) if path.suffix.lower() == ".csv" else pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).split(". ")[0].splitlines()[0][:120]
        raise DataError(f"cannot read {path} ({reason}): give a complete Parquet or CSV file") from error


def _melted(table: Any, source: str) -> pd.DataFrame:
    """Turn the wide layout into the long one."""
    frame: pd.DataFrame = table.to_pandas()
    key = next((name for name in _ARCHITECTURE if name in frame.columns), None)
    names = [
        name
        for name in frame.columns
        if name not in (key, "index") and pd.api.types.is_numeric_dtype(frame[name]) and frame[name].dtype != bool
    ]
    if key is None or not names:
        raise DataError(
            f"{source} has the columns {', '.join(map(str, frame.columns))}: a table of truth has either arch and a"
            f" column of numbers for each metric, or {', '.join(LONG)}"
        )
    again = frame[key].duplicated()
    if again.any():
        raise DataError(
            f"{source}: {int(again.sum())} rows repeat an architecture, the first '{frame[key][again].iloc[0]}':"
            " keep one row of each"
        )
    parts: list[pd.DataFrame] = []
    for name in names:
        metric, fidelity = _split(str(name))
        part = pd.DataFrame({"architecture": frame[key], "value": frame[name].astype(np.float64)})
        parts.append(part.dropna().assign(metric=metric, fidelity=fidelity, seed=MEAN))
    # Architectures keep the order of the file even where the first column lacks some.
    long = pd.concat(parts, ignore_index=False).sort_index(kind="stable")
    return long[list(LONG)]
