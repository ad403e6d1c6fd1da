"""What inter-choice weights cost: training steps with them against plain ones (Table 1 of the inter-choice paper).

All variants take the same architectures on the same batch, in turns; the overhead is that of their summed least times,
which is what an epoch takes. On a GPU the memory of a step is compared too. Run:
``python benchmarks/interchoice.py [--device cuda --batch 256] [--archs 40] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import Times, describe, headline, take_turns
from torch import Tensor

from trueshot.core.random import Streams
from trueshot.sampling import Uniform
from trueshot.sharing import Attention, Bias, SharedBias, Sharing, Split, Supernet, single_path
from trueshot.spaces import Chain, NasBench201, Space
from trueshot.training.recipe import Recipe, make_sgd
from trueshot.training.standalone import build
from trueshot.training.supernet import Loss, StepOptions, SupernetTask

SHARINGS: dict[str, Sharing] = {
    "plain": single_path,
    "bias D=1": Bias(depth=1),
    "bias D=2": Bias(depth=2),
    "bias D=3": Bias(depth=3),
    "shared bias D=1": SharedBias(depth=1),
    "attention D=1": Attention(depth=1),
    "attention D=1, 2 layers": Attention(depth=1, layers=2),
    "split": Split(),
}
"""``split`` is timed after the split; the paper's times are of whole trainings, half or less of them split."""

PAPER = {
    "full": {"bias D=1": 24, "bias D=2": 25, "bias D=3": 32},
    "no_none": {"bias D=1": 18, "bias D=2": 26, "bias D=3": 38},
    "only_conv": {"bias D=1": 18, "bias D=2": 27, "bias D=3": 34},
    "chain": {"bias D=1": 1},
}
"""Per cent of time added, on a GTX 1080 Ti; for the shared bias the text says 38 to 128."""


def spaces() -> dict[str, Space]:
    cells = {
        name: NasBench201(cells=2, affine=False, skip="linear_transformer", sub_space=name)
        for name in ("full", "no_none", "only_conv")
    }
    return {**cells, "chain": Chain(image_size=64, classes=100)}


def make_task(space: Space, sharing: Sharing, device: str) -> SupernetTask:
    supernet = build(lambda: Supernet(space, sharing), Streams(0), device)
    assert isinstance(supernet, Supernet)
    optimizer = make_sgd(supernet, Recipe(epochs=1, lr=1e-4, momentum=0.9, weight_decay=3e-4))
    options = StepOptions(split_at=0 if isinstance(sharing, Split) else None)
    return SupernetTask(supernet, Uniform(space), optimizer, None, Loss(), None, Streams(0), options)


def step(task: SupernetTask, index: int, images: Tensor, labels: Tensor) -> None:
    loss, _ = task.step(index, images, labels)
    loss.item()  # waits for the device


def compare(name: str, space: Space, options: argparse.Namespace) -> dict[str, Any]:
    images = torch.randn(options.batch, *space.input_shape, device=options.device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, space.classes, (options.batch,), device=options.device)
    tasks = {kind: make_task(space, sharing, options.device) for kind, sharing in SHARINGS.items()}
    for task in tasks.values():
        step(task, 0, images, labels)
    rows: list[Times] = []
    for index in range(options.archs):
        calls: dict[str, Callable[[], object]] = {
            kind: partial(step, task, index or options.archs, images, labels) for kind, task in tasks.items()
        }
        rows.append(take_turns(calls, options.repeats))
    plain_peak = _peak(tasks["plain"], images, labels) if options.device == "cuda" else None
    found: dict[str, Any] = {"n": len(rows), "plain_ms": 1e3 * sum(row["plain"][0] for row in rows) / len(rows)}
    for kind in SHARINGS:
        if kind != "plain":
            added = {clock: _added(rows, kind, number) for number, clock in enumerate(("wall", "cpu"))}
            found[kind] = {**added, "paper": PAPER[name].get(kind)}
            if plain_peak is not None:
                found[kind]["memory"] = 100.0 * (_peak(tasks[kind], images, labels) / plain_peak - 1.0)
    return found


def _added(rows: list[Times], kind: str, clock: int) -> dict[str, float]:
    """Return the time added in per cent, with a 95 % bootstrap interval over architectures."""
    times = np.array([(row[kind][clock], row["plain"][clock]) for row in rows])
    drawn = np.random.default_rng(0).integers(0, len(times), (2000, len(times)))
    sums = times[drawn].sum(axis=1)
    low, high = np.percentile(100 * (sums[:, 0] / sums[:, 1] - 1), (2.5, 97.5))
    total = times.sum(axis=0)
    return {"added": float(100 * (total[0] / total[1] - 1)), "low": float(low), "high": float(high)}


def _peak(task: SupernetTask, images: Tensor, labels: Tensor) -> int:
    """Return the most memory that a step takes beyond what is allocated before it, and all weights of the task."""
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    step(task, 1, images, labels)
    weights = sum(p.numel() * p.element_size() for p in task.supernet.parameters())
    return torch.cuda.max_memory_allocated() - before + weights


def show(name: str, found: dict[str, Any]) -> None:
    for kind, row in found.items():
        if isinstance(row, dict):
            clocks = ", ".join(
                f"{clock} {row[clock]['added']:+.1f} % ({row[clock]['low']:+.1f} to {row[clock]['high']:+.1f})"
                for clock in ("wall", "cpu")
            )
            memory = f", memory {row['memory']:+.1f} %" if "memory" in row else ""
            paper = f"; paper {row['paper']:+d} %" if row["paper"] is not None else ""
            print(f"{name:10s} {kind:24s} {clocks}{memory}{paper}", flush=True)
    print(f"{name:10s} plain step {found['plain_ms']:.1f} ms on average over {found['n']} architectures", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archs", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--space", nargs="+", choices=tuple(PAPER), default=tuple(PAPER))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    machine = describe(("torch", "numpy"), options.threads)
    if options.device == "cuda":
        machine["gpu"] = torch.cuda.get_device_name()
    print(headline(machine), flush=True)
    result: dict[str, Any] = {"schema": 1, "benchmark": "interchoice", "batch": options.batch, "machine": machine}
    for name in options.space:
        result[name] = compare(name, spaces()[name], options)
        show(name, result[name])
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
