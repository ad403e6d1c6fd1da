"""The evaluation cache: one table of scores in the run directory, shared by searches, studies and workers."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float64, UInt8

from trueshot.core.errors import RunError
from trueshot.core.files import not_written, write_bytes

_VERSION = b"1"
_REQUIRED = {"digest": pa.string(), "row": pa.binary(), "score": pa.float64()}
_SHARE = 20.0
"""A flush waits until this many times its own duration has passed, so that flushing takes at most 5 % of the time."""

_Stamp = tuple[int, int, int]


def row_keys(archs: UInt8[np.ndarray, "n decisions"]) -> list[bytes]:
    """Return the bytes of each row, a key that equal architectures share."""
    content, width = archs.tobytes(), archs.shape[1]
    return [content[start : start + width] for start in range(0, len(content), max(width, 1))]


class Scored(NamedTuple):
    """What :meth:`EvaluationCache.put` takes, in one value: a job hands it to its parent, who puts it."""

    digest: str
    archs: UInt8[np.ndarray, "n decisions"]
    scores: Float64[np.ndarray, " n"]
    columns: dict[str, list[Any]]


class EvaluationCache:
    """Scores by (evaluator digest, architecture row); a Parquet file that survives a kill at any time.

    Columns: ``digest``, ``row`` (bytes), ``score`` (float64, higher is better) and whatever else was put with a row,
    such as its string, parameters, MAdds and seconds. Several processes may write one file: a flush takes in the rows
    of the others first. Where both scored the same row, each keeps its own score in memory and the later flush wins.

    Args:
        path: the file, read at once if it exists; ``None`` keeps the table in memory only.
        interval: rows that were put are written by the first ``put`` at least this many seconds after the last
            flush; use the cache as a context manager, or call :meth:`flush`, to write the rest.
        hand: takes what is put in place of the file, which is then only read: that of a job hands it to the parent,
            who alone writes.

    Raises:
        RunError: when the file is damaged or holds something else.
    """

    def __init__(
        self, path: Path | None, *, interval: float = 5.0, hand: Callable[[Scored], None] | None = None
    ) -> None:
        self.path, self.interval, self._hand = path, interval, hand
        self._rows: dict[tuple[str, bytes], dict[str, Any]] = {}
        self._dirty = False
        self._flushed = time.monotonic()
        self._lasted = 0.0
        self._stamp: _Stamp | None = None
        self._merge()

    def __len__(self) -> int:
        return len(self._rows)

    def __enter__(self) -> EvaluationCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.flush()

    def get(self, digest: str, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Return the scores of the architectures under one evaluator, NaN where it has not scored them."""
        rows = self._rows
        found = (rows.get((digest, key)) for key in row_keys(archs))
        return np.array([np.nan if row is None else row["score"] for row in found], dtype=np.float64)

    def put(
        self,
        digest: str,
        archs: UInt8[np.ndarray, "n decisions"],
        scores: Float64[np.ndarray, " n"],
        /,
        **columns: Sequence[Any] | np.ndarray,
    ) -> None:
        """Keep the scores of the architectures, with further columns of one value an architecture.

        Raises:
            RunError: when a score is NaN or infinite.
            ValueError: when a column has another length or the name of a column of the cache.
        """
        wrong = np.flatnonzero(~np.isfinite(scores))
        if len(wrong):
            first = int(wrong[0])
            name = columns["arch"][first] if "arch" in columns else archs[first].tolist()
            raise RunError(
                f"{len(wrong)} of {len(scores)} scores are not finite, the first ({scores[first]}) of architecture"
                f" {name}: correct the evaluator, or train its weights at a lower learning rate"
            )
        if taken := _REQUIRED.keys() & columns.keys():
            raise ValueError(f"column {min(taken)} is one of the cache's own")
        table: dict[str, list[Any]] = {name: np.asarray(values).tolist() for name, values in columns.items()}
        if any(len(values) != len(archs) for values in table.values()):
            raise ValueError(f"give one value for each of the {len(archs)} architectures in every column")
        if self._hand is not None:
            self._hand(Scored(digest, archs, scores, dict(table)))
        table["score"] = scores.tolist()
        for index, key in enumerate(row_keys(archs)):
            self._rows[digest, key] = {name: values[index] for name, values in table.items()}
            self._dirty = self._hand is None
        if time.monotonic() - self._flushed >= max(self.interval, _SHARE * self._lasted):
            self.flush()

    def flush(self) -> None:
        """Write the table atomically, together with the rows that other processes have written meanwhile.

        Raises:
            RunError: when the file cannot be written, or was damaged by something else.
        """
        if not self._dirty or self.path is None:
            return
        start = time.monotonic()
        with _locked(self.path):
            self._merge()
            buffer = pa.BufferOutputStream()
            pq.write_table(_to_table(self._rows), buffer)
            write_bytes(self.path, buffer.getvalue().to_pybytes())
            self._stamp = _stamp(self.path)
        self._dirty = False
        self._flushed = time.monotonic()
        self._lasted = self._flushed - start

    def _merge(self) -> None:
        """Take in the rows of the file that are not known, unless it is as this cache left it."""
        if self.path is None or (stamp := _stamp(self.path)) in (None, self._stamp):
            return
        self._rows = {**_read(self.path), **self._rows}
        self._stamp = stamp


def _stamp(path: Path) -> _Stamp | None:
    """Return what changes when a file is replaced, ``None`` without a file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _to_table(rows: Mapping[tuple[str, bytes], Mapping[str, Any]]) -> Any:
    extra = sorted({name for row in rows.values() for name in row} - _REQUIRED.keys())
    columns = {
        "digest": pa.array([digest for digest, _ in rows], pa.string()),
        "row": pa.array([row for _, row in rows], pa.binary()),
        "score": pa.array([row["score"] for row in rows.values()], pa.float64()),
        **{name: pa.array([row.get(name) for row in rows.values()]) for name in extra},
    }
    return pa.table(columns).replace_schema_metadata({b"trueshot": _VERSION})


def _read(path: Path) -> dict[tuple[str, bytes], dict[str, Any]]:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (OSError, pa.ArrowException) as error:
        reason = str(error).split(". ")[0].splitlines()[0][:120]
        raise RunError(
            f"cannot read the evaluations in {path} ({reason}): delete the file to score everything again"
        ) from error
    metadata = table.schema.metadata or {}
    types = {name: table.schema.field(name).type for name in table.column_names}
    if metadata.get(b"trueshot") != _VERSION or any(types.get(name) != kind for name, kind in _REQUIRED.items()):
        raise RunError(f"{path} is no evaluation cache of this trueshot: choose another run directory")
    records = table.to_pylist()
    return {
        (record.pop("digest"), record.pop("row")): {name: v for name, v in record.items() if v is not None}
        for record in records
    }


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of writers of ``path``; the system frees it when the process ends, however it ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.with_name(f".{path.name}.lock").open("ab")
    except OSError as error:
        raise not_written(path, error) from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
