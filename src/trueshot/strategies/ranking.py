"""Ranking architectures by supernets, and comparing the ranking with the truth.

Each supernet is trained and scores all architectures in a process of its own; their scores are averaged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64, Int64, UInt8

from trueshot.core.cache import EvaluationCache
from trueshot.core.files import read_json, replacing, write_json
from trueshot.core.observe import SILENT, Observer
from trueshot.evaluation.costs import CostScore
from trueshot.evaluation.expectation import parameter_expectation, single_checkpoint
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.sweep import planned
from trueshot.evaluation.trained import FineTuned
from trueshot.evaluation.twins import TwinMean
from trueshot.evaluation.weights import WithWeights
from trueshot.evaluation.wrappers import Cached, Mean, Median
from trueshot.evaluation.zero_cost import PROXIES, ZeroCost
from trueshot.sharing import Supernet
from trueshot.spaces.skeletons import Stepwise
from trueshot.strategies.config import BudgetConfig, EvaluationConfig
from trueshot.strategies.crew import Tell, run_jobs
from trueshot.strategies.ranking_result import assemble
from trueshot.strategies.ranking_setup import COSTS, RankingSetup, Spec
from trueshot.strategies.scoring import fine_tuning, make_one_shot
from trueshot.strategies.setup import Setup
from trueshot.strategies.weights import make_sampler, make_supernet, sample_weights, supernet_batches, train_supernet
from trueshot.training.data.batches import eval_batches
from trueshot.training.sgld import save_snapshot

Scores = Float64[np.ndarray, " n"]

_CHUNK = 500
"""Architectures between two visits to the cache."""

_MEDIAN = 5
"""Checkpoints of which ``median`` takes the median: those of the last epochs, the last included."""


def rank(setup: RankingSetup, *, workers: int, observer: Observer = SILENT) -> dict[str, Any]:
    """Train the supernets, score, compare; or finish what an earlier attempt left.

    Args:
        setup: what to rank, by what, and where to keep it.
        workers: processes that train and score at the same time.
        observer: told of the progress in optimizer steps and scores.

    Returns:
        The content of ``result.json``; ``scores.parquet`` beside it holds all scores.
    """
    if setup.run.result.exists():
        return read_json(setup.run.result)
    count = setup.config.ranking.supernets
    each = units(setup)
    done = [0] * count
    observer.begin("ranking", count * each, 0, "unit")

    def progress(index: int, units_done: int) -> None:
        done[index] = units_done
        observer.advance("ranking", min(sum(done), count * each))

    found: list[dict[str, Any]] = [{}] * count

    def result(index: int, content: dict[str, Any]) -> None:
        progress(index, each)
        found[index] = content

    # Decoded here once, so that workers find them in memory.
    _ = setup.dataset.validation
    run_jobs(
        partial(train_and_score, setup),
        range(count),
        workers=workers,
        threads=setup.config.threads,
        on_progress=progress,
        on_result=result,
    )
    observer.end("ranking")
    rivals = score_rivals(setup, observer)
    observer.say(
        f"criteria of {len(setup.specs) + len(rivals)} rankings, {setup.config.ranking.bootstrap} resamples each"
    )
    supernets = [pd.read_parquet(setup.scores_file(index)) for index in range(count)]
    result_json, table = assemble(setup, supernets, found, rivals)
    with replacing(setup.run.path / "scores.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    write_json(setup.run.result, result_json)
    return read_json(setup.run.result)


def units(setup: RankingSetup) -> int:
    """Return the progress units of one supernet: scores, and steps by how many scores they take as long as."""
    steps = setup.config.supernet.recipe.epochs * supernet_batches(setup.supernet(0)).steps_per_epoch
    return steps * step_units(setup) + setup.scores_each


def step_units(setup: RankingSetup) -> int:
    """Return about how many scores take as long as an optimizer step, for the display of progress."""
    config, recipe = setup.config.evaluation, setup.config.supernet.recipe
    recalibration = config.recalibration
    images = config.images or len(setup.dataset.validation)
    if recalibration.needs_images:
        images += recalibration.batches * recalibration.batch_size
    per_step = make_sampler(setup.space, setup.config.supernet.sampler, BudgetConfig()).per_step
    # A step goes forth and back, which takes three times as long as forth; architectures scored together share work.
    return max(1, round(9 * per_step * recipe.batch_size / images))


def train_and_score(setup: RankingSetup, index: int, tell: Tell) -> dict[str, Any]:
    """Train one supernet and score all architectures in every way, going on where an earlier attempt stopped.

    Returns:
        ``curve`` (rows of ``epoch``, ``seconds`` of
        training and ``scores`` of the curve's architectures), ``train_seconds``, ``score_seconds`` by way, ``history``.
    """
    own = setup.supernet(index)
    record = own.run.path / "record.json"
    if record.exists():
        return read_json(record)
    supernet = make_supernet(own)
    batches = supernet_batches(own)
    files = _kept(setup, own)

    def keep(epoch: int) -> None:
        tell(epoch * batches.steps_per_epoch * step_units(setup))
        if epoch in files and not files[epoch].exists():
            save_snapshot(files[epoch], supernet.state_dict())

    history = train_supernet(own, supernet, batches, on_epoch=keep)
    start = time.monotonic()
    snapshots = sample_weights(own, supernet, batches)
    sampling = time.monotonic() - start
    scorer = _Scorer(setup, own, supernet, tell, history[-1]["epoch"] * batches.steps_per_epoch * step_units(setup))
    columns, seconds = {}, {}
    with EvaluationCache(own.run.evaluations) as cache:
        for spec in sorted(setup.specs, key=lambda spec: spec.twins):
            evaluator = scorer.evaluator(spec, cache, snapshots, list(files.values()))
            began = time.monotonic()
            scores = scorer.score(evaluator, setup.to_score(spec))
            # What the mean is over is in the cache by now.
            columns[str(spec)] = TwinMean(evaluator, setup.space)(setup.truth.archs) if spec.twins else scores
            seconds[str(spec)] = time.monotonic() - began
        curve = []
        for epoch in setup.marks:
            one_shot = Cached(single_checkpoint(scorer.one_shot(setup.specs[0]), files[epoch]), cache)
            values = scorer.score(one_shot, setup.truth.archs[setup.curve_archs])
            curve.append({"epoch": epoch, "seconds": history[epoch - 1]["seconds"], "scores": values.tolist()})
    with replacing(setup.scores_file(index)) as temporary:
        pd.DataFrame(columns).to_parquet(temporary, index=False)
    content = {
        "curve": curve,
        "train_seconds": history[-1]["seconds"],
        "sampling_seconds": sampling,
        "score_seconds": seconds,
        "history": history,
    }
    write_json(record, content)
    return content


def _kept(setup: RankingSetup, own: Setup) -> dict[int, Path]:
    """Return the files of the epochs whose weights are needed after the training, the last not among them."""
    epochs = set(setup.marks)
    if any(spec.way == "median" for spec in setup.specs):
        last = setup.config.supernet.recipe.epochs
        epochs |= set(range(max(1, last - _MEDIAN + 1), last))
    return {epoch: own.run.checkpoint(f"epoch-{epoch:04d}") for epoch in sorted(epochs)}


class _Scorer:
    """Scores in an order in which neighbours share work, and tells how far it is."""

    def __init__(self, setup: RankingSetup, own: Setup, supernet: Supernet, tell: Tell, done: int) -> None:
        self.setup, self.own, self.supernet, self._tell, self._done = setup, own, supernet, tell, done

    def one_shot(self, spec: Spec) -> Any:
        """Return the one-shot evaluator with the metric of ``spec``."""
        return make_one_shot(self.own, self.supernet, self._config(spec))

    def _config(self, spec: Spec) -> EvaluationConfig:
        config = self.own.config.evaluation
        return config.model_copy(update={"metric": spec.metric or config.metric})

    def evaluator(
        self, spec: Spec, cache: EvaluationCache, snapshots: Sequence[Path], checkpoints: Sequence[Path]
    ) -> Evaluator:
        """Return what scores single architectures as ``spec`` says; every score is kept as soon as it is there."""
        return Cached(self._uncached(spec, snapshots, checkpoints), cache)

    def _uncached(self, spec: Spec, snapshots: Sequence[Path], checkpoints: Sequence[Path]) -> Evaluator:
        if spec.way == "fine-tuned":
            tuned = FineTuned(self.supernet, fine_tuning(self.own, self._config(spec)))
            return WithWeights(tuned, self.supernet, snapshots[0])
        one_shot = self.one_shot(spec)
        if spec.way == "parameter":
            return parameter_expectation(one_shot, snapshots)
        if spec.way == "score":
            return Mean([single_checkpoint(one_shot, snapshot) for snapshot in snapshots])
        if spec.way == "median":
            last = [*checkpoints[-(_MEDIAN - 1) :], snapshots[0]]
            return Median([single_checkpoint(one_shot, snapshot) for snapshot in last])
        return single_checkpoint(one_shot, snapshots[0])

    def score(self, evaluator: Evaluator, archs: UInt8[np.ndarray, "n decisions"]) -> Scores:
        """Return the scores; architectures that share work are scored one after another."""
        scores = np.empty(len(archs), dtype=np.float64)
        if not len(archs):
            return scores
        for part in np.array_split(self._order(archs), -(-len(archs) // _CHUNK)):
            scores[part] = evaluator(archs[part])
            self._done += len(part)
            self._tell(self._done)
        return scores

    def _order(self, archs: UInt8[np.ndarray, "n decisions"]) -> Int64[np.ndarray, " n"]:
        if not isinstance(self.supernet.body, Stepwise):
            return np.arange(len(archs))
        _, positions = planned(self.supernet, [tuple(row) for row in archs.tolist()])
        return np.concatenate([np.array(where, dtype=np.int64) for where in positions.values()])


def score_rivals(setup: RankingSetup, observer: Observer) -> dict[str, tuple[Int64[np.ndarray, " k"], Scores, float]]:
    """Return what costs little: for each rival the positions of the architectures it scored, the scores and seconds."""
    options, archs = setup.config.ranking, setup.truth.archs
    found: dict[str, tuple[Int64[np.ndarray, " k"], Scores, float]] = {}
    proxies = [name for name in options.rivals if name in PROXIES]
    drawn = setup.streams.numpy("ranking/proxies").choice(
        len(archs), min(len(archs), options.proxy_architectures), replace=False
    )
    positions = np.sort(drawn).astype(np.int64)
    if proxies:
        observer.begin("proxies", len(proxies) * len(positions), 0, "architecture")
    with EvaluationCache(setup.run.evaluations) as cache:
        for name in options.rivals:
            start = time.monotonic()
            if name in COSTS:
                found[name] = np.arange(len(archs)), CostScore(setup.space, name)(archs), time.monotonic() - start
            elif name in PROXIES:
                report = partial(_advance, observer, proxies.index(name) * len(positions))
                scores = _proxy_scores(setup, name, cache, positions, report)
                found[name] = positions, scores, time.monotonic() - start
            else:
                there = np.flatnonzero(~np.isnan(setup.truth.others[name]))
                found[name] = there, setup.truth.others[name][there], 0.0
    if proxies:
        observer.end("proxies")
    return found


def _advance(observer: Observer, before: int, done: int) -> None:
    observer.advance("proxies", before + done)


def _proxy_scores(
    setup: RankingSetup,
    name: str,
    cache: EvaluationCache,
    positions: Int64[np.ndarray, " k"],
    report: Callable[[int], None],
) -> Scores:
    dataset, options = setup.dataset, setup.config.ranking
    source = eval_batches(
        dataset.train, dataset, batch_size=options.proxy_images, device=setup.device, limit=options.proxy_images
    )
    images, labels = next(iter(source))
    evaluator = Cached(ZeroCost(setup.space.final(), name, (images, labels), setup.streams), cache)
    scores = np.empty(len(positions), dtype=np.float64)
    threads = torch.get_num_threads()
    torch.set_num_threads(setup.config.threads)
    for start in range(0, len(positions), 20):
        part = slice(start, start + 20)
        scores[part] = evaluator(setup.truth.archs[positions[part]])
        report(min(start + 20, len(positions)))
    torch.set_num_threads(threads)
    return scores
