"""Time the canonical forms of all 15,625 architectures of NAS-Bench-201, beside plain Python and the public package.

Run ``python benchmarks/canonical.py [--repeats 7]``. Every repeat starts without anything remembered, on one core; ours
and the others take turns and medians are printed, with the others' ratio to ours. Budgets: 0.1 s for ``nb201``, 0.5 s
for ``functional``. The public way (``to_unique_str`` of nats_bench, a code for each string without the least row) is
timed where that package is installed.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from trueshot.spaces import NasBench201
from trueshot.spaces.canonical import cells, classes, every

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "spaces" / "canonical"))
from cell_oracle import graph_code, string_code

BUDGETS = {"nb201": 0.1, "functional": 0.5}
ROWS = list(itertools.product(range(5), repeat=6))


def ours(space: NasBench201, rows: np.ndarray, rule: str) -> list[object]:
    classes._least.cache_clear()
    cells._nb201_units.cache_clear()
    return list(map(bytes, space.canonical(rows, rule)))


def plain(rule: str) -> list[object]:
    if rule == "nb201":
        return [string_code(row, hashes=True, skips=True) for row in ROWS]
    return [graph_code(row, distribute=True) for row in ROWS]


def public(strings: list[str]) -> Callable[[], list[object]] | None:
    try:
        structure = importlib.import_module("nats_bench.genotype_utils").topology_str2structure
    except ImportError:
        return None
    return lambda: [structure(text).to_unique_str(consider_zero=True) for text in strings]


def seconds(run: Callable[[], list[object]]) -> tuple[float, int]:
    start = time.perf_counter()
    found = run()
    return time.perf_counter() - start, len(set(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    space = NasBench201()
    rows = every(space)
    package = public([space.format(row) for row in rows])
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, n = {repeats}")
    for rule, budget in BUDGETS.items():
        runs: dict[str, Callable[[], list[object]]] = {"ours": lambda rule=rule: ours(space, rows, rule)}
        runs["plain Python"] = lambda rule=rule: plain(rule)
        if rule == "nb201" and package is not None:
            runs["nats_bench"] = package
        times: dict[str, list[float]] = {name: [] for name in runs}
        counts: set[int] = set()
        for _ in range(repeats):
            for name, run in runs.items():
                duration, count = seconds(run)
                times[name].append(duration)
                counts.add(count)
        if len(counts) != 1:
            raise SystemExit(f"{rule}: the ways disagree, {sorted(counts)} classes")
        middle = statistics.median(times["ours"])
        print(f"{rule}: {counts.pop()} classes; budget {budget} s")
        for name, values in times.items():
            print(
                f"  {name:13} {statistics.median(values):7.3f} s (from {min(values):.3f} to {max(values):.3f}),"
                f" {statistics.median(values) / middle:5.1f} times ours"
            )


if __name__ == "__main__":
    main()
