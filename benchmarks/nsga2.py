"""Time what NSGA-II itself takes of a search of the ST-NAS space: 990 evaluations, cache and its file included.

Run ``python benchmarks/nsga2.py [--repeats 5] [--evaluation-seconds 0.05 0.5 5]``. The evaluator costs next to nothing
and is not counted. Printed are the own seconds (median and range over seeds), without bounds and under several, and
their share of a search whose evaluations take as long as given.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from trueshot.core.cache import EvaluationCache
from trueshot.search.bounds import Bounds
from trueshot.search.extremes import cost_range
from trueshot.search.nsga2 import NSGA2
from trueshot.spaces import Topology
from trueshot.spaces.costs import standard_costs
from trueshot.strategies.asking import Asking, described


class Separable:
    """A score that costs next to nothing: the sum of a random value for each gene and option."""

    def __init__(self, space: Topology, seed: int) -> None:
        self.weights = np.random.default_rng(seed).normal(size=(len(space.options), int(space.options.max())))
        self.digest = f"separable {seed}"

    def __call__(self, archs: np.ndarray) -> np.ndarray:
        """Return the sums."""
        return self.weights[np.arange(len(self.weights)), archs].sum(axis=1)


def own_seconds(space: Topology, bounds: Bounds, seed: int) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as folder:
        asking = Asking(
            NSGA2(space, bounds=bounds, seed=seed),
            EvaluationCache(Path(folder) / "evaluations.parquet"),
            log=Path(folder) / "asked.jsonl",
            describe=described(space),
            batch=45,
        )
        history = asking.run(Separable(space, seed))
    return history.own_seconds, len(history)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--evaluation-seconds", type=float, nargs="+", default=[0.05, 0.5, 5.0])
    options = parser.parse_args()
    space = Topology()
    least, _ = cost_range(standard_costs(space), "madds")
    print(
        f"{options.repeats} seeds; {platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__},"
        f" pymoo {version('pymoo')}"
    )
    shares = "".join(f"{f'at {seconds:g} s':>12}" for seconds in options.evaluation_seconds)
    print(f"{'bounds':<36}{'own s':>8}{'range':>16}{shares}   share of the search, goal < 2 %")
    for bounds in (
        Bounds(),
        Bounds.of(max_madds=326_000_000),
        Bounds.of(max_madds=60_000_000),
        Bounds.of(min_madds=290_000_000, max_madds=300_000_000),
        Bounds.of(max_madds=least),
    ):
        runs = [own_seconds(space, bounds, seed) for seed in range(options.repeats)]
        times, evaluations = np.array([seconds for seconds, _ in runs]), runs[0][1]
        own = float(np.median(times))
        spread = f"{times.min():.2f} to {times.max():.2f}"
        parts = "".join(f"{own / (own + evaluations * seconds):>12.3%}" for seconds in options.evaluation_seconds)
        print(f"{bounds!s:<36}{own:>8.2f}{spread:>16}{parts}")


if __name__ == "__main__":
    main()
