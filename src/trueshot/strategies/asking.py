"""The loop of ask and tell between a proposer and an evaluator, with a log from which a killed search goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from trueshot.core.cache import EvaluationCache
from trueshot.core.errors import ConfigError, RunError
from trueshot.core.own import name_of
from trueshot.core.run import read_log
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.wrappers import Cached, Columns
from trueshot.search.protocol import Proposer
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions, standard_costs
from trueshot.spaces.own import checked_rows

_VERSION = {"version": 1}

Rows = UInt8[np.ndarray, "_ decisions"]


@dataclass(frozen=True, kw_only=True)
class History:
    """What a search has evaluated, in the order of asking.

    Attributes:
        archs: ``(n, decisions)``.
        scores: the latest of each, higher is better.
        asked: number of the ask that proposed each, from 1.
        fresh: how many scores this process computed; the others came from the cache or the log.
        evaluate_seconds: time that this process spent in the evaluator.
        own_seconds: time that it spent in the proposer, the cache, the log and the loop.
    """

    archs: UInt8[np.ndarray, "n decisions"]
    scores: Float64[np.ndarray, " n"]
    asked: Int64[np.ndarray, " n"]
    fresh: int
    evaluate_seconds: float
    own_seconds: float

    def __len__(self) -> int:
        return len(self.scores)


def described(space: Space, costs: CostFunctions | None = None) -> Callable[[np.ndarray], Columns]:
    """Return the usual further columns of the cache: the architecture's string and its costs."""
    functions = costs or standard_costs(space)

    def columns(archs: np.ndarray) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {"arch": [space.format(row) for row in archs], **functions(archs)}

    return columns


class Log:
    """The asks and tells of a search in their order, a JSON line each; what a killed process left is replayed first.

    A last line without its end is dropped. Without a path nothing is kept.

    Raises:
        RunError: when the file cannot be read or written, or is no such log.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._written: list[dict[str, Any]] = []
        self._next = 0
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes() if path.exists() else b""
            if not content.endswith(b"\n"):
                path.write_bytes(content[: content.rfind(b"\n") + 1])
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror or error}") from error
        self._written = read_log(path)
        if not self._written:
            self._append(_VERSION)
        elif self._written.pop(0) != _VERSION:
            raise RunError(f"{path} is no log of asks of this trueshot: use the release that wrote it")

    @property
    def replaying(self) -> bool:
        """Whether what was written before is not replayed whole yet."""
        return self._next < len(self._written)

    def replayed(self, entry: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the next entry of what was written before, ``None`` when all is replayed.

        Raises:
            RunError: when it does not say what ``entry`` says.
        """
        if self._next == len(self._written):
            return None
        found = self._written[self._next]
        self._next += 1
        wrong = next((key for key in entry if found.get(key) != entry[key]), None)
        if wrong is not None:
            raise RunError(
                f"{self.path}, line {self._next + 1}: '{wrong}' is not that of this search, which was started otherwise"
                " or with other weights: repeat its command, or choose another --out"
            )
        return found

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append an entry."""
        if self.path is not None:
            self._append(entry)

    def _append(self, entry: Mapping[str, Any]) -> None:
        assert self.path is not None
        try:
            with self.path.open("a") as file:
                file.write(json.dumps(entry, allow_nan=False, separators=(",", ":")) + "\n")
        except OSError as error:
            raise RunError(f"cannot write {self.path}: {error.strerror or error}; free some space") from error


@dataclass
class _Metered:
    """An evaluator whose digest is read once, and whose rows and seconds are counted."""

    evaluator: Evaluator
    digest: str = field(init=False)
    rows: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.digest = self.evaluator.digest

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        start = time.perf_counter()
        scores = np.asarray(self.evaluator(archs), dtype=np.float64)
        self.rows, self.seconds = self.rows + len(archs), self.seconds + time.perf_counter() - start
        return scores


@final
class Asking:
    """Asks a proposer, evaluates what it asks for, tells it the scores.

    No architecture is evaluated twice under one digest. Everything asked and told is logged; a new object with an equal
    proposer and the log of a killed process goes through the same asks and tells without evaluating, and then on.

    Args:
        proposer: what to evaluate next; has not been asked before.
        cache: where known scores come from and new ones go to; written on its own terms and at the end of each call.
        log: the file of asks and tells, usually ``log/asked.jsonl``; ``None`` keeps none.
        describe: further columns of the cache, see :class:`~trueshot.evaluation.wrappers.Cached`.
        batch: most architectures asked for at once; evolution gets farther in small ones, NSGA-II does not care.
        chunk: most architectures in one call of the evaluator; all of a batch by default.
        space: when given, whatever the proposer asks for must be architectures of it.

    Raises:
        RunError: when the log cannot be read or written.
    """

    def __init__(
        self,
        proposer: Proposer,
        cache: EvaluationCache,
        *,
        log: Path | None = None,
        describe: Callable[[np.ndarray], Columns] | None = None,
        batch: int = 8,
        chunk: int | None = None,
        space: Space | None = None,
    ) -> None:
        self.proposer, self.cache, self.describe, self.batch, self.chunk = proposer, cache, describe, batch, chunk
        self.space = space
        self._log = Log(log)
        self._asks: list[Rows] = []
        self._scores: dict[bytes, float] = {}
        self._width = 0
        self._fresh, self._evaluating, self._total = 0, 0.0, 0.0

    def run(
        self,
        evaluator: Evaluator,
        *,
        evaluations: int | None = None,
        report: Callable[[History], None] | None = None,
    ) -> History:
        """Ask and tell until the proposer has finished, or so many ``evaluations`` more were asked for.

        Args:
            evaluator: its weights stay as they are during the call.
            evaluations: an end before the proposer's.
            report: called after each tell with all that was evaluated so far.

        Raises:
            RunError: when a score is not finite, the log is of another search, or a file cannot be written.
            ConfigError: when the proposer waits for scores although it was told them all, asks for nothing at all, or
                for what is no architecture.
        """
        start, metered, left = time.perf_counter(), _Metered(evaluator), evaluations
        while not self.proposer.finished and left != 0:
            rows = self._ask(self.batch if left is None else min(self.batch, left))
            if len(rows):
                left = None if left is None else max(0, left - len(rows))
                self._tell_proposer(rows, metered)
                start = self._count(start, metered)
                if report is not None:
                    report(self.history)
            elif not self.proposer.finished:
                raise ConfigError(
                    f"proposer {self._name} asks for nothing more though it was told every score: let `ask` return"
                    " architectures or `finished` be true"
                )
        if not self._asks:
            raise ConfigError(
                f"proposer {self._name} had finished before it asked for an architecture: correct `finished`"
            )
        self.cache.flush()
        self._count(start, metered)
        return self.history

    def reevaluate(self, evaluator: Evaluator) -> History:
        """Tell the proposer the scores of all that it has asked for anew, for example after more training.

        Raises:
            RunError: as :meth:`run`.
        """
        start, metered, history = time.perf_counter(), _Metered(evaluator), self.history
        _, first = np.unique(history.archs, axis=0, return_index=True)
        rows = history.archs[np.sort(first)]
        for begin in range(0, len(rows), self.batch):
            self._tell_proposer(rows[begin : begin + self.batch], metered)
        self.cache.flush()
        self._count(start, metered)
        return self.history

    @property
    def _name(self) -> str:
        return name_of(self.proposer)

    @property
    def replaying(self) -> bool:
        """Whether a killed process asked and told more than was repeated so far."""
        return self._log.replaying

    @property
    def history(self) -> History:
        """All that was evaluated, with the latest scores."""
        archs = np.concatenate([*self._asks, np.empty((0, self._width), dtype=np.uint8)])
        numbers = [np.full(len(rows), number, dtype=np.int64) for number, rows in enumerate(self._asks, start=1)]
        return History(
            archs=archs,
            scores=np.array([self._scores[row.tobytes()] for row in archs], dtype=np.float64),
            asked=np.concatenate([*numbers, np.empty(0, dtype=np.int64)]),
            fresh=self._fresh,
            evaluate_seconds=self._evaluating,
            own_seconds=self._total - self._evaluating,
        )

    def _ask(self, n: int) -> Rows:
        rows = self.proposer.ask(n)
        if self.space is not None:
            rows = checked_rows(rows, self.space, f"proposer {self._name} asked for")
        self._width = rows.shape[1]
        if len(rows):
            self._asks.append(rows)
            entry = {"ask": n, "rows": rows.tolist()}
            if self._log.replayed(entry) is None:
                self._log.write(entry)
        return rows

    def _tell_proposer(self, rows: Rows, metered: _Metered) -> None:
        entry = {"tell": metered.digest, "rows": rows.tolist()}
        earlier = self._log.replayed(entry)
        if earlier is None:
            scores = Cached(metered, self.cache, describe=self.describe, chunk=self.chunk)(rows)
            self._log.write({**entry, "scores": scores.tolist()})
        else:
            scores = np.array(earlier["scores"], dtype=np.float64)
            self._restore(metered.digest, rows, scores)
        self._scores |= {row.tobytes(): score for row, score in zip(rows, scores.tolist(), strict=True)}
        self.proposer.tell(rows, scores)

    def _restore(self, digest: str, rows: Rows, scores: Float64[np.ndarray, " n"]) -> None:
        """Put back what the killed process had scored and logged, but not yet written to the cache."""
        lost = np.isnan(self.cache.get(digest, rows))
        if lost.any():
            self.cache.put(digest, rows[lost], scores[lost], **(self.describe(rows[lost]) if self.describe else {}))

    def _count(self, start: float, metered: _Metered) -> float:
        """Add up what a turn took and return when the next one starts."""
        now = time.perf_counter()
        self._total += now - start
        self._fresh, self._evaluating = self._fresh + metered.rows, self._evaluating + metered.seconds
        metered.rows, metered.seconds = 0, 0.0
        return now
