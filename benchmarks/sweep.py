"""Scoring many architectures together against the plain loop over them, one by one.

The plain loop is what a script would do: for each architecture, estimate BatchNorm statistics where the protocol asks
for it, then run the validation batches. It gets its batches decoded and normalised already. Both run in one process on
the same architectures with the same weights, in turns; the scores must be equal bit by bit. Of the plain loop some
architectures are timed, of ours all.

Run: ``python benchmarks/sweep.py [--channels 8] [--cells 1] [--pixels 16] [--images 100] [--json FILE]``.
Goal: at least 3 times on CPU for all architectures of NAS-Bench-201.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe, headline

from trueshot.core.random import Streams
from trueshot.evaluation import OneShot, Recalibration
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import NasBench201
from trueshot.spaces.canonical.classes import every
from trueshot.training.standalone import build

PROTOCOLS = {
    "batch": lambda images: Recalibration(mode="batch", batch_size=images),
    "running": lambda images: Recalibration(mode="running"),
    "reset": lambda images: Recalibration(mode="reset", batches=1, batch_size=images),
}


def compare(protocol: str, options: argparse.Namespace) -> dict[str, Any]:
    space = NasBench201(channels=options.channels, cells=options.cells, image_size=options.pixels, affine=False)
    streams = Streams(0)
    supernet = build(lambda: Supernet(space, single_path), streams, "cpu").eval()
    assert isinstance(supernet, Supernet)
    images = torch.randn(2 * options.images, *space.input_shape, generator=streams.torch("images"))
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(space.classes, (2 * options.images,), generator=streams.torch("labels"))
    first, second = slice(options.images), slice(options.images, None)
    evaluator = OneShot(
        supernet,
        [(images[first], labels[first])],
        calibration=[(images[second], labels[second])],
        recalibration=PROTOCOLS[protocol](options.images),
        metric="loss",
    )
    archs = every(space)
    some = Streams(1).numpy("some").choice(len(archs), options.plain, replace=False)
    evaluator(archs[some[:5]])
    parts = np.array_split(some, 4)
    # A quarter of the plain loop before and after each third of ours, so that both meet the same machine.
    alone, seconds_plain, scores, seconds_ours = np.empty(len(archs)), 0.0, np.empty(len(archs)), 0.0
    thirds = np.array_split(np.arange(len(archs)), 3)
    for number, part in enumerate(parts):
        began = time.process_time()
        for index in part:
            alone[index] = evaluator(archs[index : index + 1])[0]
        seconds_plain += time.process_time() - began
        if number < len(thirds):
            began = time.process_time()
            scores[thirds[number]] = evaluator(archs[thirds[number]])
            seconds_ours += time.process_time() - began
    assert np.array_equal(alone[some], scores[some]), "scores differ"
    plain, ours = len(some) / seconds_plain, len(archs) / seconds_ours
    return {"plain_per_s": round(plain, 2), "ours_per_s": round(ours, 2), "ratio": round(ours / plain, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--cells", type=int, default=1, help="cells of a stage")
    parser.add_argument("--pixels", type=int, default=16)
    parser.add_argument("--images", type=int, default=100, help="validation images, and calibration images")
    parser.add_argument("--plain", type=int, default=400, help="architectures timed in the plain loop")
    parser.add_argument("--protocols", nargs="+", default=list(PROTOCOLS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    machine = describe(("torch", "numpy"), 1)
    print(headline(machine), flush=True)
    asked = {key: getattr(options, key) for key in ("channels", "cells", "pixels", "images", "plain")}
    result: dict[str, Any] = {"schema": 1, "benchmark": "sweep", "machine": machine, **asked, "protocols": {}}
    for protocol in options.protocols:
        result["protocols"][protocol] = found = compare(protocol, options)
        print(
            f"{protocol:8s} plain loop {found['plain_per_s']:.1f} a second (n = {options.plain}), together"
            f" {found['ours_per_s']:.1f} (n = 15625): {found['ratio']:.2f} times",
            flush=True,
        )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
