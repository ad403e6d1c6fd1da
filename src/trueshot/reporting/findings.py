"""What a finished run found, read from its directory, and the few numbers the report says about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float64

from trueshot.core.errors import ConfigError, CriteriaError, RunError
from trueshot.core.files import read_json
from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.core.run import RunDirectory, read_log
from trueshot.criteria.bootstrap import Interval, proportion_difference_interval, proportion_interval
from trueshot.criteria.correlation import kendall_tau
from trueshot.spaces import Space
from trueshot.spaces.description import rebuild

LEAST_FOR_TAU = 3


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that the report shows.

    Attributes:
        config: of the run; ``result``: what the strategy wrote of its own.
        networks: every network trained from scratch.
        space: ``None`` when its class cannot be imported here; drawings are then left out.
        scores: of every architecture that the search evaluated, higher is better; ``madds``: their costs.
        logs: rows of one epoch each, by name of the log; absent logs have no rows.
    """

    config: dict[str, Any]
    result: dict[str, Any]
    networks: tuple[NetworkRecord, ...]
    space: Space | None
    scores: Float64[np.ndarray, " n"]
    madds: Float64[np.ndarray, " n"]
    logs: dict[str, list[dict[str, Any]]]

    def of_role(self, role: str) -> list[NetworkRecord]:
        """Return the networks of one role."""
        return [network for network in self.networks if network.role == role]

    @property
    def best(self) -> NetworkRecord:
        """The winner that the run itself would choose; its test images have no say in it."""
        winners = self.of_role("winner")
        if all(network.validation is not None for network in winners):
            return max(winners, key=lambda network: network.validation.top1 if network.validation else 0.0)
        return max(winners, key=lambda network: -np.inf if network.score is None else network.score)

    @property
    def chosen_by(self) -> str:
        """How :attr:`best` was chosen, for people."""
        validated = all(network.validation is not None for network in self.of_role("winner"))
        return "accuracy on validation images" if validated else "predicted score"

    @property
    def shelf(self) -> NetworkRecord | None:
        """The off-the-shelf network of like cost to the best winner."""
        candidates = self.of_role("off-the-shelf")
        return min(candidates, key=lambda network: abs(network.madds - self.best.madds), default=None)

    @property
    def predicted(self) -> list[tuple[NetworkRecord, float, float]]:
        """Networks of the space with the score predicted and the test accuracy reached."""
        return [(n, n.score, n.test.top1) for n in self.networks if n.score is not None and n.test is not None]

    @property
    def tau(self) -> float | None:
        """Kendall's tau of score and test accuracy; ``None`` for fewer than three networks or constant columns."""
        pairs = self.predicted
        if len(pairs) < LEAST_FOR_TAU:
            return None
        try:
            return kendall_tau(
                predicted=np.array([score for _, score, _ in pairs]), true=np.array([true for _, _, true in pairs])
            )
        except CriteriaError:
            return None


def read_findings(run: RunDirectory) -> Findings:
    """Read a finished run.

    Raises:
        RunError: when the run has not finished, or a file of it is damaged.
    """
    if not run.result.is_file():
        raise RunError(f"{run.path} has no result yet: finish its search by the same command with --resume")
    result = read_json(run.result)
    try:
        networks = tuple(NetworkRecord.from_json(content) for content in result["networks"])
        description, digest = result["space"], result["digest"]
        for key in ("dataset", "evaluator", "evaluated", "budgets", "comparison", "timings", "environment"):
            result[key]
    except (KeyError, TypeError) as error:
        raise RunError(f"{run.result} is incomplete ({error}): repeat the search with --resume") from error
    untested = [network.name for network in networks if network.test is None]
    if untested or not any(network.role == "winner" for network in networks):
        what = f"{untested[0]} has not been tested" if untested else "no winner has been trained"
        raise RunError(f"{run.path}: {what} yet: finish the search by the same command with --resume")
    try:
        space: Space | None = rebuild({"class": description["class"], "arguments": description["arguments"]})
    except ConfigError:
        space = None
    scores, madds = _read_evaluations(run, digest, space)
    names = ["supernet", "sgld", *(f"network-{network.name}" for network in networks)]
    return Findings(
        config=run.config,
        result=result,
        networks=networks,
        space=space,
        scores=scores,
        madds=madds,
        logs={name: read_log(run.log(name)) for name in names},
    )


def _read_evaluations(
    run: RunDirectory, digest: str, space: Space | None
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Return scores and MAdds of what the evaluator of this run scored."""
    if not run.evaluations.is_file():
        raise RunError(f"{run.path} has no evaluations.parquet: finish its search by the same command with --resume")
    try:
        table = pq.ParquetFile(run.evaluations).read().to_pydict()
        chosen = [index for index, value in enumerate(table["digest"]) if value == digest]
        scores, rows = table["score"], table["row"]
    except (OSError, pa.ArrowException, KeyError) as error:
        raise RunError(f"cannot read {run.evaluations} ({error}): delete it and repeat the search") from error
    if "madds" in table:
        madds = np.array([table["madds"][index] for index in chosen], dtype=np.float64)
    elif space is not None and chosen:
        archs = np.stack([np.frombuffer(rows[index], dtype=np.uint8) for index in chosen])
        madds = space.cost(archs).madds.astype(np.float64)
    else:
        madds = np.full(len(chosen), np.nan)
    found = np.array([scores[index] for index in chosen], dtype=np.float64)
    known = np.isfinite(madds) & np.isfinite(found)
    return found[known], madds[known]


def interval_of(accuracy: Accuracy) -> Interval:
    """Return the 95 % interval of top-1 over the choice of test images (Wilson)."""
    return proportion_interval(round(accuracy.top1 * accuracy.n), accuracy.n)


def difference_of(first: Accuracy, second: Accuracy) -> tuple[float, Interval]:
    """Return first minus second top-1 and its 95 % interval over the choice of test images (Newcombe)."""
    shares = [(round(accuracy.top1 * accuracy.n), accuracy.n) for accuracy in (first, second)]
    return first.top1 - second.top1, proportion_difference_interval(shares[0], shares[1])
