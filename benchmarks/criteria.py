"""Time every criterion on as many architectures as NAS-Bench-201 has, beside the plain way to compute it.

Run ``python benchmarks/criteria.py [--architectures 15625] [--repeats 7]``. Ours and the plain way take turns in one
run; medians are printed with the ratio plain / ours, after the two results were found to be equal. The plain ways are
loops over rows with the other index vectorised (O(n^2)), or SciPy and NumPy without our checks.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import scipy
from scipy import stats

from trueshot.criteria.correlation import kendall_tau, pairwise_accuracy, pearson, spearman
from trueshot.criteria.curves import improvement_curve, pruning_curve
from trueshot.criteria.groups import by_cost, mean_group_rank_std, mean_group_std
from trueshot.criteria.pareto import non_dominated
from trueshot.criteria.top import best_rank_at_k, precision_at_k

Case = tuple[str, Callable[[], object], str, Callable[[], object] | None]


def rowwise_tau(a: np.ndarray, b: np.ndarray) -> float:
    concordance = tied_a = tied_b = 0
    for i in range(len(a)):
        x, y = np.sign(a[i] - a[i + 1 :]), np.sign(b[i] - b[i + 1 :])
        concordance += int((x * y).sum())
        tied_a += int((x == 0).sum())
        tied_b += int((y == 0).sum())
    pairs = len(a) * (len(a) - 1) // 2
    return concordance / np.sqrt(float(pairs - tied_a) * float(pairs - tied_b))


def rowwise_pairwise(a: np.ndarray, b: np.ndarray) -> float:
    agreeing = sum(int(((a[i] >= a[i + 1 :]) == (b[i] >= b[i + 1 :])).sum()) for i in range(len(a)))
    return agreeing / (len(a) * (len(a) - 1) // 2)


def rowwise_front(points: np.ndarray) -> np.ndarray:
    keep = np.empty(len(points), dtype=bool)
    for i, point in enumerate(points):
        keep[i] = not ((points <= point).all(axis=1) & (points < point).any(axis=1)).any()
    return keep


def rescanned_improvement(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    ascending = b[np.argsort(-a, kind="stable")[::-1]]
    means = np.array([ascending[i:].mean() for i in range(len(a) - 9)])
    return (means - b.mean()) / (b.max() - b.mean())


def sorted_sets(a: np.ndarray, b: np.ndarray, k: float) -> float:
    count = int(k * len(a))
    best_a, best_b = (set(np.argsort(-column, kind="stable")[:count].tolist()) for column in (a, b))
    return len(best_a & best_b) / count


def looped_std(values: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean([values[labels == label].std() for label in np.unique(labels)]))


def cases(count: int) -> list[Case]:
    generator = np.random.default_rng(0)
    true = generator.normal(size=count).round(3)
    predicted = (true + generator.normal(size=count)).round(3)
    cost = true + generator.normal(size=count)
    labels = generator.integers(max(count * 2 // 5, 1), size=count)
    both = {"predicted": predicted, "true": true}
    points = np.stack([cost, -predicted], axis=1)
    top: dict[str, float] = {"k": 0.05}
    return [
        ("pearson", partial(pearson, **both), "scipy", lambda: stats.pearsonr(predicted, true).statistic),
        ("spearman", partial(spearman, **both), "scipy", lambda: stats.spearmanr(predicted, true).statistic),
        ("kendall_tau", partial(kendall_tau, **both), "O(n^2)", lambda: rowwise_tau(predicted, true)),
        ("pairwise_accuracy", partial(pairwise_accuracy, **both), "O(n^2)", lambda: rowwise_pairwise(predicted, true)),
        (
            "precision_at_k 5 %",
            partial(precision_at_k, **both, **top),
            "two sets",
            lambda: sorted_sets(predicted, true, **top),
        ),
        ("best_rank_at_k 5 %", partial(best_rank_at_k, **both, **top), "", None),
        ("by_cost, 10 groups", partial(by_cost, **both, cost=cost), "", None),
        (
            "mean_group_std",
            partial(mean_group_std, values=true, labels=labels),
            "loop",
            lambda: looped_std(true, labels),
        ),
        ("mean_group_rank_std", partial(mean_group_rank_std, values=true, labels=labels), "", None),
        (
            "improvement_curve",
            lambda: improvement_curve(**both).improvement,
            "rescan",
            lambda: rescanned_improvement(predicted, true),
        ),
        ("pruning_curve, 100 points", partial(pruning_curve, **both), "", None),
        ("non_dominated, 2 objectives", partial(non_dominated, points), "O(n^2)", lambda: rowwise_front(points)),
    ]


def timed(call: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architectures", type=int, default=15_625)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    print(
        f"{options.architectures} architectures, median of {options.repeats} (plain ways: at most 3); "
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}"
    )
    print(f"{'criterion':<30}{'ours ms':>10}{'plain ms':>11}{'ratio':>9}  plain way")
    for name, ours, how, plain in cases(options.architectures):
        mine, other = [], []
        for repeat in range(options.repeats):
            seconds, result = timed(ours)
            mine.append(seconds)
            if plain is not None and repeat < 3:
                seconds, expected = timed(plain)
                other.append(seconds)
                np.testing.assert_allclose(np.asarray(result, float), np.asarray(expected, float), atol=1e-9)
        line = f"{name:<30}{np.median(mine) * 1e3:>10.2f}"
        if other:
            line += f"{np.median(other) * 1e3:>11.1f}{np.median(other) / np.median(mine):>9.1f}  {how}"
        print(line)


if __name__ == "__main__":
    main()
