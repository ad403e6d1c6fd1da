"""What stands before the first step and after the last score: decoding, kept pixels, proxies beside a training.

``decoding``: JPEG files of CIFAR-10 by the package's decoder, on one thread and on two, against Pillow's.
``loading``: the data of a run the first time against later times, when pixels lie in the cache.
``overlap``: a ranking with zero-cost proxies by two workers, where they are computed beside the supernet's training,
against one worker, which computes them after it; on the wall, for overlapping saves no processor time.
All in turns in one process (``overlap``: commands in turns); the least of several times counts.

Run: ``TRUESHOT_DATA=DIR python benchmarks/startup.py [--part decoding loading overlap] [--repeats 3] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from machine import describe, headline, take_turns
from PIL import Image

from trueshot.core.random import Streams
from trueshot.spaces import NasBench201
from trueshot.training.data.cache import folder
from trueshot.training.data.decode import look, map_chunked
from trueshot.training.data.listing import Item
from trueshot.training.data.options import DataOptions
from trueshot.training.data.sources import list_source, load

IMAGES, LOADED = 4000, 10_000
ARCHITECTURES = 60


def decoding(repeats: int) -> dict[str, Any]:
    """Compare decoders on the same files."""
    images = list_source("cifar10").train.images
    files = [images.item(row) for row in range(IMAGES)]

    def pillow(row: int) -> np.ndarray:
        content = files[row]
        assert isinstance(content, bytes)
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image.convert("RGB"))

    def ours(row: int) -> np.ndarray | None:
        item: Item = files[row]
        return look(item, 64)[1]

    def all_by(decode: Callable[[int], Any], threads: int) -> Callable[[], object]:
        return lambda: map_chunked(decode, range(IMAGES), threads)

    calls = {
        "ours": all_by(ours, 1),
        "pillow": all_by(pillow, 1),
        "ours, 2 threads": all_by(ours, 2),
        "pillow, 2 threads": all_by(pillow, 2),
    }
    least = take_turns(calls, repeats)
    greatest = max(int(np.abs(pillow(row).astype(int) - ours(row)).max()) for row in range(IMAGES))
    found: dict[str, Any] = {"images": IMAGES, "greatest difference of a pixel": greatest}
    for name, (wall, processor) in least.items():
        found[name] = {"wall_us": round(1e6 * wall / IMAGES, 1), "cpu_us": round(1e6 * processor / IMAGES, 1)}
    found["ours / pillow, cpu"] = round(least["ours"][1] / least["pillow"][1], 3)
    return found


def loading(repeats: int) -> dict[str, Any]:
    """Compare loading with and without kept pixels; both must give the same images."""

    def read() -> torch.Tensor:
        images = load("cifar10", options=DataOptions(max_images=LOADED), streams=Streams(0)).train.images
        assert isinstance(images, torch.Tensor)
        return images

    with tempfile.TemporaryDirectory() as kept:
        os.environ["XDG_CACHE_HOME"] = kept

        def fresh() -> torch.Tensor:
            for file in folder().glob("*"):
                file.unlink()
            return read()

        same = torch.equal(fresh(), read())

        def timed(call: Callable[[], object]) -> tuple[float, float]:
            wall, processor = time.perf_counter(), time.process_time()
            call()
            return time.perf_counter() - wall, time.process_time() - processor

        first, again = zip(*[(timed(fresh), timed(read)) for _ in range(repeats)], strict=True)
    rows = {"first": tuple(map(min, zip(*first, strict=True))), "kept": tuple(map(min, zip(*again, strict=True)))}
    found: dict[str, Any] = {"images": LOADED, "equal": same}
    found |= {name: {"wall_s": round(row[0], 3), "cpu_s": round(row[1], 3)} for name, row in rows.items()}
    found["kept / first, cpu"] = round(rows["kept"][1] / rows["first"][1], 3)
    return found


def overlap(repeats: int) -> dict[str, Any]:
    """Compare a ranking of the digits by one worker and by two."""
    space = NasBench201(channels=8, cells=1, image_size=8, in_channels=1)
    rows = np.unique(space.sample(2 * ARCHITECTURES, 0), axis=0)[:ARCHITECTURES]
    seconds: dict[int, list[float]] = {1: [], 2: []}
    tables = []
    with tempfile.TemporaryDirectory() as there:
        truth = Path(there) / "truth.csv"
        values = np.arange(float(len(rows)))
        pd.DataFrame({"arch": [space.format(row) for row in rows], "acc": values}).to_csv(truth, index=False)
        for turn in range(repeats):
            for workers in seconds:
                out = Path(there) / f"{turn}-{workers}"
                start = time.perf_counter()
                subprocess.run(_ranking(truth, out, workers), check=True, capture_output=True)
                seconds[workers].append(round(time.perf_counter() - start, 2))
                tables.append(pd.read_parquet(out / "scores.parquet"))
    return {
        "architectures": len(rows),
        "equal": all(table.equals(tables[0]) for table in tables),
        "one worker": {"wall_s": min(seconds[1]), "all": seconds[1]},
        "two workers": {"wall_s": min(seconds[2]), "all": seconds[2]},
        "two / one, wall": round(min(seconds[2]) / min(seconds[1]), 3),
    }


def _ranking(truth: Path, out: Path, workers: int) -> list[str]:
    values = [
        "spaces={nasbench201: {channels: 8, cells: 1, affine: false}}",
        "data.image_size=8",
        "supernet.recipe={epochs: 12, batch_size: 64}",
        "fusion={zero_cost: {networks: {nasbench201: {channels: 8, cells: 1}}}}",
        "ranking={supernets: 1, curve: 0, bootstrap: 0}",
    ]
    command = [sys.executable, "-m", "trueshot", "rank", "--data", "digits", "--device", "cpu", "--truth", str(truth)]
    command += ["--column", "acc", "--out", str(out), "--workers", str(workers), "--baseline", "az-expressivity"]
    return [*command, "--baseline", "swap", *(word for value in values for word in ("--set", value))]


PARTS = {"decoding": decoding, "loading": loading, "overlap": overlap}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    machine = describe(("torch", "torchvision", "pillow", "numpy"), 1)
    print(headline(machine), flush=True)
    found = {}
    for name in options.part:
        found[name] = {"load": round(os.getloadavg()[0], 1), **PARTS[name](options.repeats)}
        print(name, found[name], flush=True)
    if options.json:
        result = {"schema": 1, "benchmark": "startup", "machine": machine, "parts": found}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
