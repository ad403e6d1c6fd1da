"""The jobs of a ranking: each supernet, trained and asked for its scores, and zero-cost proxies beside them."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from trueshot.core.cache import EvaluationCache, Scored
from trueshot.core.executor import Handed, Job, Tell, raise_failures
from trueshot.core.files import replacing, write_json
from trueshot.core.observe import Observer
from trueshot.evaluation.expectation import single_checkpoint
from trueshot.evaluation.fusion_config import averages_twins
from trueshot.evaluation.wrappers import Cached
from trueshot.strategies.fusing import proxy_device
from trueshot.strategies.rankings.proxies import keep_batch, proxy_batches, score_batch
from trueshot.strategies.scoring import Scorer
from trueshot.strategies.trained import train_and_sample

if TYPE_CHECKING:
    from trueshot.strategies.rankings.ranking import Ranking

_MOVED = 10
"""Architectures on which it is measured how far fine-tuning moves."""

_BATCH_UNITS = 400
"""Units of progress of a batch of zero-cost proxies."""


def train_all(ranking: Ranking, observer: Observer) -> None:
    """Train every supernet that has not been and score by it, each a job; keep what they return.

    Raises:
        TrueshotError: that of a supernet which failed, after the others are done and kept.
    """
    count, each = ranking.supernets, _units(ranking)
    todo = [index for index in range(count) if not ranking.record(index).exists()]
    batches = proxy_batches(ranking)
    total, before = count * each + len(batches) * _BATCH_UNITS, (count - len(todo)) * each
    done = [0] * (len(todo) + len(batches))
    observer.begin("ranking", total, before, "unit")

    def progress(position: int, units_done: int) -> None:
        done[position] = units_done
        observer.advance("ranking", min(before + sum(done), total))

    def result(position: int, content: dict[str, Any]) -> None:
        if position < len(todo):
            _keep(ranking, todo[position], content)
        else:
            keep_batch(ranking, content)
        progress(position, each if position < len(todo) else _BATCH_UNITS)

    # Decoded here once, so that workers find them in memory.
    _ = ranking.context.images.validation
    executor = ranking.context.executor
    share = _share(ranking, ranking.context.device)
    jobs = [Job(index, f"supernet {index}", ranking.config.threads, share) for index in todo]
    share = _share(ranking, proxy_device(ranking.context))
    # The long jobs first; what no supernet is needed for fills up the other workers.
    jobs += [Job(batch, "zero-cost proxies", ranking.config.threads, share) for batch in batches]
    # A worker needs neither the observer nor the executor, which cannot be sent.
    job = partial(_do, replace(ranking, context=ranking.context.alone()))
    with EvaluationCache(ranking.context.run.evaluations) as cache:

        def part(_: int, scored: Scored) -> None:
            cache.put(scored.digest, scored.archs, scored.scores, **scored.columns)

        failures = executor.run(job, jobs, on_progress=progress, on_result=result, on_part=part)
    raise_failures(failures, observer.say)
    observer.end("ranking")


def _share(ranking: Ranking, device: torch.device) -> float:
    """Return the share of a GPU that a job on this device takes."""
    return 0.0 if device.type == "cpu" else ranking.context.executor.device_share


def _keep(ranking: Ranking, index: int, content: dict[str, Any]) -> None:
    """Write what a job found, the scores first: with the record the supernet counts as done."""
    with replacing(ranking.scores_file(index)) as temporary:
        pd.DataFrame(content["scores"]).to_parquet(temporary, index=False)
    write_json(ranking.record(index), {key: value for key, value in content.items() if key != "scores"})


def _units(ranking: Ranking) -> int:
    """Return the progress units of one supernet: scores, and steps by how many scores they take as long as."""
    if not ranking.shared:
        return 0
    steps = ranking.config.supernet.recipe.epochs * ranking.weights(0).batches().steps_per_epoch
    return steps * _step_units(ranking) + ranking.scores_each


def _step_units(ranking: Ranking) -> int:
    """Return about how many scores take as long as an optimizer step, for the display of progress."""
    config, recipe = ranking.config.evaluation, ranking.config.supernet.recipe
    images = config.images or len(ranking.context.images.validation)
    if config.recalibration.needs_images:
        images += config.recalibration.batches * config.recalibration.batch_size
    # A step goes forth and back, which takes three times as long as forth; architectures scored together share work.
    return max(1, round(9 * ranking.weights(0).sampler().per_step * recipe.batch_size / images))


def _do(ranking: Ranking, value: Any, tell: Tell) -> dict[str, Any]:
    """Do one job: train a supernet, by its number, or score architectures by zero-cost proxies."""
    return train_and_score(ranking, value, tell) if isinstance(value, int) else score_batch(ranking, value)


def train_and_score(ranking: Ranking, index: int, tell: Tell) -> dict[str, Any]:
    """Train one supernet and score all architectures in every way, going on where an earlier attempt stopped.

    Scores are handed to the parent as they come, who keeps them in the evaluation cache of the ranking. What it holds
    already is not scored again.

    Returns:
        ``scores`` (a column for each evaluator), ``reference`` (for each that is added up with others), ``curve``
        (rows of ``epoch``, ``seconds`` of training and ``scores`` of the curve's architectures), ``train_seconds``,
        ``sampling_seconds``, ``score_seconds`` by evaluator, ``history``, and how far fine-tuning moved.
    """
    weights = ranking.weights(index)
    supernet, batches = weights.make(), weights.batches()
    each = batches.steps_per_epoch * _step_units(ranking)
    median = weights.last_epochs() if any(part.says("way") == "median" for part in ranking.shared) else ()
    spent: dict[str, float] = {}
    trained, training = train_and_sample(
        weights,
        supernet,
        batches,
        ranking.config.evaluation,
        keep={*ranking.marks, *median},
        on_epoch=lambda epoch: tell(epoch * each),
        on_phase=lambda phase, start: spent.update({phase: time.monotonic() - start}),
    )
    history = training.epochs
    context = weights.context.replace(trained=trained)
    scorer = Scorer(supernet, tell, len(history) * each)
    columns, known, seconds = {}, {}, {}
    with EvaluationCache(ranking.context.run.evaluations, hand=lambda scored: tell(Handed(scored))) as cache:
        for part in sorted(ranking.shared, key=averages_twins):
            # Every score is kept as soon as it is there; what a mean is over is in the cache by then.
            evaluator = Cached(part.bare().build(context), cache)
            began = time.monotonic()
            scorer.score(evaluator, ranking.to_score(part))
            # From the cache, all of them.
            whole = part.wrap(context, evaluator)
            columns[part.kind] = whole(ranking.truth.archs)
            if part.kind in ranking.in_fusion:
                known[part.kind] = whole(ranking.reference).tolist()
            seconds[part.kind] = time.monotonic() - began
        curve = []
        for epoch in ranking.marks:
            one_shot = trained.one_shot(ranking.shared[0].says("metric"))
            at_epoch = Cached(single_checkpoint(one_shot, training.files[epoch]), cache)
            values = scorer.score(at_epoch, ranking.truth.archs[ranking.curve_archs])
            curve.append({"epoch": epoch, "seconds": history[epoch - 1]["seconds"], "scores": values.tolist()})
    tuned = [part for part in ranking.shared if part.says("way") == "fine-tuned"]
    moved = {part.kind: trained.movement(ranking.truth.archs[:_MOVED], part.says("metric")) for part in tuned}
    return {
        "fine_tuning": {name: asdict(movement) for name, movement in moved.items()},
        "scores": columns,
        "reference": known,
        "curve": curve,
        "train_seconds": history[-1]["seconds"],
        "sampling_seconds": spent["sgld"],
        "score_seconds": seconds,
        "history": history,
    }
