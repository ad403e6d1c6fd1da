"""What a ranking's top is worth: the best found after k look-ups, and short trainings of the best by the ranking."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from trueshot.criteria.lookups import LOOK_UPS, best_found
from trueshot.strategies.fusing import full_depth
from trueshot.strategies.setup import Context, threads
from trueshot.strategies.short import Shortened, ShortTrainings, live_params, shortlist, standing

if TYPE_CHECKING:
    from trueshot.strategies.rankings.ranking import Ranking

Column = Float64[np.ndarray, " n"]

DRAWS = 100
"""How often equal scores are ordered anew."""

RANDOM = "random search"
"""The name of a curve whose order is chance."""

_TIMED = 3


def found_curves(
    ranking: Ranking,
    means: Mapping[str, Column],
    supernets: Sequence[pd.DataFrame],
    baselines: Mapping[str, tuple[Int64[np.ndarray, " k"], Float64[np.ndarray, " k"], float]],
) -> dict[str, Any] | None:
    """Return the truth of the best found after k look-ups by every ranking; ``None`` without a column to look up.

    Each curve has the ``median`` over draws of the order among equals, and ``low`` and ``high``, the ends of the middle
    95 % of them; that of an evaluator the medians of each supernet alone besides.
    """
    short = ranking.truth.short
    if short is None:
        return None
    everywhere = np.arange(len(short))
    curves = {RANDOM: _curve(ranking, everywhere, np.zeros(len(short)))}
    curves |= {name: _curve(ranking, positions, scores) for name, (positions, scores, _) in baselines.items()}
    for name, scores in means.items():
        alone = [_curve(ranking, everywhere, own[name].to_numpy())["median"] for own in supernets if name in own]
        curves[name] = {**_curve(ranking, everywhere, scores), "supernets": alone}
    looks = [k for k in LOOK_UPS if k <= len(short)]
    return {"column": ranking.config.short.column, "looks": looks, "draws": DRAWS, "curves": curves}


def _curve(ranking: Ranking, positions: Int64[np.ndarray, " k"], scores: Float64[np.ndarray, " k"]) -> dict[str, Any]:
    assert ranking.truth.short is not None
    found = best_found(
        predicted=scores,
        short=ranking.truth.short[positions],
        true=ranking.truth.values[positions],
        generator=ranking.streams.numpy("ranking/found"),
        draws=DRAWS,
    )
    ends = {name: found.quantile(share).tolist() for name, share in (("low", 0.025), ("high", 0.975))}
    return {"n": len(positions), "median": found.median.tolist(), **ends}


def shortened(ranking: Ranking, scores: Column) -> dict[str, Any] | None:
    """Return the best by the main evaluator, ordered by short trainings; ``None`` where none were asked for.

    A column of the truth stands for the trainings where one was named.

    Args:
        ranking: the ranking.
        scores: by the main evaluator.
    """
    config = ranking.config.short
    if not config.architectures:
        return None
    archs, truth = ranking.truth.archs, ranking.truth
    classes = [bytes(row) for row in ranking.context.space.canonical(archs)]
    order = np.argsort(-scores, kind="stable")
    size = live_params(ranking.context.space, archs)
    chosen = shortlist(classes, order, np.zeros(len(archs)), (0.0,), config.architectures, size, config.pool)
    if truth.short is not None:
        looked_up = truth.short[chosen]
        done = Shortened(epochs=(), accuracies=looked_up[None])
    else:
        with threads(ranking.config.threads):
            done = ShortTrainings(config, networks(ranking)).run(archs[chosen], scores[chosen])
    placed = np.argsort(-standing(done.rounds, done.last, scores[chosen]), kind="stable")
    first, best = order[0], chosen[placed[0]]
    return {
        "evaluator": ranking.evaluators[0].kind,
        "column": config.column,
        "epochs": list(done.epochs),
        "top": [
            {
                "arch": ranking.context.space.format(archs[chosen[index]]),
                "score": float(scores[chosen[index]]),
                "short": [None if not np.isfinite(value) else float(value) for value in done.accuracies[:, index]],
                "truth": float(truth.values[chosen[index]]),
            }
            for index in placed.tolist()
        ],
        "first": {"by_score": float(truth.values[first]), "by_short": float(truth.values[best])},
    }


def networks(ranking: Ranking) -> Context:
    """Return the context in which the ranking's networks are trained by themselves: at full depth, as proxies see them.

    Images are those of the ranking.
    """
    context = ranking.context
    full = full_depth(context)
    return context.replace(space=dataclasses.replace(full, image_size=context.space.image_size), sampler=None)


def short_seconds(ranking: Ranking) -> float:
    """Return about how many seconds the short trainings take on one worker; 0 where none are done."""
    config, retraining = ranking.config.short, ranking.config.retraining
    if not config.architectures or config.column is not None or retraining is None:
        return 0.0
    context, archs = networks(ranking), ranking.truth.archs
    rows = archs[:: max(1, len(archs) // _TIMED)][:_TIMED]
    whole = retraining.recipe.epochs
    each = np.mean([context.stand_alone_seconds(row) for row in rows]) / whole
    return float(each * config.total_epochs(whole))
