"""The loop between a proposer and an evaluator, through the evaluation cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from trueshot.core.cache import EvaluationCache
from trueshot.search.protocol import Proposer
from trueshot.spaces import Space

Evaluate = Callable[[np.ndarray], np.ndarray]
"""Architectures ``(n, decisions)`` in, float64 scores ``(n,)`` out, higher is better; pure in each row."""

Columns = Callable[[np.ndarray], Mapping[str, Sequence[Any] | np.ndarray]]
"""What else to keep of architectures ``(n, decisions)``: columns of n values by name."""


@dataclass(frozen=True, kw_only=True)
class History:
    """What a search has evaluated, in order.

    Attributes:
        archs: ``(n, decisions)``.
        scores: higher is better.
        generations: number of the ``ask`` that proposed each, from 1.
        fresh: how many were evaluated now; the others came from the cache.
        evaluate_seconds: time spent in the evaluator.
        own_seconds: time spent in the proposer, the cache and the loop.
    """

    archs: UInt8[np.ndarray, "n decisions"]
    scores: Float64[np.ndarray, " n"]
    generations: Int64[np.ndarray, " n"]
    fresh: int
    evaluate_seconds: float
    own_seconds: float

    def __len__(self) -> int:
        return len(self.scores)


def described(space: Space) -> Columns:
    """Return the usual further columns of the cache: the architecture's string, its parameters and MAdds."""

    def columns(archs: np.ndarray) -> dict[str, Sequence[Any] | np.ndarray]:
        costs = space.cost(archs)
        return {"arch": [space.format(row) for row in archs], "params": costs.params, "madds": costs.madds}

    return columns


def run_search(
    proposer: Proposer,
    evaluate: Evaluate,
    cache: EvaluationCache,
    digest: str,
    *,
    on_generation: Callable[[History], None] | None = None,
    columns: Columns | None = None,
    batch: int | None = None,
) -> History:
    """Run a search to its end, evaluating no architecture twice.

    The cache is written at the end of each generation and, on its own terms, after each batch. To resume a killed
    search, run it again with the same seed and cache: what is known comes from there.

    Args:
        proposer: what to evaluate next; may not have been asked before.
        evaluate: scores architectures.
        cache: where known scores come from and new ones go to.
        digest: names the evaluator in the cache; equal digests mean equal scores.
        on_generation: called after each generation with all that was evaluated so far.
        columns: further columns to keep beside new scores.
        batch: most architectures in one call of ``evaluate``; all unknown ones of a generation by default.

    Raises:
        RunError: when a score is not finite, or the cache cannot be written.
    """
    start, spent, fresh = time.perf_counter(), 0.0, 0
    history: History | None = None
    for generation in range(1, 2**31):
        archs = proposer.ask()
        if not len(archs):
            break
        unknown = _unknown(cache, digest, archs)
        for part in range(0, len(unknown), batch or max(len(unknown), 1)):
            rows = unknown[part : part + (batch or len(unknown))]
            begin = time.perf_counter()
            scores = np.asarray(evaluate(rows), dtype=np.float64)
            seconds = time.perf_counter() - begin
            spent, fresh = spent + seconds, fresh + len(rows)
            more = columns(rows) if columns else {}
            cache.put(digest, rows, scores, **more, seconds=np.full(len(rows), seconds / len(rows)))
        cache.flush()
        scores = cache.get(digest, archs)
        proposer.tell(archs, scores)
        history = _extend(history, archs, scores, generation)
        history = replace(history, fresh=fresh, evaluate_seconds=spent, own_seconds=time.perf_counter() - start - spent)
        if on_generation is not None:
            on_generation(history)
    return _extend(history, archs, np.zeros(0), 0) if history is None else history


def _unknown(cache: EvaluationCache, digest: str, archs: np.ndarray) -> np.ndarray:
    """Return the rows without a score, each once, in order."""
    rows = archs[np.isnan(cache.get(digest, archs))]
    _, first = np.unique(rows, axis=0, return_index=True)
    unknown: np.ndarray = rows[np.sort(first)]
    return unknown


def _extend(history: History | None, archs: np.ndarray, scores: np.ndarray, generation: int) -> History:
    generations = np.full(len(archs), generation, dtype=np.int64)
    if history is None:
        return History(
            archs=archs, scores=scores, generations=generations, fresh=0, evaluate_seconds=0.0, own_seconds=0.0
        )
    return replace(
        history,
        archs=np.concatenate([history.archs, archs]),
        scores=np.concatenate([history.scores, scores]),
        generations=np.concatenate([history.generations, generations]),
    )
