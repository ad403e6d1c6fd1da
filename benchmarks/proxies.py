"""How long SWAP, AZ-NAS and NASWOT take for all functional classes of NAS-Bench-201 at full depth.

Some classes are drawn and scored, 16 channels, 5 cells a stage, on images of 16 pixels, one thread; the processor's
time is extrapolated to all 5,044. Beside it a plain loop over the same networks: built by the space, weights drawn by
layer, AZ-NAS by gradients of the whole network's parts, patterns by boolean matrices. A processor that is shared
between threads takes longer for the same: ``convolution`` says how fast a 3x3 convolution of 16 channels is meanwhile.

Run: ``OMP_NUM_THREADS=1 python benchmarks/proxies.py [--classes 36] [--json FILE]``.
Goal: at most 30 core-minutes, better 20.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe
from torch import nn
from torch.nn import functional as F

from trueshot.core.cache import EvaluationCache
from trueshot.core.random import Streams
from trueshot.evaluation.proxies.az import az
from trueshot.evaluation.zero_cost import ProxyImages, ProxyTable
from trueshot.spaces import NasBench201
from trueshot.spaces.canonical.classes import every

SPACE = NasBench201(image_size=16)
NAMES = ("swap", "az-expressivity", "az-progressivity", "az-trainability", "naswot")


def images() -> ProxyImages:
    """Return noise in place of images: they take as long."""
    generator = Streams(0).torch("images")
    pixels = torch.randn(64, *SPACE.input_shape, generator=generator).contiguous(memory_format=torch.channels_last)
    return ProxyImages(images=(pixels, torch.arange(64) % SPACE.classes))


def plain(row: np.ndarray, seen: ProxyImages) -> None:
    """Compute the same in the way of a script."""
    network = SPACE.network(row).train()
    az(network, torch.randn(64, *SPACE.input_shape), lambda _, shape: torch.randint(2, shape) * 2.0 - 1.0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight)
    found: list[torch.Tensor] = []
    handles = [
        module.register_forward_hook(lambda _, __, output: found.append((output > 0).flatten(1)))
        for module in network.modules()
        if isinstance(module, nn.ReLU)
    ]
    with torch.no_grad():
        network(seen.first(seen.swap))
        np.unique(np.packbits(torch.cat(found, dim=1).T.numpy(), axis=1), axis=0)
        found.clear()
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.reset_parameters()
        network(seen.first(seen.count))
        on = torch.cat(found, dim=1).double()
        torch.linalg.slogdet(on @ on.T + (1 - on) @ (1 - on).T)
    for handle in handles:
        handle.remove()


def timed(run: Callable[[], object]) -> float:
    """Return the processor's seconds."""
    start = time.process_time()
    run()
    return time.process_time() - start


def convolution() -> float:
    """Return GFLOP/s of a 3x3 convolution of 16 channels, over a tenth of a second."""
    x = torch.randn(64, 16, 16, 16).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(16, 16, 3, 3).contiguous(memory_format=torch.channels_last)
    operations = 2 * x.numel() * weight[0].numel()
    with torch.no_grad():
        return 100 * operations / timed(lambda: [F.conv2d(x, weight, padding=1) for _ in range(100)]) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--classes", type=int, default=36)
    parser.add_argument("--plain", type=int, default=6)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    classes = np.unique(SPACE.canonical(every(SPACE)), axis=0)
    rows = Streams(0).numpy("classes").choice(classes, options.classes + 2, replace=False)
    seen = images()
    table = ProxyTable(SPACE, NAMES, seen, Streams(0), EvaluationCache(None))
    for row in rows[:2]:
        table.computed(tuple(row.tolist()), NAMES)
    speeds, ours, scripts = [convolution()], [], []
    for number, row in enumerate(rows[2:]):
        ours.append(timed(lambda row=row: table.computed(tuple(row.tolist()), NAMES)))  # type: ignore[misc]
        if number < options.plain:
            scripts.append(timed(lambda row=row: plain(row, seen)))  # type: ignore[misc]
        speeds.append(convolution())
    each = np.array(ours)
    spread = float(each.std(ddof=1) / np.sqrt(len(each)))
    minutes = len(classes) / 60
    result: dict[str, Any] = {
        "machine": describe(("torch", "numpy"), 1),
        "classes": len(classes),
        "n": len(each),
        "seconds_each": float(each.mean()),
        "standard_error": spread,
        "core_minutes": float(each.mean()) * minutes,
        "plain_core_minutes": float(np.mean(scripts)) * minutes,
        "convolution_gflops": {"mean": float(np.mean(speeds)), "best": float(np.max(speeds))},
    }
    print(
        f"{result['core_minutes']:.1f} core-minutes (+- {2 * spread * minutes:.1f}), a plain loop"
        f" {result['plain_core_minutes']:.1f}; convolutions at {np.mean(speeds):.0f} GFLOP/s meanwhile"
    )
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
