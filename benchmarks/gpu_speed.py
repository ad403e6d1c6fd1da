"""What ``gpu.py --part speed`` measures: a training step, pooling, scoring, and the loading of images."""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from trueshot.core.random import Streams
from trueshot.evaluation import OneShot
from trueshot.operations.pooling import AveragePool
from trueshot.sampling import Uniform
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import NasBench201
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.data.cache import folder
from trueshot.training.data.options import DataOptions
from trueshot.training.data.sources import load
from trueshot.training.optimizers import make_optimizer
from trueshot.training.plan import Plan
from trueshot.training.schedules import make_schedule
from trueshot.training.standalone import build
from trueshot.training.supernet import SupernetTask
from trueshot.training.task import TRAIN

Result = dict[str, Any]


def measurements(device: str) -> dict[str, Callable[[], Result]]:
    """Return what there is to measure by name; on a processor everything is small, to see that it runs."""
    small = device == "cpu"
    if small:
        torch.set_num_threads(1)
    batch, images = (32, 64) if small else (512, 10_000)
    found: dict[str, Callable[[], Result]] = {}
    for size in (batch, batch // 2):
        found[f"step, batch {size}"] = partial(step, device, size, small, True)
    found[f"step, batch {batch}, float32"] = partial(step, device, batch, small, False)
    found |= {f"pool, {pixels} pixels": partial(pool, device, batch, pixels) for pixels in (32, 16, 8)}
    for size in dict.fromkeys((images // 20 or 1, images // 4, images)):
        found[f"scoring, batches of {size}"] = partial(scoring, device, images, size, small)
    if "TRUESHOT_DATA" in os.environ:
        found["loading cifar10"] = loading
    return found


def _space(small: bool) -> NasBench201:
    return NasBench201(channels=8 if small else 16, cells=1 if small else 5, affine=False)


def step_of(space: NasBench201, device: str, batch: int, mixed: bool = False) -> Callable[[int], object]:
    """Return what trains a single-path supernet by a step; its number decides which architecture is drawn."""
    streams = Streams(0)
    supernet = build(lambda: Supernet(space, single_path), streams, device)
    recipe = Recipe(epochs=1000, batch_size=batch, lr=0.05, momentum=0.9, weight_decay=5e-4, clip=5.0)
    schedule = make_schedule(recipe, Plan(phase="step", steps=100 * recipe.epochs), 100)
    optimizer = make_optimizer(supernet, recipe)
    task = SupernetTask(supernet, Uniform(space), optimizer, schedule, Loss(), recipe.clip, streams)
    task._autocast = mixed and device == "cuda"
    images = torch.randn(batch, *space.input_shape, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(space.classes, (batch,), device=device)
    return lambda number: task.step(number, {TRAIN: (images, labels)})


def scoring_of(space: NasBench201, device: str, images: int, size: int, archs: int) -> Callable[[], object]:
    """Return what scores so many random architectures on images in batches of ``size``, with running statistics."""
    supernet = build(lambda: Supernet(space, single_path), Streams(0), device).eval()
    pixels = torch.randn(images, *space.input_shape, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(space.classes, (images,), device=device)
    precision = torch.bfloat16 if device == "cuda" else torch.float32
    evaluator = OneShot(supernet, zip(pixels.split(size), labels.split(size), strict=True), precision=precision)
    rows = space.sample(archs, Streams(1).numpy("archs"))
    return lambda: evaluator(rows)


def step(device: str, batch: int, small: bool, mixed: bool) -> Result:
    """Time training steps of a single-path supernet, and the kernels in them."""
    count, call = itertools.count(), step_of(_space(small), device, batch, mixed)
    return _timed(lambda: call(next(count)), device, 3 if small else 60)


def pool(device: str, batch: int, pixels: int) -> Result:
    """Time the 3x3 average and its gradient against a copy of the same tensor, which moves as much as each of both."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    shape = (batch, 16 * 32 // pixels, pixels, pixels)
    images = torch.randn(shape, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    images.requires_grad_()
    gradient, module = torch.randn_like(images), AveragePool()
    both = _timed(lambda: torch.autograd.grad(module(images), images, gradient), device, 20)
    copied = _timed(lambda: torch.empty_like(gradient).copy_(gradient), device, 20)
    key = "kernel_ms" if device == "cuda" else "ms"
    return {**both, "copies": round(both[key] / (2 * copied[key]), 2)}


def scoring(device: str, images: int, size: int, small: bool) -> Result:
    """Time scores of random architectures on validation images."""
    archs = 4 if small else 60
    found = _timed(scoring_of(_space(small), device, images, size, archs), device, 1)
    return {"per_s": round(1e3 * archs / found["ms"], 2), **found}


def loading() -> Result:
    """Time the decoding of CIFAR-10, the first time or from the cache where it was decoded before."""
    seconds = []
    before = set(folder().glob("decoded-*.npy"))
    for _ in range(2):
        start = time.perf_counter()
        load("cifar10", options=DataOptions(), streams=Streams(0))
        seconds.append(round(time.perf_counter() - start, 2))
    after = set(folder().glob("decoded-*.npy"))
    return {"s": seconds[0], "again_s": seconds[1], "kept_before": after == before}


def _timed(call: Callable[[], object], device: str, repeats: int) -> Result:
    """Return milliseconds of a call, median of three rounds; on a GPU also those of its kernels, and the largest."""
    for _ in range(min(repeats, 10)):
        call()
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    rounds = []
    for _ in range(3):
        wait()
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        wait()
        rounds.append(round(1e3 * (time.perf_counter() - start) / repeats, 3))
    found: Result = {"ms": statistics.median(rounds), "rounds_ms": rounds}
    if device != "cuda":
        return found
    repeats = min(repeats, 20)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(repeats):
            call()
        wait()
    kernels: dict[str, list[float]] = {}
    for event in profile.events():
        if event.device_type == torch.autograd.DeviceType.CUDA:
            kernels.setdefault(event.name[:100], []).append(event.time_range.elapsed_us() / 1e3)
    each = {name: sum(times) / repeats for name, times in kernels.items()}
    largest = sorted(each.items(), key=lambda pair: -pair[1])[:12]
    found["kernel_ms"] = round(sum(each.values()), 3)
    found["kernels"] = round(sum(map(len, kernels.values())) / repeats)
    found["largest"] = [[name, round(value, 3)] for name, value in largest]
    return found
