"""NSGA-II's own share of a real search: of the evolution alone, and of the whole run.

Reads finished run directories, or without any makes one: the digits by their preset, with networks that are hardly
trained, which leaves the cost of an evaluation as it is. The proposer, the cache and its file count as NSGA-II's own;
the forward passes, BatchNorm recalibration included, are the evaluations. Goal: under 2 % of the search.

Run: ``python benchmarks/search.py [RUN ...] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import describe, headline

SHORT = (
    "supernet.recipe.epochs=2",
    "weight_sampling.samples=2",
    "retraining.recipe.epochs=1",
    "retraining.recipe.warmup_epochs=0",
)


def make_run(out: Path) -> Path:
    command = [sys.executable, "-m", "trueshot", "search", "--data", "digits", "--out", str(out)]
    for assignment in SHORT:
        command += ["--set", assignment]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the search failed with code {done.returncode}: {done.stderr.strip()}")
    return out


def shares(run: Path) -> dict[str, Any]:
    try:
        content = json.loads((run / "result.json").read_text())
        own, times = float(content["search_own_seconds"]), content["timings"]
        evaluated, phase, total = int(content["evaluated"]), float(times["search"]), float(times["total"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{run} holds no finished search: {error!r}") from error
    return {
        "evaluated": evaluated,
        "own_seconds": round(own, 3),
        "evolution_seconds": round(phase, 2),
        "total_seconds": round(total, 1),
        "share_of_evolution": round(own / phase, 4),
        "share_of_run": round(own / total, 5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run directories of finished searches")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    options = parser.parse_args()
    machine = describe(("torch", "numpy", "pymoo"), 1)
    machine.pop("threads")
    print(headline(machine), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        runs = options.runs or [make_run(Path(folder) / "digits")]
        rows = {run.name: shares(run) for run in runs}
    for name, row in rows.items():
        print(
            f"{name}: NSGA-II {row['own_seconds']:.2f} s for {row['evaluated']} architectures;"
            f" {row['share_of_evolution']:.1%} of the evolution's {row['evolution_seconds']:.1f} s,"
            f" {row['share_of_run']:.2%} of the run's {row['total_seconds']:.0f} s"
        )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        content = {"schema": 1, "benchmark": "search", "machine": machine, "runs": rows}
        options.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
