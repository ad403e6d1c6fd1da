"""The 3x3 average on a processor, as the package computes it, against PyTorch's own pooling; in turns in one process.

Of each tensor the average alone and with its gradient, by the depth-wise convolution and by ``nn.AvgPool2d``, whether
both are equal to the last bit, and whether the package takes the convolution there. Then scores and training steps of
a supernet whose averages are the package's against the same with PyTorch's. One thread; the least of several times
counts, of the processor, for what else runs only ever adds to a time.

Run: ``python benchmarks/pooling.py [--repeats 5] [--json FILE]``.
Goal: ratios of at most 1 wherever the convolution is taken.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from gpu_speed import scoring_of, step_of
from machine import describe, headline, take_turns
from torch import Tensor, nn

from trueshot.operations.pooling import AveragePool, convolution_wins, summed_and_divided
from trueshot.spaces import NasBench201

SHAPES = (
    (500, 8, 16, 16),
    (500, 16, 8, 8),
    (500, 32, 4, 4),
    (256, 8, 16, 16),
    (256, 16, 8, 8),
    (256, 16, 32, 32),
    (256, 32, 16, 16),
    (256, 64, 8, 8),
    (64, 16, 32, 32),
    (64, 32, 16, 16),
    (64, 8, 8, 8),
)
FORMATS = {"channels-last": torch.channels_last, "contiguous": torch.contiguous_format}
PLAIN = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


def tensors(shape: tuple[int, ...], memory_format: torch.memory_format, repeats: int) -> dict[str, Any]:
    """Compare both ways on one tensor."""
    draw = torch.Generator().manual_seed(0)
    given, gradient = (torch.randn(shape, generator=draw).contiguous(memory_format=memory_format) for _ in range(2))
    images = given.clone().requires_grad_()

    def both(pool: Callable[[Tensor], Tensor]) -> Tensor:
        (found,) = torch.autograd.grad(pool(images), images, gradient)
        return found

    with torch.no_grad():
        forward = take_turns({"ours": lambda: summed_and_divided(given), "plain": lambda: PLAIN(given)}, repeats)
        equal = torch.equal(summed_and_divided(given), PLAIN(given))
    backward = take_turns({"ours": lambda: both(summed_and_divided), "plain": lambda: both(PLAIN)}, repeats)
    return {
        "taken": convolution_wins(given),
        "equal": equal and torch.equal(both(summed_and_divided), both(PLAIN)),
        "average": _ratio(forward),
        "with gradient": _ratio(backward),
    }


def _ratio(least: dict[str, tuple[float, float]]) -> dict[str, float]:
    (ours, plain) = (least[name][1] for name in ("ours", "plain"))
    return {"ours_ms": round(1e3 * ours, 3), "plain_ms": round(1e3 * plain, 3), "ratio": round(ours / plain, 3)}


@contextlib.contextmanager
def plain_pooling() -> Iterator[None]:
    """Have all averages be PyTorch's own inside the block."""
    own = AveragePool.forward
    AveragePool.forward = nn.AvgPool2d.forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        AveragePool.forward = own  # type: ignore[method-assign]


def wholes() -> dict[str, Callable[[], object]]:
    """Return scores and steps by name: at the size of the preset ``rank-cpu``, and at the benchmark's width."""
    narrow = NasBench201(channels=8, cells=1, affine=False, image_size=16)
    wide = NasBench201(channels=16, cells=1, affine=False, image_size=32)
    return {
        "scoring 100 architectures, rank-cpu": scoring_of(narrow, "cpu", 500, 500, 100),
        "scoring 20 architectures, 16 channels": scoring_of(wide, "cpu", 250, 250, 20),
        "20 steps, batch 256, rank-cpu": _several(step_of(narrow, "cpu", 256), 20),
        "10 steps, batch 128, 16 channels": _several(step_of(wide, "cpu", 128), 10),
    }


def _several(step: Callable[[int], object], times: int) -> Callable[[], object]:
    """Return what makes the same steps each time, with the same architectures."""
    return lambda: [step(number) for number in range(times)]


def _plain(call: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        with plain_pooling():
            call()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    machine = describe(("torch", "numpy"), 1)
    print(headline(machine), flush=True)
    found: dict[str, Any] = {}
    for shape in SHAPES:
        for name, memory_format in FORMATS.items():
            case = f"{' x '.join(map(str, shape))}, {name}"
            found[case] = row = tensors(shape, memory_format, options.repeats)
            ratios = ", ".join(f"{key} {row[key]['ratio']:.2f}" for key in ("average", "with gradient"))
            print(f"{case:36s} taken {row['taken']!s:5s} equal {row['equal']!s:5s} {ratios}", flush=True)
    whole: dict[str, Any] = {}
    for case, call in wholes().items():
        whole[case] = _ratio(take_turns({"ours": call, "plain": _plain(call)}, options.repeats))
        print(f"{case:40s} {whole[case]['ratio']:.3f} of the time with PyTorch's pooling", flush=True)
    if options.json:
        result = {"schema": 1, "benchmark": "pooling", "machine": machine, "tensors": found, "whole": whole}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
