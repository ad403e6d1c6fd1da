"""What a ranking compares evaluators with: columns of the table, costs, and zero-cost proxies.

Proxies are computed once for each class of twins, in batches that are jobs beside the supernets'.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Int64, UInt8

from trueshot.core.cache import EvaluationCache
from trueshot.core.files import read_json, write_json
from trueshot.evaluation.fusion_config import parts_of
from trueshot.evaluation.proxies.names import PROXIES
from trueshot.evaluation.timing import median_seconds
from trueshot.evaluation.zero_cost import ProxyTable
from trueshot.strategies.fusing import parts_cache, proxies_of, proxy_table, zero_cost
from trueshot.strategies.scoring import Scores

if TYPE_CHECKING:
    from trueshot.strategies.rankings.ranking import Ranking

_BATCH = 64
"""Architectures scored between two visits to the cache: a killed ranking loses no more than that."""

_TIMED = 3


class Batch(NamedTuple):
    """Canonical architectures and the proxies to compute of each."""

    names: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]


def few(ranking: Ranking) -> Int64[np.ndarray, " k"]:
    """Return the positions of the architectures that baselines are scored on which no evaluator needs."""
    total, most = len(ranking.truth.archs), ranking.config.ranking.proxy_architectures
    if most is None or most >= total:
        return np.arange(total)
    drawn = ranking.streams.numpy("ranking/proxies").choice(total, most, replace=False)
    return np.sort(drawn).astype(np.int64)


def needed(ranking: Ranking) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the proxies that evaluators need, and those that are baselines only."""
    parts = [
        inner for part in ranking.evaluators for inner in parts_of(part, ranking.config.fusion, ranking.context.space)
    ]
    by_evaluators = tuple(dict.fromkeys(proxies_of(parts)))
    baselines = [name for name in ranking.config.ranking.baselines if name in PROXIES and name not in by_evaluators]
    return by_evaluators, tuple(dict.fromkeys(baselines))


def proxy_batches(ranking: Ranking) -> list[Batch]:
    """Return what is not in the cache yet."""
    batches = []
    archs = ranking.truth.archs
    rows = np.concatenate([archs, ranking.reference])
    for names, wanted in zip(needed(ranking), (rows, archs[few(ranking)]), strict=True):
        if not names:
            continue
        table = proxy_table(ranking.context, names)
        missing = _missing(table, np.unique(ranking.context.space.canonical(wanted), axis=0))
        # Neighbours cost alike; dealt out, each batch takes about as long as any other.
        count = -(-len(missing) // _BATCH)
        batches += [Batch(names, tuple(map(tuple, missing[start::count].tolist()))) for start in range(count)]
    return batches


def _missing(table: ProxyTable, rows: UInt8[np.ndarray, "n decisions"]) -> UInt8[np.ndarray, "m decisions"]:
    """Return the rows of which some proxy is not known."""
    known = np.stack([table.cache.get(digest, rows) for digest in table.digests.values()])
    missing: UInt8[np.ndarray, "m decisions"] = rows[np.isnan(known).any(axis=0)]
    return missing


def score_batch(ranking: Ranking, batch: Batch) -> dict[str, Any]:
    """Compute a batch: the scores by digest, and the processor's seconds."""
    start = time.process_time()
    table = proxy_table(ranking.context, batch.names, EvaluationCache(None))
    found = [table.computed(row, batch.names) for row in batch.rows]
    scores = {table.digests[name]: [values[name] for values in found] for name in batch.names}
    return {"rows": [list(row) for row in batch.rows], "scores": scores, "seconds": time.process_time() - start}


def keep_batch(ranking: Ranking, content: dict[str, Any]) -> None:
    """Put what a job computed into the cache, and add up its seconds."""
    rows = np.array(content["rows"], dtype=np.uint8)
    with parts_cache(ranking.context) as cache:
        for digest, scores in content["scores"].items():
            cache.put(digest, rows, np.array(scores))
    file = ranking.context.run.path / "log" / "proxies.json"
    write_json(file, {"seconds": seconds_spent(ranking) + content["seconds"]})


def seconds_spent(ranking: Ranking) -> float:
    """Return the processor's seconds that proxies took so far."""
    file = ranking.context.run.path / "log" / "proxies.json"
    return float(read_json(file)["seconds"]) if file.exists() else 0.0


def proxy_seconds(ranking: Ranking) -> float:
    """Return about how many seconds the proxies take on one processor."""
    total = 0.0
    for names, batches in _by_names(proxy_batches(ranking)).items():
        table = proxy_table(ranking.context, names, EvaluationCache(None))
        rows = [row for batch in batches for row in batch.rows]
        timed = rows[:: max(1, len(rows) // (_TIMED + 1))]
        each = median_seconds(lambda index: table.computed(timed[index % len(timed)], names), _TIMED)  # noqa: B023
        total += each * len(rows)
    return total


def _by_names(batches: list[Batch]) -> dict[tuple[str, ...], list[Batch]]:
    found: dict[tuple[str, ...], list[Batch]] = {}
    for batch in batches:
        found.setdefault(batch.names, []).append(batch)
    return found


Baseline = tuple[Int64[np.ndarray, " k"], Scores, float]
"""Positions of the architectures that were scored, their scores, and seconds."""


def score_baselines(ranking: Ranking) -> dict[str, Baseline]:
    """Return the scores of what costs little or nothing, by name."""
    archs, context = ranking.truth.archs, ranking.context
    found: dict[str, Baseline] = {}
    for name in ranking.config.ranking.baselines:
        start = time.monotonic()
        if name not in ranking.truth.others:
            # What evaluators need is there for all.
            there = few(ranking) if name in needed(ranking)[1] else np.arange(len(archs))
            found[name] = there, zero_cost(context, name)(archs[there]), time.monotonic() - start
        else:
            there = np.flatnonzero(~np.isnan(ranking.truth.others[name]))
            found[name] = there, ranking.truth.others[name][there], 0.0
    return found
