"""Time of scoring an architecture against the bare forward passes that it needs.

The bare passes are those of the same architecture built stand-alone, its norms switched to training mode for the
recalibration batches outside the clock. Both take turns, group by group of as many architectures as a search scores in
a call; the least time of several repeats counts, and the ratio is the median over the groups. Time is that of the
processor, so that a busy machine disturbs less.

Run: ``python benchmarks/scoring.py [--archs 30] [--case chain-32] [--protocol reset adapt] [--json FILE]``.
Goal: at most 1.05.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe, headline
from torch import nn

from trueshot.core.random import Streams
from trueshot.evaluation import OneShot, Recalibration
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import Chain, Space, Topology
from trueshot.training.standalone import build

PROTOCOLS = (
    Recalibration(mode="running"),
    Recalibration(mode="reset", batches=1, batch_size=512),
    Recalibration(mode="reset", batches=20, batch_size=64),
    Recalibration(mode="adapt", batches=20, batch_size=64),
    Recalibration(mode="batch", batch_size=250),
)


@torch.inference_mode()
def bare(network: nn.Module, evaluator: OneShot) -> float:
    """Return the seconds of the forward passes alone."""
    norms = [module for module in network.eval().modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train(evaluator.recalibration.mode != "running")
    start = time.process_time()
    for images in evaluator.calibration:
        network(images)
    seconds = time.process_time() - start
    for norm in norms:
        norm.train(evaluator.recalibration.mode == "batch")
    start = time.process_time()
    for images, _ in evaluator.validation:
        network(images)
    return seconds + time.process_time() - start


def compare(space: Space, recalibration: Recalibration, archs: int, group: int, repeats: int) -> dict[str, Any]:
    streams = Streams(0)
    supernet = build(lambda: Supernet(space, single_path), streams, "cpu").eval()
    assert isinstance(supernet, Supernet)
    draw = streams.torch("images")
    images = torch.randn(1280, *space.input_shape, generator=draw)
    labels = torch.randint(space.classes, (1280,), generator=draw)
    validation = [(images[:250], labels[:250]), (images[250:500], labels[250:500])]
    evaluator = OneShot(supernet, validation, calibration=[(images, labels)], recalibration=recalibration)
    ratios, milliseconds = [], []
    for rows in np.array_split(space.sample(archs, streams.numpy("archs")), max(archs // group, 2)):
        networks = [supernet.network(row).to(memory_format=torch.channels_last) for row in rows]
        bare(networks[0], evaluator)
        ours, theirs = [], []
        for _ in range(repeats):
            start = time.process_time()
            evaluator(rows)
            ours.append(time.process_time() - start)
            theirs.append(sum(bare(network, evaluator) for network in networks))
        ratios.append(min(ours) / min(theirs))
        milliseconds.append(1e3 * min(theirs) / len(rows))
    low, middle, high = statistics.quantiles(ratios)
    milli = statistics.median(milliseconds)
    print(
        f"{space.name:8s} {space.image_size:3d} px  {name_of(recalibration):16s} {milli:8.1f} ms bare  "
        f" scoring / bare = {middle:.3f} (quartiles {low:.3f} to {high:.3f}, n = {archs})",
        flush=True,
    )
    quartiles = [round(low, 4), round(high, 4)]
    return {"n": archs, "bare_ms": round(milli, 2), "ratio": {"median": round(middle, 4), "quartiles": quartiles}}


def name_of(recalibration: Recalibration) -> str:
    """Return mode and batches in words, such as ``reset 20 x 64``."""
    return f"{recalibration.mode} {recalibration.batches} x {recalibration.batch_size}"


def cases() -> dict[str, Space]:
    """Return the spaces by name and pixels."""
    digits = {"image_size": 8, "classes": 10, "in_channels": 1, "stem_stride": 1, "kernels": (3, 5), "head_width": 96}
    small = {"image_size": 32, "classes": 10, "stem_stride": 2, "kernels": (3, 5), "head_width": 256}
    layers = ((24, 1), (24, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1))
    spaces: tuple[Space, ...] = (
        Topology(**digits, nodes=(2, 3, 2), widths=(12, 24, 40)),
        Topology(**small, nodes=(2, 3, 3), widths=(16, 32, 64)),
        Chain(**small, layers=layers, stem_width=16),
    )
    return {f"{space.name}-{space.image_size}": space for space in spaces}


def main() -> None:
    known = cases()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archs", type=int, default=30)
    parser.add_argument("--group", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", nargs="+", choices=tuple(known), default=list(known))
    modes = list(dict.fromkeys(protocol.mode for protocol in PROTOCOLS))
    parser.add_argument("--protocol", nargs="+", choices=modes, default=modes)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    machine = describe(("torch", "numpy"), 1)
    print(headline(machine), flush=True)
    found: dict[str, dict[str, Any]] = {}
    for name in options.case:
        found[name] = {}
        for protocol in (one for one in PROTOCOLS if one.mode in options.protocol):
            row = compare(known[name], protocol, options.archs, options.group, options.repeats)
            found[name][name_of(protocol)] = row
    if options.json:
        result = {"schema": 1, "benchmark": "scoring", "machine": machine, "cases": found}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
