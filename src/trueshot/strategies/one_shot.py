"""One-shot search (ST-NAS, SPOS): train shared weights once, search them, train what was found from scratch."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trueshot.core.cache import EvaluationCache
from trueshot.core.files import read_json, write_json
from trueshot.core.records import NetworkRecord
from trueshot.core.run import RunDirectory
from trueshot.criteria.bootstrap import difference_interval
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.wrappers import Cached
from trueshot.search.evolve import History, described, run_search
from trueshot.search.nsga2 import NSGA2
from trueshot.spaces.description import describe
from trueshot.strategies.picking import (
    Candidate,
    budgets_of,
    pick_off_the_shelf,
    pick_random,
    pick_winners,
    repeated,
)
from trueshot.strategies.retraining import measure_on_test, retrain
from trueshot.strategies.scoring import describe_evaluator, make_evaluator, scores_per_architecture
from trueshot.strategies.setup import Setup, environment
from trueshot.strategies.sharing import load_weights
from trueshot.strategies.weights import (
    borrowed_snapshots,
    describe_sampler,
    make_sampler,
    make_supernet,
    sample_weights,
    supernet_batches,
    train_supernet,
)

LEVEL = 0.95
"""Confidence level of the intervals in the result."""


@dataclass
class _Clock:
    """Seconds of each phase, those of earlier attempts included."""

    path: Path

    def add(self, phase: str, start: float) -> None:
        timings = self.read()
        write_json(self.path, {**timings, phase: timings.get(phase, 0.0) + time.monotonic() - start})

    def read(self) -> dict[str, float]:
        if not self.path.exists():
            return {}
        return {key: value for key, value in read_json(self.path).items() if key != "version"}


def search(setup: Setup, *, supernet_from: RunDirectory | None = None) -> dict[str, Any]:
    """Run a search to its end, or what an earlier attempt left of it, and return its result.

    Args:
        setup: what to search, on what, and where to keep it.
        supernet_from: an earlier run over the same space and data whose shared weights are searched again.

    Returns:
        The content of ``result.json``.
    """
    if setup.run.result.exists():
        return read_json(setup.run.result)
    clock = _Clock(setup.run.path / "log" / "timings.json")
    supernet = make_supernet(setup)
    start = time.monotonic()
    if supernet_from is None:
        batches = supernet_batches(setup)
        train_supernet(setup, supernet, batches)
        clock.add("supernet", start)
        start = time.monotonic()
        snapshots = sample_weights(setup, supernet, batches)
        clock.add("sgld", start)
    else:
        snapshots = borrowed_snapshots(setup, supernet_from)
        load_weights(supernet, snapshots[0])
        setup.observer.say(f"no supernet is trained: that of {supernet_from.path} is searched")
    start = time.monotonic()
    counter = _Counter(setup, scores_per_architecture(setup.config.evaluation, len(snapshots)))
    evaluator = make_evaluator(setup, supernet, snapshots, counter)
    with EvaluationCache(setup.run.evaluations) as cache:
        history = evolve(setup, evaluator, cache, counter)
        candidates = pick(setup, history, Cached(evaluator, cache, describe=described(setup.space)))
    clock.add("search", start)
    start = time.monotonic()
    for candidate in candidates:
        retrain(setup, candidate)
    records = measure_on_test(setup, candidates)
    clock.add("retrain", start)
    result = _result(setup, evaluator, history, records, len(snapshots), clock.read())
    write_json(setup.run.result, result)
    return read_json(setup.run.result)


class _Counter:
    """Turns scores computed into progress of the evolution."""

    def __init__(self, setup: Setup, scores_each: int) -> None:
        self._setup, self._each = setup, scores_each
        self._scores, self.told = 0, 0
        self.total = setup.config.evolution.evaluations

    def __call__(self, scores: int) -> None:
        self._scores += scores
        self._setup.observer.advance("search", min(self.total, self.told + self._scores // self._each))

    def generation(self, evaluated: int) -> None:
        self.told, self._scores = evaluated, 0
        self._setup.observer.advance("search", min(self.total, evaluated))


def make_proposer(setup: Setup) -> NSGA2:
    """Return what proposes the architectures of the search.

    Raises:
        BudgetError: when no architecture meets the bounds, or the sampler's target cannot be met.
    """
    return NSGA2(
        setup.space,
        config=setup.config.evolution,
        bounds=setup.bounds,
        seed=setup.config.seed,
        sampler=make_sampler(setup.space, setup.config.supernet.sampler, setup.config.budget),
    )


def evolve(setup: Setup, evaluator: Evaluator, cache: EvaluationCache, counter: _Counter) -> History:
    """Search with NSGA-II; scores known to the cache are not computed again, which is how a killed run goes on."""
    observer = setup.observer
    observer.begin("search", counter.total, 0, "architecture")

    def on_generation(history: History) -> None:
        counter.generation(len(history))
        observer.record("search", len(history), {"best": float(history.scores.max())})

    # The digest reads all weights, hence once and not in every generation.
    digest = evaluator.digest
    batch = setup.config.evolution.population if setup.config.evaluation.expectation == "score" else 8
    history = run_search(
        make_proposer(setup),
        evaluator,
        cache,
        digest,
        on_generation=on_generation,
        columns=described(setup.space),
        batch=batch,
    )
    observer.end("search")
    return history


def pick(setup: Setup, history: History, evaluator: Evaluator) -> list[Candidate]:
    """Return the networks to train from scratch; ``evaluator`` scores the random ones, so that all can be compared."""
    config, space, objective = setup.config.retraining, setup.space, setup.config.evolution.objective
    winners = pick_winners(space, history, budgets_of(space, setup.config.budget, objective), objective)
    random = pick_random(space, winners, config.random, setup.streams, objective)
    if random:
        scores = evaluator(np.stack([candidate.row for candidate in random if candidate.row is not None]))
        random = [replace(candidate, score=float(s)) for candidate, s in zip(random, scores, strict=True)]
    shelf = pick_off_the_shelf(space, winners) if config.off_the_shelf else []
    return repeated(winners + random, config.repeats) + shelf


def _result(
    setup: Setup,
    evaluator: Evaluator,
    history: History,
    records: list[NetworkRecord],
    snapshots: int,
    timings: dict[str, float],
) -> dict[str, Any]:
    dataset, config = setup.dataset, setup.config
    sampler = make_sampler(setup.space, config.supernet.sampler, config.budget)
    return {
        "dataset": {
            "name": dataset.name,
            "classes": list(dataset.classes),
            "train": len(dataset.train),
            "validation": len(dataset.validation),
            "test": dataset.test_size,
            "image_size": dataset.image_size,
            "channels": dataset.channels,
            "notes": [*dataset.notes, *dataset.test.skipped],
            "imbalanced": dataset.imbalanced,
        },
        "space": {**describe(setup.space), "name": setup.space.name},
        "architectures": str(setup.space.architectures),
        "sampler": describe_sampler(sampler),
        "evaluator": describe_evaluator(config.evaluation, snapshots),
        "digest": evaluator.digest,
        "evaluated": len(history),
        "search_own_seconds": history.own_seconds,
        "objective": config.evolution.objective,
        "budgets": list(budgets_of(setup.space, config.budget, config.evolution.objective)),
        "networks": [record.to_json() for record in records],
        "comparison": compare(records),
        "timings": {**timings, "total": sum(timings.values())},
        "environment": environment(setup.device),
    }


def compare(records: list[NetworkRecord]) -> dict[str, Any] | None:
    """Compare the winners' test accuracy with that of random architectures of like cost; ``None`` without either.

    ``difference`` is the mean top-1 of the winners less that of the random ones, in fractions; ``low`` and ``high`` are
    Welch's interval, ``None`` where it is unknown. Trainings of one architecture are no independent samples of what the
    search finds, so their mean counts once: ``n`` are architectures, ``trainings`` all networks.
    """
    trained = {
        role: [record for record in records if record.role == role and record.test is not None]
        for role in ("winner", "random")
    }
    groups = {role: _means(members) for role, members in trained.items()}
    winners, random = groups["winner"], groups["random"]
    if not len(winners) or not len(random):
        return None
    interval = difference_interval(winners, random, level=LEVEL)
    return {
        "metric": "top1",
        "winners": winners.tolist(),
        "random": random.tolist(),
        "difference": float(winners.mean() - random.mean()),
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "level": LEVEL,
        "n": [len(winners), len(random)],
        "trainings": [len(members) for members in trained.values()],
    }


def _means(records: list[NetworkRecord]) -> np.ndarray:
    """Return the mean top-1 of each architecture, in the order of their first trainings."""
    found: dict[str | None, list[float]] = {}
    for record in records:
        if record.test is not None:
            found.setdefault(record.arch, []).append(record.test.top1)
    return np.array([np.mean(values) for values in found.values()])
