"""Time and peak memory of supernet training when the C library keeps freed memory, against its default.

The training loop has it keep that after five steps (:func:`trueshot.core.allocator.keep_freed_memory`). Both sides are
processes of their own, which take turns and train the same architectures on the same batch; compared is the mean
processor time of a step, of the steps after the first third, for with other architectures every step needs other
blocks. Linux with glibc only.

Run: ``python benchmarks/allocator.py [--steps 60] [--repeats 3] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from machine import describe, headline, preset_space
from memory import MB, SETTLED, batch_for, map_code, start_of_peak, status, supernet_task

from trueshot.core.allocator import keep_freed_memory
from trueshot.spaces import NasBench201, Space
from trueshot.training.config import Recipe
from trueshot.training.task import TRAIN

CASES: dict[str, Any] = {
    "topology, 32 pixels": lambda: preset_space("small-cpu", "topology", 32),
    "chain, 32 pixels": lambda: preset_space("small-cpu", "chain", 32),
    "NAS-Bench-201, 32 pixels": lambda: NasBench201(),
    "NAS-Bench-201, rank-cpu": lambda: NasBench201(image_size=16, channels=8, cells=1),
}


def train(space: Space, steps: int, batch: int, *, keep: bool) -> dict[str, float]:
    """Return milliseconds of processor time and page faults of a step, and the peak in MB."""
    recipe = Recipe(epochs=1, batch_size=batch, lr=0.01, momentum=0.0)
    map_code(recipe)
    before = start_of_peak()
    images, labels = batch_for(space, batch)
    task = supernet_task(space, recipe)
    for index in range(steps):
        if index == steps // 3:
            started, faults = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        if keep and index == SETTLED and not keep_freed_memory():
            raise SystemExit("the C library of this machine cannot be told to keep freed memory")
        task.step(index, {TRAIN: (images, labels)})
    timed = steps - steps // 3
    return {
        "step_ms": 1e3 * (time.process_time() - started) / timed,
        "faults": (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults) / timed,
        "peak_mb": (status("VmHWM") - before) / MB,
    }


def child(name: str, how: str, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, f"--how={how}", f"--case={name}", f"--steps={options.steps}"]
    command.append(f"--batch={options.batch}")
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return found


def compare(name: str, options: argparse.Namespace) -> dict[str, Any]:
    rows: dict[str, list[dict[str, float]]] = {"default": [], "kept": []}
    for repeat in range(options.repeats):
        for how in sorted(rows, reverse=repeat % 2 == 1):
            rows[how].append(child(name, how, options))
    found: dict[str, Any] = {
        how: {key: round(statistics.median(row[key] for row in taken), 1) for key in taken[0]}
        for how, taken in rows.items()
    }
    for key, told in (("step_ms", "ratio_time"), ("peak_mb", "ratio_peak")):
        ratios = [kept[key] / plain[key] for kept, plain in zip(rows["kept"], rows["default"], strict=True)]
        found[told] = {
            "median": round(statistics.median(ratios), 3),
            "range": [round(f(ratios), 3) for f in (min, max)],
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60, help="architectures trained, one a step")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3, help="pairs of processes")
    parser.add_argument("--case", nargs="+", choices=tuple(CASES), default=list(CASES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    parser.add_argument("--how", choices=("default", "kept"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.how:
        space = CASES[options.case[0]]()
        print(json.dumps(train(space, options.steps, options.batch, keep=options.how == "kept")))
        return
    machine = describe(("torch", "numpy"), 1)
    print(headline(machine), flush=True)
    asked = {key: getattr(options, key) for key in ("batch", "steps", "repeats")}
    result: dict[str, Any] = {"schema": 1, "benchmark": "allocator", "machine": machine, **asked, "cases": {}}
    for name in options.case:
        result["cases"][name] = found = compare(name, options)
        print(
            f"{name:26s} time {found['ratio_time']}, peak {found['ratio_peak']}; default {found['default']},"
            f" kept {found['kept']}",
            flush=True,
        )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
