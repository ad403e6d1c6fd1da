"""What rankings of NAS-Bench-201 are worth: fused ones, their parts and what costs nothing, on all three tables.

From tables of scores that ``trueshot rank`` wrote (``scores.parquet``): each column of a supernet's own scores, such as
``supernet+twins (0)``, is one run, fused with the zero-cost parts of ``--parts`` (columns ``swap``, ``az-expressivity``
and so on of any such table; live parameters are counted here). Every figure stands for half A, on which parts are
chosen, half B, and all rows; intervals draw classes of twins, and the spread over runs stands apart. The best found
after 1 to 100 look-ups, for which the column of 12 epochs stands, is told for every ranking, beside random search and
regularised evolution.

Run: ``python benchmarks/truth.py RUN/scores.parquet [...] --parts RUN/scores.parquet [--json FILE]``; the truth is
``nasbench201.parquet`` in ``$TRUESHOT_DATA``.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trueshot.core.errors import CriteriaError
from trueshot.core.random import Streams
from trueshot.core.tables import shared_file
from trueshot.criteria.bootstrap import bootstrap, bootstrap_difference, proportion_interval
from trueshot.criteria.correlation import kendall_tau
from trueshot.criteria.groups import class_tau, tau_within
from trueshot.criteria.halves import halves
from trueshot.criteria.lookups import best_found
from trueshot.criteria.top import precision_at_k, top_count
from trueshot.evaluation.fused import fuse
from trueshot.evaluation.proxies.names import ALIASES, AZ, COSTS, PROXIES
from trueshot.search.config import EvolutionConfig
from trueshot.search.evolution import Evolution
from trueshot.spaces import NasBench201
from trueshot.spaces.canonical.classes import positions
from trueshot.spaces.live import live_costs

SPACE = NasBench201()
TABLES = {"cifar10": 91.0, "cifar100": None, "imagenet16": None}
"""The tables of truth, and from which accuracy on an architecture is a good one."""

FUSED = ("supernet", "params-live", "swap", "az-expressivity")
ZERO_COST = FUSED[1:]
LOOKED_UP = (10, 30)
_RUN = re.compile(r"^(supernet|one-shot)(:\w+)?\+twins \(\d+\)$")


@dataclass(frozen=True)
class Scores:
    """All architectures with their truth, the zero-cost parts and the scores of each supernet.

    Attributes:
        frame: the table of truth.
        rows: the architectures, in its order.
        parts: zero-cost scores by name.
        runs: scores of each supernet, averaged over twins.
    """

    frame: pd.DataFrame
    rows: np.ndarray
    parts: Mapping[str, np.ndarray]
    runs: Sequence[np.ndarray]

    @cached_property
    def classes(self) -> np.ndarray:
        """Class of twins of each architecture."""
        return positions(SPACE, SPACE.canonical(self.rows))

    @cached_property
    def subsets(self) -> dict[str, np.ndarray]:
        """Positions of halves A and B, and of all."""
        numbers, class_of = np.unique(self.classes, return_inverse=True)
        firsts = {number: index for index, number in enumerate(self.classes)}
        strings = [SPACE.format(SPACE.canonical(self.rows[firsts[number]][None])[0]) for number in numbers]
        in_b = halves([strings[index] for index in class_of])
        return {"A": np.flatnonzero(~in_b), "B": np.flatnonzero(in_b), "all": np.arange(len(self.rows))}

    @cached_property
    def reference(self) -> np.ndarray:
        """Positions of the fixed sample that ranks are counted among."""
        drawn = SPACE.sample(1000, Streams(0).numpy("fusion/reference"))
        order = np.argsort(positions(SPACE, self.rows))
        return order[np.searchsorted(positions(SPACE, self.rows)[order], positions(SPACE, drawn))]

    def fused(self, names: Sequence[str], run: np.ndarray | None) -> np.ndarray:
        """Return the sum over parts of the logarithms of the ranks; ``supernet`` is the run's."""
        columns = {name: run if name == "supernet" else self.parts[name] for name in names}
        whole = {name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}
        return fuse(whole, {name: column[self.reference] for name, column in whole.items()})

    def rankings(self) -> Iterator[tuple[str, list[np.ndarray]]]:
        """Yield every ranking, once for each supernet where it depends on one."""
        known = set(self.parts)
        yield "params-live", [self.parts["params-live"]]
        for name in sorted(known - {"params-live"}):
            yield name, [self.parts[name]]
        yield "supernet", list(self.runs)
        for name, wanted in (("fused", FUSED), ("fused-zero-cost", ZERO_COST), ("az", AZ)):
            names = tuple(dict.fromkeys(ALIASES.get(part, part) for part in wanted))
            there = tuple(part for part in names if part in known or part == "supernet")
            if there != names:
                _note(f"{name} lacks {', '.join(sorted(set(names) - set(there)))}")
            runs: Sequence[np.ndarray | None] = self.runs if "supernet" in there else (None,)
            if len(there) > 1:
                yield name, [self.fused(there, run) for run in runs]
                for part in there:
                    rest = tuple(other for other in there if other != part)
                    inner: Sequence[np.ndarray | None] = runs if "supernet" in rest else (None,)
                    yield f"{name} without {part}", [self.fused(rest, run) for run in inner]


@cache
def _note(text: str) -> None:
    """Print a note, once."""
    print(f"note: {text}")


def read(files: Sequence[Path], parts: Path | None) -> Scores:
    """Read the truth and the scores."""
    frame = pd.read_parquet(shared_file(Path("nasbench201.parquet")))
    rows = np.stack([SPACE.parse(text) for text in frame["arch"]])
    live = live_costs(SPACE, rows)
    found = {"params-live": live.params.astype(float), "madds-live": live.madds.astype(float)}
    if parts is not None:
        table = pd.read_parquet(parts).set_index("arch").loc[frame["arch"]]
        zero_cost = [name for name in table if name in (*COSTS, *PROXIES) and table[name].notna().all()]
        found |= {name: table[name].to_numpy(dtype=float) for name in zero_cost}
    runs = []
    for file in files:
        table = pd.read_parquet(file).set_index("arch").loc[frame["arch"]]
        runs += [table[name].to_numpy(dtype=float) for name in table if _RUN.match(name)]
    return Scores(frame, rows, found, runs)


def figures(
    scores: Scores, ranked: Sequence[np.ndarray], truth: np.ndarray, good: float | None, n: int
) -> dict[str, Any]:
    """Return all figures of a ranking on one set of architectures: means over runs, and their spread."""
    live, classes = scores.parts["params-live"], scores.classes
    result: dict[str, Any] = {}
    for subset, chosen in scores.subsets.items():
        true, labels = truth[chosen], classes[chosen]
        each = [one[chosen] for one in ranked]
        taus = [kendall_tau(predicted=one, true=true) for one in each]
        middle = each[int(np.argsort(taus)[len(taus) // 2])]
        draws = {"resamples": n, "classes": labels}
        interval = bootstrap(kendall_tau, predicted=middle, true=true, generator=Streams(0).numpy("tau"), **draws)
        found: dict[str, Any] = {
            "n": len(true),
            "runs": len(each),
            "tau": {"mean": float(np.mean(taus)), "low": interval.low, "high": interval.high, "runs": taus},
            "std over runs": float(np.std(taus, ddof=1)) if len(taus) > 1 else None,
            "tau of classes": _mean([class_tau(predicted=one, true=true, labels=labels) for one in each]),
            "tau within equal live parameters": _within(each, true, live[chosen]),
        }
        if good is not None:
            among = true > good
            found["tau of the good"] = _mean([kendall_tau(predicted=one[among], true=true[among]) for one in each])
        count = top_count(0.01, len(true))
        shares = [precision_at_k(predicted=one, true=true, k=0.01) for one in each]
        hits = proportion_interval(round(float(np.mean(shares)) * count), count)
        found["P@1%"] = {"mean": float(np.mean(shares)), "low": hits.low, "high": hits.high}
        best = [true[np.argsort(-one, kind="stable")[:10]].mean() for one in each]
        found["mean of the ten best"] = _mean([float(value) for value in best])
        found["less live parameters"] = _difference(middle, live[chosen], true, draws)
        if scores.runs:
            found["less supernet"] = _difference(middle, scores.runs[0][chosen], true, draws)
        result[subset] = found
    return result


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _within(each: Sequence[np.ndarray], true: np.ndarray, live: np.ndarray) -> float | None:
    try:
        return _mean([tau_within(predicted=one, true=true, labels=live) for one in each])
    except CriteriaError:
        # The numbers of parameters themselves, and what follows from them.
        return None


def _difference(first: np.ndarray, second: np.ndarray, true: np.ndarray, draws: Mapping[str, Any]) -> dict[str, float]:
    interval = bootstrap_difference(
        kendall_tau, first=first, second=second, true=true, generator=Streams(0).numpy("difference"), **draws
    )
    value = kendall_tau(predicted=first, true=true) - kendall_tau(predicted=second, true=true)
    return {"value": value, "low": interval.low, "high": interval.high}


def looked_up(scores: Scores, dataset: str, draws: int) -> dict[str, Any]:
    """Return what short trainings find from each order, by half: the column of 12 epochs stands for them."""
    found: dict[str, Any] = {}
    for subset, chosen in scores.subsets.items():
        columns = {
            "short": scores.frame[f"{dataset}_valid_12"].to_numpy(dtype=float)[chosen],
            "true": scores.frame[f"{dataset}_test_200"].to_numpy(dtype=float)[chosen],
        }
        found[subset] = {}
        for name, ranked in _orders(scores, dataset, subset, draws):
            # Evolution has as many orders as there are draws already; that of chance is nothing but draws.
            each = {"evolution": 1, "random search": 10 * draws}.get(name, draws)
            curves = [
                best_found(predicted=one[chosen], generator=Streams(0).numpy("look-ups", run), draws=each, **columns)
                for run, one in enumerate(ranked)
            ]
            whole = np.concatenate([curve.each for curve in curves])
            middle = np.median([curve.median for curve in curves], axis=0)
            ends = {end: np.quantile(whole, share, axis=0) for end, share in (("low", 0.025), ("high", 0.975))}
            after = {
                f"after {count}": {"median": float(middle[count - 1])}
                | {end: float(values[count - 1]) for end, values in ends.items()}
                for count in LOOKED_UP
            }
            found[subset][name] = {"runs": len(ranked), "draws": each, **after, "curve": middle.tolist()}
    return found


def _orders(scores: Scores, dataset: str, subset: str, draws: int) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield every ranking, and the orders that others would look architectures up in; equals are ordered later."""
    live = scores.parts["params-live"]
    yield "random search", [np.zeros(len(live))]
    if subset == "all":
        # It asks for what it wants, in whichever half.
        short = scores.frame[f"{dataset}_valid_12"].to_numpy(dtype=float)
        yield "evolution", [_evolved(scores, short, seed) for seed in range(draws)]
    for name, ranked in scores.rankings():
        yield name, ranked
        if name in ("supernet", "fused", "fused-zero-cost", "az"):
            among = scores.subsets[subset]
            yield f"{name}, then params-live", [_then(one, live, among) for one in ranked]


def _then(first: np.ndarray, second: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return the best tenth by one ranking in the order of another, and all others below it."""
    found = second - np.ptp(second) - 1.0
    best = among[np.argsort(-first[among], kind="stable")[: len(among) // 10]]
    found[best] = second[best]
    return found


def _evolved(scores: Scores, short: np.ndarray, seed: int) -> np.ndarray:
    """Return the order in which regularised evolution asks for short trainings, as scores; each counts once."""
    search = Evolution(SPACE, config=EvolutionConfig(evaluations=200, population=20, sample=10, at_once=1), seed=seed)
    place = np.argsort(positions(SPACE, scores.rows))
    asked: list[int] = []
    while not search.finished:
        rows = search.ask(1)
        where = place[positions(SPACE, rows)]
        search.tell(rows, short[where])
        asked += where.tolist()
    found = np.full(len(short), -float(len(asked)))
    distinct = list(dict.fromkeys(asked))
    found[distinct] = -np.arange(len(distinct))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("scores", type=Path, nargs="+")
    parser.add_argument("--parts", type=Path)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--look-ups", action="store_true", help="nothing but the best found after k look-ups")
    options = parser.parse_args()
    scores = read(options.scores, options.parts)
    result: dict[str, Any] = {"supernets": len(scores.runs), "parts": sorted(scores.parts)}
    result |= {"tables": {}, "looked up": {}}
    for dataset, good in TABLES.items():
        truth = scores.frame[f"{dataset}_test_200"].to_numpy()
        judged = partial(figures, scores, truth=truth, good=good, n=options.resamples)
        short = [scores.frame[f"{dataset}_valid_12"].to_numpy(dtype=float)]
        table: dict[str, Any] = {}
        if not options.look_ups:
            table = {"12 epochs": judged(short), **{name: judged(ranked) for name, ranked in scores.rankings()}}
        result["tables"][dataset] = table
        result["looked up"][dataset] = looked_up(scores, dataset, options.draws)
        for name, found in table.items():
            told = {subset: f"{of['tau']['mean']:.3f}" for subset, of in found.items()}
            print(f"{dataset:11} {name:40} tau A {told['A']} B {told['B']} all {told['all']}", flush=True)
        for subset, orders in result["looked up"][dataset].items():
            for name, found in orders.items():
                first, second = (found[f"after {count}"]["median"] for count in LOOKED_UP)
                told = f"best found by 10 short trainings {first:.2f}, by 30 {second:.2f}"
                print(f"{dataset:11} {subset:4} {name:40} {told}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
