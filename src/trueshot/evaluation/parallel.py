"""Scores from many workers: for evaluators that take long for each architecture, such as those that train it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.cache import EvaluationCache
from trueshot.core.executor import Executor, Job, Tell, raise_failures
from trueshot.core.observe import SILENT, Observer
from trueshot.evaluation.protocol import Evaluator


@runtime_checkable
class Forgets(Protocol):
    """An evaluator that keeps something of architectures which it has not scored yet, such as checkpoints."""

    def forget(self, archs: UInt8[np.ndarray, "n decisions"]) -> None:
        """Remove what is kept of architectures: their scores are in the cache."""


class _Scoring:
    """Scores the rows of a job by an evaluator that is made once in every process."""

    def __init__(self, make: Callable[[], Evaluator]) -> None:
        self._make = make

    @cached_property
    def evaluator(self) -> Evaluator:
        return self._make()

    def __getstate__(self) -> dict[str, Any]:
        return {"_make": self._make}

    def __call__(self, rows: UInt8[np.ndarray, "k decisions"], tell: Tell) -> tuple[Float64[np.ndarray, " k"], float]:
        began = time.perf_counter()
        return self.evaluator(rows), time.perf_counter() - began


@final
class Spread:
    """Scores architectures in jobs of an executor and keeps every score in the cache as soon as it is there.

    The scores are those of the evaluator itself, in the order of the architectures given, wherever they are computed.
    It looks architectures up like :class:`~trueshot.evaluation.Cached` does, and need not be wrapped in one. When the
    worker of a job dies, the job is done again, with what the evaluator keeps of its own accord. A column ``seconds``
    of the cache says how long an architecture took.

    Args:
        make: returns the evaluator; called once in every worker and once here. With workers that are fresh processes
            or other machines it must be picklable, the evaluator need not be.
        executor: where jobs are done.
        cache: scores by digest and row; this process alone writes it.
        chunk: architectures of one job: one where each takes minutes.
        threads: of PyTorch in each job.
        device_share: of a GPU for each job, see :class:`~trueshot.core.executor.Job`.
        describe: further columns of the cache for a batch of architectures, such as their strings and costs.
        observer: told which architectures failed.
        report: told how many more architectures were scored.
    """

    def __init__(
        self,
        make: Callable[[], Evaluator],
        executor: Executor,
        *,
        cache: EvaluationCache,
        chunk: int = 1,
        threads: int = 1,
        device_share: float = 0.0,
        describe: Callable[[np.ndarray], Mapping[str, Sequence[Any] | np.ndarray]] | None = None,
        observer: Observer = SILENT,
        report: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._scoring, self.executor, self.cache, self.chunk = _Scoring(make), executor, cache, chunk
        self._threads, self._share, self._describe, self._observer = threads, device_share, describe, observer
        self._report = report

    @property
    def digest(self) -> str:
        """Fingerprint of the evaluator: where scores are computed and kept makes no difference."""
        return self._scoring.evaluator.digest

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Return the scores, of duplicates too; those asked for first are scored first.

        Raises:
            Exception: that of an architecture which failed, after all others have been scored and kept.
        """
        if not len(archs):
            return np.empty(0, dtype=np.float64)
        digest = self.digest
        distinct = np.sort(np.unique(archs, axis=0, return_index=True)[1])
        missing = distinct[np.isnan(self.cache.get(digest, archs[distinct]))]
        # An earlier attempt may have been killed after it kept a score.
        self._forget(archs[np.setdiff1d(distinct, missing)])
        parts = [archs[missing[start : start + self.chunk]] for start in range(0, len(missing), self.chunk)]

        def keep(index: int, found: tuple[Float64[np.ndarray, " k"], float]) -> None:
            rows, (scores, seconds) = parts[index], found
            columns = dict(self._describe(rows)) if self._describe is not None else {}
            columns.setdefault("seconds", [seconds / len(rows)] * len(rows))
            self.cache.put(digest, rows, scores, **columns)
            # At once: it may be long until the next score, and a kill of this process must not lose this one.
            self.cache.flush()
            self._forget(rows)
            self._report(len(rows))

        jobs = [Job(part, f"scores of {part.tolist()}", self._threads, self._share) for part in parts]
        failures = self.executor.run(self._scoring, jobs, on_progress=lambda *_: None, on_result=keep)
        raise_failures(failures, self._observer.say)
        return self.cache.get(digest, archs)

    def _forget(self, archs: UInt8[np.ndarray, "n decisions"]) -> None:
        """Have the evaluator remove what it kept of architectures whose scores are in the cache."""
        if isinstance(self._scoring.evaluator, Forgets):
            self._scoring.evaluator.forget(archs)
