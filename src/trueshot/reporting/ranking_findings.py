"""What a finished ranking found, read from its directory, and the few numbers that the report computes from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float64, Int64

from trueshot.core.errors import CriteriaError, RunError
from trueshot.core.random import Streams
from trueshot.core.results import Result
from trueshot.core.run import RunDirectory
from trueshot.criteria.bootstrap import Interval, bootstrap
from trueshot.criteria.columns import Column, ranks
from trueshot.criteria.correlation import kendall_tau
from trueshot.criteria.curves import improvement_curve, pruning_curve

FREE = ("params", "madds")
"""Baselines that cost nothing, the first found is what a supernet must beat."""

_NEEDED: tuple[str, ...] = (
    "space",
    "dataset",
    "architectures",
    "good",
    "sampler",
    "sharing",
    "evaluators",
    "baselines",
    "agreement",
)
_NEEDED += ("curve", "pruning", "improvement", "cost_groups", "twins", "seconds", "environment")

_POINTS = 60


@dataclass(frozen=True)
class Value:
    """A criterion, with the ends of its interval where there is one."""

    value: float
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, figure: float | dict[str, float]) -> Value:
        """Read a figure of a summary: a plain number, or ``value``, ``low`` and ``high``."""
        if isinstance(figure, dict):
            return cls(figure["value"], figure["low"], figure["high"])
        return cls(float(figure))

    def times(self, factor: float) -> Value:
        """Return it in another unit."""
        ends = [None if end is None else factor * end for end in (self.low, self.high)]
        return Value(factor * self.value, *ends)


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """All that the report of a ranking shows.

    Attributes:
        config: of the run; ``result``: the head of its result.
        truth: of every architecture, ``(n,)``, higher is better.
        scores: by name of the evaluator, of the evaluator by one supernet (``NAME (INDEX)``) or of the baseline,
            ``(n,)``, NaN where a baseline gave none.
    """

    config: dict[str, Any]
    result: dict[str, Any]
    truth: Float64[np.ndarray, " n"]
    scores: dict[str, Float64[np.ndarray, " n"]]

    @property
    def main(self) -> str:
        """Name of the first evaluator, which the figures are about."""
        return str(next(iter(self.result["evaluators"])))

    @property
    def free(self) -> str | None:
        """Name of the baseline that costs nothing, ``None`` where none was asked for."""
        return next((name for name in FREE if name in self.result["baselines"]), None)

    @property
    def above(self) -> float | None:
        """Truth above which an architecture is a good one; ``None`` where nothing was said."""
        return None if self.result["good"] is None else float(self.result["good"]["above"])

    @property
    def supernets(self) -> list[Float64[np.ndarray, " n"]]:
        """Scores of each supernet alone by the main evaluator."""
        return [self.scores[f"{self.main} ({index})"] for index in range(len(self.evaluator(self.main)["supernets"]))]

    @property
    def rankings(self) -> tuple[str, ...]:
        """Names of all evaluators and baselines."""
        return (*self.result["evaluators"], *self.result["baselines"])

    @property
    def found(self) -> dict[str, Any] | None:
        """The best found after k look-ups, ``None`` where there is nothing to look up; older results have none."""
        found: dict[str, Any] | None = self.result.get("found")
        return found

    @property
    def short(self) -> dict[str, Any] | None:
        """The top by the main evaluator ordered by short trainings, ``None`` where none were asked for."""
        short: dict[str, Any] | None = self.result.get("short")
        return short

    def evaluator(self, name: str) -> dict[str, Any]:
        """Return the part of the result about an evaluator or a baseline."""
        return dict(self.result["evaluators"].get(name) or self.result["baselines"][name])

    def value(self, name: str, criterion: str, part: str = "all", k: str | None = None) -> Value | None:
        """Return a criterion of an evaluator or baseline, ``None`` where it is undefined or was not computed."""
        figure = self.evaluator(name).get(part, {}).get(criterion)
        if k is not None and figure is not None:
            figure = figure.get(k)
        return None if figure is None else Value.of(figure)

    @cached_property
    def lead(self) -> Value | None:
        """Kendall's tau of the main evaluator minus that of the free baseline, on the same resamples."""
        if self.free is None:
            return None
        ours, theirs = self.scores[self.main], self.scores[self.free]

        def difference(*, predicted: Column, true: Column) -> float:
            drawn = predicted.astype(np.int64)
            return kendall_tau(predicted=ours[drawn], true=true) - kendall_tau(predicted=theirs[drawn], true=true)

        rows, resamples = np.arange(len(self.truth)), int(self.config["ranking"]["ranking"]["bootstrap"])
        try:
            value = difference(predicted=rows, true=self.truth)
            if not resamples:
                return Value(value)
            generator = Streams(int(self.config["ranking"]["seed"])).numpy("report/lead")
            found: Interval = bootstrap(
                difference, predicted=rows, true=self.truth, resamples=resamples, generator=generator
            )
        except CriteriaError:
            return None
        return Value(value, found.low, found.high)

    def places(self, name: str) -> Int64[np.ndarray, " n"]:
        """Return the place of every architecture by a column of scores without gaps; 1 is the best."""
        return ranks(self.scores[name])

    def pruning_of(self, name: str) -> tuple[Column, Column]:
        """Return architectures left and tau among them, for a column of scores without gaps."""
        curve = pruning_curve(predicted=self.scores[name], true=self.truth, points=_POINTS)
        return curve.remaining, curve.value

    def improvement_of(self, name: str) -> tuple[Column, Column]:
        """Return architectures left and improvement among them, for a column of scores without gaps."""
        curve = improvement_curve(predicted=self.scores[name], true=self.truth)
        total = len(curve.remaining)
        kept = np.unique(total - np.geomspace(1, total, _POINTS).round().astype(np.int64))
        return curve.remaining[kept], curve.improvement[kept]


def read_ranking(run: RunDirectory) -> Ranking:
    """Read a finished ranking.

    Raises:
        RunError: when it has not finished, or a file of it is damaged.
    """
    if not run.result.is_file():
        raise RunError(f"{run.path} has no result yet: finish the ranking by the same command with --resume")
    config, result = run.config, dict(Result.read(run.result).head)
    missing = [key for key in _NEEDED if key not in result]
    if missing or not result["evaluators"]:
        what = missing[0] if missing else "evaluators"
        raise RunError(f"{run.result} is incomplete (no {what}): delete it and repeat the ranking with --resume")
    path = run.path / "scores.parquet"
    if not path.is_file():
        raise RunError(f"{run.path} has no scores.parquet: delete result.json and repeat the ranking with --resume")
    try:
        table = pq.ParquetFile(path).read()
        columns = {
            name: np.array(table.column(name).to_numpy(zero_copy_only=False), dtype=np.float64)
            for name in table.column_names
            if name != "arch"
        }
        truth = columns.pop("truth")
    except (OSError, ValueError, pa.ArrowException, KeyError) as error:
        raise RunError(f"cannot read {path} ({error}): delete it and result.json, and repeat with --resume") from error
    ranking = Ranking(config=config, result=result, truth=truth, scores=columns)
    wanted = [*result["evaluators"], *result["baselines"]]
    wanted += [f"{ranking.main} ({index})" for index in range(len(ranking.evaluator(ranking.main)["supernets"]))]
    for name in wanted:
        if name not in columns:
            raise RunError(f"{path} has no column '{name}': delete it and result.json, and repeat with --resume")
    return ranking
