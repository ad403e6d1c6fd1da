"""What a ranking was worth: every criterion of every way of scoring, beside what costs nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64

from trueshot.core.errors import CriteriaError
from trueshot.criteria.consistency import self_consistency
from trueshot.criteria.correlation import kendall_tau
from trueshot.criteria.curves import improvement_curve, pruning_curve
from trueshot.criteria.groups import by_cost, mean_group_rank_std, mean_group_std
from trueshot.criteria.summary import summarise
from trueshot.sampling import describe_sampler
from trueshot.spaces.description import describe
from trueshot.strategies.setup import environment

if TYPE_CHECKING:
    from trueshot.strategies.ranking import Ranking

Column = Float64[np.ndarray, " n"]

_POINTS = 60
"""Points of a drawn curve."""


def assemble(
    ranking: Ranking,
    supernets: Sequence[pd.DataFrame],
    records: Sequence[Mapping[str, Any]],
    baselines: Mapping[str, tuple[Int64[np.ndarray, " k"], Float64[np.ndarray, " k"], float]],
    others: Mapping[str, tuple[Column, float]],
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return the head of the result and the table of all scores.

    Args:
        ranking: the ranking.
        supernets: scores by each supernet, a column for each evaluator that uses one.
        records: what each supernet's job returned.
        baselines: for each the positions of the architectures it scored, the scores and the seconds.
        others: scores and seconds of the evaluators that use no supernet.
    """
    truth, options = ranking.truth.values, ranking.config.ranking
    good = None if options.good is None else truth > options.good
    judge = _Judge(ranking, truth, good)
    shared, names = {part.kind for part in ranking.shared}, [part.kind for part in ranking.evaluators]
    means = {
        name: np.mean([table[name].to_numpy() for table in supernets], axis=0) if name in shared else others[name][0]
        for name in names
    }
    evaluators = {
        name: {
            **judge(np.arange(len(truth)), means[name]),
            "supernets": [judge.tau(table[name].to_numpy()) for table in supernets] if name in shared else [],
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
        "sampler": describe_sampler(ranking.weights(0).sampler()),
        "sharing": ranking.config.supernet.sharing.kind,
        "evaluators": evaluators,
        "baselines": {
            name: {**judge(positions, scores), "seconds": seconds}
            for name, (positions, scores, seconds) in baselines.items()
        },
        "agreement": _agreement([table[ranking.shared[0].kind].to_numpy() for table in supernets]),
        "curve": _curve(ranking, judge, supernets, records),
        "pruning": _drawn(judge.pruning(main)),
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
    return result, _table(ranking, means, supernets, baselines)


def _table(
    ranking: Ranking,
    means: Mapping[str, Column],
    supernets: Sequence[pd.DataFrame],
    baselines: Mapping[str, tuple[Int64[np.ndarray, " k"], Float64[np.ndarray, " k"], float]],
) -> pd.DataFrame:
    """Return all scores, a row for each architecture: the means, each supernet's own, the baselines'."""
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
    return table


def _dataset(ranking: Ranking) -> dict[str, Any]:
    dataset = ranking.context.images
    return {
        "name": dataset.name,
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "image_size": dataset.image_size,
        "classes": len(dataset.classes),
    }


class _Judge:
    """Computes criteria over all architectures and over the good ones."""

    def __init__(self, ranking: Ranking, truth: Column, good: Bool[np.ndarray, " n"] | None) -> None:
        self.ranking, self.truth, self.good = ranking, truth, good

    def __call__(self, positions: Int64[np.ndarray, " k"], scores: Column) -> dict[str, Any]:
        truth = self.truth[positions]
        found = {"n": len(positions), "all": self._summary(scores, truth)}
        if self.good is not None:
            among = self.good[positions]
            found["good"] = self._summary(scores[among], truth[among])
        return found

    def _summary(self, scores: Column, truth: Column) -> dict[str, Any]:
        resamples = self.ranking.config.ranking.bootstrap or None
        generator = self.ranking.streams.numpy("ranking/bootstrap") if resamples else None
        try:
            return dict(summarise(predicted=scores, true=truth, bootstrap=resamples, generator=generator))
        except CriteriaError as error:
            return {"undefined": str(error)}

    def tau(self, scores: Column, positions: Int64[np.ndarray, " k"] | None = None) -> dict[str, float | None]:
        """Return Kendall's tau over all and over the good ones, ``None`` where undefined."""
        chosen = np.arange(len(self.truth)) if positions is None else positions
        truth, found = self.truth[chosen], {"all": _tau(scores, self.truth[chosen])}
        if self.good is not None:
            among = self.good[chosen]
            found["good"] = _tau(scores[among], truth[among])
        return found

    def pruning(self, scores: Column) -> dict[str, Any]:
        """Return the correlation that is left when the truly worst are removed."""
        curve = pruning_curve(predicted=scores, true=self.truth, points=_POINTS)
        return {"remaining": curve.remaining, "kendall_tau": curve.value}

    def improvement(self, scores: Column) -> dict[str, Any]:
        """Return the improvement when those of the lowest scores are removed, thinned evenly in the logarithm."""
        try:
            curve = improvement_curve(predicted=scores, true=self.truth)
        except CriteriaError as error:
            return {"undefined": str(error)}
        total = len(curve.remaining)
        kept = np.unique(total - np.geomspace(1, total, _POINTS).round().astype(np.int64))
        return {"remaining": curve.remaining[kept], "improvement": curve.improvement[kept], "mean": curve.mean[kept]}

    def groups(self, scores: Column) -> list[dict[str, Any]]:
        """Return tau and rank difference in groups of like MAdds, cheapest first."""
        madds = self.ranking.context.space.cost(self.ranking.truth.archs).madds.astype(np.float64)
        count = min(10, len(madds) // 2)
        found = by_cost(predicted=scores, true=self.truth, cost=madds, groups=count)
        return [dataclasses.asdict(group) for group in found]


def _tau(scores: Column, truth: Column) -> float | None:
    try:
        return kendall_tau(predicted=scores, true=truth)
    except CriteriaError:
        return None


def _agreement(scores: Sequence[Column]) -> dict[str, float] | None:
    """Return how far the supernets agree with each other; ``None`` for one, or where it is undefined."""
    if len(scores) < 2:
        return None
    try:
        return dataclasses.asdict(self_consistency(scores=np.stack(scores)).mean)
    except CriteriaError:
        return None


def _curve(
    ranking: Ranking, judge: _Judge, supernets: Sequence[pd.DataFrame], records: Sequence[Mapping[str, Any]]
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
    judge: _Judge, epoch: int, minutes: float, positions: Int64[np.ndarray, " k"], each: Sequence[Column]
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
