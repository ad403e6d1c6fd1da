"""What a ranking was worth: every criterion of every way of scoring, beside what costs nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from trueshot.core.errors import CriteriaError
from trueshot.criteria.consistency import self_consistency
from trueshot.criteria.groups import mean_group_rank_std, mean_group_std
from trueshot.sampling import describe_sampler
from trueshot.spaces.description import describe
from trueshot.strategies.fusing import Columns
from trueshot.strategies.rankings.judge import Judge
from trueshot.strategies.rankings.proxies import seconds_spent
from trueshot.strategies.rankings.top import found_curves
from trueshot.strategies.setup import environment

if TYPE_CHECKING:
    from trueshot.strategies.rankings.ranking import Ranking

Column = Float64[np.ndarray, " n"]

_POINTS = 60
"""Points of a drawn curve."""


def assemble(
    ranking: Ranking,
    supernets: Sequence[pd.DataFrame],
    records: Sequence[Mapping[str, Any]],
    baselines: Mapping[str, tuple[Int64[np.ndarray, " k"], Float64[np.ndarray, " k"], float]],
    others: Mapping[str, tuple[Column, float]],
    fusions: Mapping[str, Sequence[Columns]],
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return the head of the result and the table of all scores.

    Args:
        ranking: the ranking.
        supernets: scores by each supernet, a column for each evaluator that uses one.
        records: what each supernet's job returned.
        baselines: for each the positions of the architectures it scored, the scores and the seconds.
        others: scores and seconds of the evaluators that use no supernet.
        fusions: what the evaluators that add up several scores are made of, for each supernet.
    """
    truth, options = ranking.truth.values, ranking.config.ranking
    good = None if options.good is None else truth > options.good
    judge = Judge(ranking, truth, good)
    shared, names = {name for table in supernets for name in table.columns}, [part.kind for part in ranking.evaluators]
    means = {
        name: np.mean([table[name].to_numpy() for table in supernets], axis=0) if name in shared else others[name][0]
        for name in names
    }
    evaluators = {
        name: {
            **judge(np.arange(len(truth)), means[name]),
            "supernets": [judge.tau(table[name].to_numpy()) for table in supernets] if name in shared else [],
            "spread": _spread([judge.tau(table[name].to_numpy())["all"] for table in supernets])
            if name in shared
            else None,
            "seconds": float(np.sum([record["score_seconds"][name] for record in records]))
            if name in shared
            else others[name][1],
        }
        for name in names
    }
    main = means[names[0]]
    training = [float(record["train_seconds"]) for record in records]
    result = {
        "space": {**describe(ranking.context.space), "name": ranking.context.space.name},
        "dataset": _dataset(ranking),
        "architectures": len(truth),
        "good": None if good is None else {"above": options.good, "architectures": int(good.sum())},
        "sampler": describe_sampler(ranking.weights(0).sampler()) if supernets else None,
        "sharing": ranking.config.supernet.sharing.kind if supernets else None,
        "evaluators": evaluators,
        "baselines": {
            name: {**judge(positions, scores), "seconds": seconds}
            for name, (positions, scores, seconds) in baselines.items()
        },
        "differences": judge.differences(
            main,
            {
                **{name: (np.arange(len(truth)), means[name]) for name in names[1:]},
                **{name: (positions, scores) for name, (positions, scores, _) in baselines.items()},
            },
        ),
        "fusion": {name: _parts(judge, columns) for name, columns in fusions.items()},
        "fine_tuning": [record.get("fine_tuning", {}) for record in records],
        "proxies": {"seconds": seconds_spent(ranking)},
        "agreement": _agreement(ranking, supernets),
        "curve": _curve(ranking, judge, supernets, records),
        "pruning": _drawn(judge.pruning(main)),
        "found": found_curves(ranking, means, supernets, baselines),
        "improvement": _drawn(judge.improvement(main)),
        "cost_groups": judge.groups(main),
        "twins": _twins(ranking, truth, {name: means[name] for name in names}),
        "seconds": {
            "training": training,
            "sampling": [float(record["sampling_seconds"]) for record in records],
            "scoring": [float(sum(record["score_seconds"].values())) for record in records],
        },
        "environment": environment(ranking.context.device),
    }
    raw = {name: column for columns in fusions.values() for name, column in _raw(columns).items()}
    return result, _table(ranking, means, supernets, baselines, raw)


def _parts(judge: Judge, columns: Sequence[Columns]) -> dict[str, Any]:
    """Return tau by each part alone and by the others without it."""
    return {
        name: {
            "alone": judge.tau(np.mean([one.alone(name) for one in columns], axis=0)),
            "without": judge.tau(np.mean([one.fused(without=name) for one in columns], axis=0))
            if len(columns[0].scores) > 1
            else None,
        }
        for name in columns[0].scores
    }


def _raw(columns: Sequence[Columns]) -> dict[str, Column]:
    """Return the scores by each part, averaged over supernets."""
    return {name: np.mean([one.scores[name] for one in columns], axis=0) for name in columns[0].scores}


def _table(
    ranking: Ranking,
    means: Mapping[str, Column],
    supernets: Sequence[pd.DataFrame],
    baselines: Mapping[str, tuple[Int64[np.ndarray, " k"], Float64[np.ndarray, " k"], float]],
    parts: Mapping[str, Column],
) -> pd.DataFrame:
    """Return all scores, a row for each architecture: the means, each supernet's own, parts of sums, baselines."""
    truth = ranking.truth.values
    table = pd.DataFrame({"arch": [ranking.context.space.format(row) for row in ranking.truth.archs], "truth": truth})
    for name, mean in means.items():
        table[name] = mean
        for index, own in enumerate(supernets):
            if name in own:
                table[f"{name} ({index})"] = own[name].to_numpy()
    for name, (positions, scores, _) in baselines.items():
        column = np.full(len(truth), np.nan)
        column[positions] = scores
        table[name] = column
    return table.assign(**{name: column for name, column in parts.items() if name not in table})


def _dataset(ranking: Ranking) -> dict[str, Any]:
    dataset = ranking.context.images
    return {
        "name": dataset.name,
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "image_size": dataset.image_size,
        "classes": len(dataset.classes),
    }


def _spread(taus: Sequence[float | None]) -> dict[str, float] | None:
    """Return mean and standard deviation over supernets, which intervals over architectures do not hold."""
    known = [tau for tau in taus if tau is not None]
    if len(known) < 2:
        return None
    return {"n": len(known), "mean": float(np.mean(known)), "std": float(np.std(known, ddof=1))}


def _agreement(ranking: Ranking, supernets: Sequence[pd.DataFrame]) -> dict[str, float] | None:
    """Return how far the supernets agree with each other; ``None`` for less than two, or where it is undefined."""
    if len(supernets) < 2:
        return None
    scores = [table[ranking.shared[0].kind].to_numpy() for table in supernets]
    try:
        return dataclasses.asdict(self_consistency(scores=np.stack(scores)).mean)
    except CriteriaError:
        return None


def _curve(
    ranking: Ranking, judge: Judge, supernets: Sequence[pd.DataFrame], records: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return tau by the minutes that the training took, the end of the training last."""
    positions = ranking.curve_archs
    rows = []
    for number, epoch in enumerate(ranking.marks):
        points = [record["curve"][number] for record in records]
        each = [np.array(point["scores"]) for point in points]
        minutes = max(point["seconds"] for point in points) / 60
        rows.append(_point(judge, epoch, minutes, positions, each))
    if not rows:
        return []
    name = ranking.shared[0].kind
    each = [table[name].to_numpy()[positions] for table in supernets]
    minutes = max(float(record["train_seconds"]) for record in records) / 60
    return [*rows, _point(judge, ranking.config.supernet.recipe.epochs, minutes, positions, each)]


def _point(
    judge: Judge, epoch: int, minutes: float, positions: Int64[np.ndarray, " k"], each: Sequence[Column]
) -> dict[str, Any]:
    together = judge.tau(np.mean(each, axis=0), positions)
    alone = [judge.tau(scores, positions) for scores in each]
    return {"epoch": epoch, "minutes": minutes, "n": len(positions), "together": together, "supernets": alone}


def _twins(ranking: Ranking, truth: Column, scores: Mapping[str, Column]) -> dict[str, Any] | None:
    """Return how far isomorphic twins differ in truth and scores; ``None`` where the space knows of none."""
    if not ranking.context.space.rules:
        return None
    rule = ranking.context.space.rules[0]
    _, labels = np.unique(ranking.context.space.canonical(ranking.truth.archs, rule), axis=0, return_inverse=True)
    labels = labels.reshape(-1)
    if len(np.unique(labels)) == len(labels):
        return None
    columns = {"truth": truth, **scores}
    return {
        "rule": rule,
        "classes": len(np.unique(labels)),
        "std": {name: mean_group_std(values=values, labels=labels) for name, values in columns.items()},
        "rank_std": {name: mean_group_rank_std(values=values, labels=labels) for name, values in columns.items()},
    }


def _drawn(curve: Mapping[str, Any]) -> dict[str, Any]:
    """Return a curve as plain lists, what is undefined as ``None``."""
    return {
        key: [None if isinstance(v, float) and np.isnan(v) else v for v in values.tolist()]
        if isinstance(values, np.ndarray)
        else values
        for key, values in curve.items()
    }
