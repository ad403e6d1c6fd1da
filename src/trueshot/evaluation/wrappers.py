"""Evaluators made of evaluators."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.cache import EvaluationCache
from trueshot.core.errors import ConfigError
from trueshot.core.fingerprint import fingerprint
from trueshot.core.own import name_of
from trueshot.evaluation.protocol import Evaluator
from trueshot.spaces import Space


@final
class Mean:
    """The mean of several scores: over snapshots of one supernet (ST-NAS, Eq. 10) or over several supernets."""

    def __init__(self, evaluators: Sequence[Evaluator]) -> None:
        self.evaluators = _some(evaluators)

    @property
    def digest(self) -> str:
        """Fingerprint of the members, in order."""
        return fingerprint("mean", [evaluator.digest for evaluator in self.evaluators])

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Score all architectures by one member after the other."""
        return np.asarray(np.mean([evaluator(archs) for evaluator in self.evaluators], axis=0), dtype=np.float64)


@final
class Median:
    """The median of several scores, for example over checkpoints."""

    def __init__(self, evaluators: Sequence[Evaluator]) -> None:
        self.evaluators = _some(evaluators)

    @property
    def digest(self) -> str:
        """Fingerprint of the members, in order."""
        return fingerprint("median", [evaluator.digest for evaluator in self.evaluators])

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Score all architectures by one member after the other."""
        return np.asarray(np.median([evaluator(archs) for evaluator in self.evaluators], axis=0), dtype=np.float64)


def _some(evaluators: Sequence[Evaluator]) -> tuple[Evaluator, ...]:
    if not evaluators:
        raise ConfigError("no evaluators to combine: give at least one")
    return tuple(evaluators)


def _one_each(evaluator: Evaluator, rows: UInt8[np.ndarray, "n decisions"]) -> np.ndarray:
    """Return the scores of some architectures.

    Raises:
        ConfigError: when they are not one number for each.
    """
    scores = np.asarray(evaluator(rows))
    if scores.shape != (len(rows),) or scores.dtype.kind not in "iuf":
        raise ConfigError(
            f"evaluator {name_of(evaluator)} must give one number for each of {len(rows)} architectures, not"
            f" {scores.dtype} of shape {scores.shape}"
        )
    return scores


Columns = Mapping[str, Sequence[Any] | np.ndarray]


@final
class Cached:
    """Looks architectures up in the evaluation cache, scores the others once each and puts them there.

    Args:
        evaluator: asked for what the cache does not hold.
        cache: scores by digest and row.
        describe: further columns of the cache for a batch of architectures, such as their strings and costs.
        chunk: most architectures scored between two visits to the cache: a killed process loses no more than that.
            ``None`` scores all of a call at once, which is right where each call has a price of its own, such as
            reading snapshots.

    A column ``seconds`` says how long an architecture took.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        cache: EvaluationCache,
        *,
        describe: Callable[[np.ndarray], Columns] | None = None,
        chunk: int | None = None,
    ) -> None:
        self.evaluator, self.cache, self.describe, self.chunk = evaluator, cache, describe, chunk

    @property
    def digest(self) -> str:
        """Fingerprint of the evaluator: where scores are kept makes no difference."""
        return self.evaluator.digest

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Return the scores, of duplicates too."""
        if not len(archs):
            return np.empty(0, dtype=np.float64)
        digest = self.digest
        rows, inverse = np.unique(archs, axis=0, return_inverse=True)
        scores = self.cache.get(digest, rows)
        missing = np.flatnonzero(np.isnan(scores))
        size = self.chunk or max(len(missing), 1)
        for start in range(0, len(missing), size):
            part = missing[start : start + size]
            began = time.perf_counter()
            scores[part] = _one_each(self.evaluator, rows[part])
            columns = dict(self.describe(rows[part])) if self.describe is not None else {}
            columns.setdefault("seconds", [(time.perf_counter() - began) / len(part)] * len(part))
            self.cache.put(digest, rows[part], scores[part], **columns)
        return scores[inverse.reshape(-1)]


@final
class Canonical:
    """Scores each architecture by the canonical member of its class: one training serves all isomorphic twins.

    Right where the score does not depend on shared weights (tables, stand-alone training), in which twins differ.
    """

    def __init__(self, evaluator: Evaluator, space: Space, rule: str) -> None:
        self.evaluator, self.space, self.rule = evaluator, space, rule

    @property
    def digest(self) -> str:
        """Fingerprint of the evaluator and the rule."""
        return fingerprint("canonical", self.rule, self.evaluator.digest)

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Score the canonical rows, each once."""
        rows, inverse = np.unique(self.space.canonical(archs, self.rule), axis=0, return_inverse=True)
        return self.evaluator(rows)[inverse.reshape(-1)]


@final
class Reporting:
    """Tells of progress: ``report(number)`` is called with how many more architectures were scored.

    Wrap the innermost evaluator: with several snapshots, ``report`` is then called for each of them.

    Args:
        evaluator: scores one architecture first, then as many at a time as take about ``every`` seconds.
        report: told after each of these groups.
        every: seconds; 0 scores and reports one by one.
    """

    def __init__(self, evaluator: Evaluator, report: Callable[[int], None], *, every: float = 0.2) -> None:
        self.evaluator, self.report, self.every = evaluator, report, every

    @property
    def digest(self) -> str:
        """Fingerprint of the evaluator."""
        return self.evaluator.digest

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Score the architectures group by group."""
        scores = np.empty(len(archs), dtype=np.float64)
        start, size = 0, 1
        while start < len(archs):
            began = time.perf_counter()
            part = slice(start, start + size)
            scores[part] = self.evaluator(archs[part])
            self.report(len(scores[part]))
            start += size
            fitting = size * self.every / max(time.perf_counter() - began, 1e-9)
            size = int(max(1, min(2 * size, fitting)))
        return scores
