"""The criteria of the scores of a ranking, over all architectures, the good ones, classes of twins and equal costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from trueshot.core.errors import CriteriaError
from trueshot.criteria.bootstrap import bootstrap_difference
from trueshot.criteria.correlation import kendall_tau
from trueshot.criteria.curves import improvement_curve, pruning_curve
from trueshot.criteria.groups import by_cost, class_tau, tau_within
from trueshot.criteria.summary import summarise
from trueshot.spaces.live import live_costs
from trueshot.strategies.fusing import full_depth

if TYPE_CHECKING:
    from trueshot.strategies.rankings.ranking import Ranking

Column = Float64[np.ndarray, " n"]

_POINTS = 60
"""Points of a drawn curve."""


class Judge:
    """Computes criteria over all architectures and over the good ones; intervals draw classes of twins."""

    def __init__(self, ranking: Ranking, truth: Column, good: Bool[np.ndarray, " n"] | None) -> None:
        self.ranking, self.truth, self.good = ranking, truth, good
        space, archs = ranking.context.space, ranking.truth.archs
        _, labels = np.unique(space.canonical(archs), axis=0, return_inverse=True)
        self.classes: Int64[np.ndarray, " n"] = labels.reshape(-1).astype(np.int64)
        self.live: Int64[np.ndarray, " n"] = live_costs(full_depth(ranking.context), archs).params

    @property
    def twins(self) -> bool:
        """Whether some of the architectures are twins."""
        return int(self.classes.max()) + 1 < len(self.classes)

    def __call__(self, positions: Int64[np.ndarray, " k"], scores: Column) -> dict[str, Any]:
        """Return all criteria; those of each class once and of pairs of equal live parameters stand beside."""
        truth = self.truth[positions]
        found = {"n": len(positions), "all": self._summary(scores, truth, positions)}
        if self.good is not None:
            among = self.good[positions]
            found["good"] = self._summary(scores[among], truth[among], positions[among])
        if self.twins:
            found["classes"] = self._figure(class_tau, scores, truth, self.classes[positions])
        found["equal_live_params"] = self._figure(tau_within, scores, truth, self.live[positions])
        return found

    def _summary(self, scores: Column, truth: Column, positions: Int64[np.ndarray, " k"]) -> dict[str, Any]:
        resamples = self.ranking.config.ranking.bootstrap or None
        generator = self.ranking.streams.numpy("ranking/bootstrap") if resamples else None
        classes = self.classes[positions] if self.twins else None
        try:
            found = summarise(predicted=scores, true=truth, bootstrap=resamples, generator=generator, classes=classes)
        except CriteriaError as error:
            return {"undefined": str(error)}
        return dict(found)

    def _figure(
        self, criterion: Callable[..., float], scores: Column, truth: Column, labels: Int64[np.ndarray, " k"]
    ) -> float | None:
        try:
            return criterion(predicted=scores, true=truth, labels=labels)
        except CriteriaError:
            return None

    def differences(self, main: Column, others: Mapping[str, tuple[Int64[np.ndarray, " k"], Column]]) -> dict[str, Any]:
        """Return tau by the main ranking minus tau by each other, on the architectures that both scored."""
        resamples = self.ranking.config.ranking.bootstrap
        found: dict[str, Any] = {}
        for name, (positions, scores) in others.items():
            found[name] = {}
            groups = {"all": positions}
            if self.good is not None:
                groups["good"] = positions[self.good[positions]]
            for group, there in groups.items():
                ours, theirs = main[there], scores[np.isin(positions, there)]
                found[name][group] = self._difference(ours, theirs, there, resamples)
        return found

    def _difference(
        self, ours: Column, theirs: Column, positions: Int64[np.ndarray, " k"], resamples: int
    ) -> dict[str, float] | None:
        truth = self.truth[positions]
        first, second = _tau(ours, truth), _tau(theirs, truth)
        if first is None or second is None:
            return None
        figure = {"value": first - second}
        if resamples:
            try:
                interval = bootstrap_difference(
                    kendall_tau,
                    first=ours,
                    second=theirs,
                    true=truth,
                    resamples=resamples,
                    generator=self.ranking.streams.numpy("ranking/bootstrap"),
                    classes=self.classes[positions] if self.twins else None,
                )
            except CriteriaError:
                return None
            figure |= {"low": interval.low, "high": interval.high}
        return figure

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
