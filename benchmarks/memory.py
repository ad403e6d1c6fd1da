"""Peak memory of supernet training against what it cannot do without, on the processor.

A process of its own builds the supernet and its optimizer and trains random architectures, one a step. Its peak is the
high-water mark of resident memory (VmHWM of the kernel, set back by clear_refs) above what was resident after imports
and one step of a tiny network; that step maps the code of PyTorch's operators, which any training maps, and next to
nothing else stays of it. What it cannot do without is

  all weights and BatchNorm statistics + the optimizer's buffers
  + the most that gradients and activations of one sampled network take, among the architectures trained.

Gradients are as large as the network's weights. Activations are taken in three ways, which give three ratios:

Every process keeps freed memory after five steps, as the training loop does.

counted: the tensors that autograd keeps for the backward pass of the stand-alone network made of PyTorch's own modules,
  each storage once, weights not among them, the batch among them. What a backward pass needs for a moment, the work
  space of the convolutions and the holes between freed blocks count against us; that our ReLU6 keeps one tensor where
  PyTorch's keeps two counts for us. The goal is for this one.
frugal: the same with our ReLU6 in the stand-alone network, so that nothing counts for us.
measured: the peak of another process that trains the same networks stand-alone, our ReLU6 in them, one after another,
  less their weights. What any training pays counts on both sides; what the supernet adds is left.

Run: ``python benchmarks/memory.py [--steps 30] [--json FILE]``. Linux only. Goal: a ratio of at most 1.2.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from machine import describe, headline, plain, preset_space
from torch import Tensor, nn
from torch.nn import functional as F

from trueshot.core.allocator import keep_freed_memory
from trueshot.core.random import Streams
from trueshot.sampling import Uniform
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import Chain, Space
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.optimizers import make_optimizer
from trueshot.training.standalone import NetworkTask, build
from trueshot.training.supernet import SupernetTask
from trueshot.training.task import TRAIN

MB = 1e6
SETTLED = 5
"""Steps after which the training loop keeps freed memory."""


def status(key: str) -> int:
    """Return a value of this process' status in bytes, VmRSS for resident memory and VmHWM for its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(text for text in lines if text.startswith(key)).split()[1])


def start_of_peak() -> int:
    """Set the peak back to what is resident now and return that."""
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def size(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def weights(module: nn.Module) -> int:
    return size(module.state_dict().values())


def counted_activations(network: nn.Module, images: Tensor, labels: Tensor) -> int:
    """Return the bytes that autograd keeps for the backward pass of one step."""
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        # Detached, for an output kept by the very operation that made it would never be freed.
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        # What is kept lives as long as the loss, so that no address is used twice.
        loss = F.cross_entropy(network.train()(images), labels)
    del loss
    return sum(kept.values())


def supernet_task(space: Space, recipe: Recipe) -> SupernetTask:
    streams = Streams(0)
    supernet = build(lambda: Supernet(space, single_path), streams, "cpu")
    assert isinstance(supernet, Supernet)
    return SupernetTask(supernet, Uniform(space), make_optimizer(supernet, recipe), None, Loss(), None, streams)


def batch_for(space: Space, size: int) -> tuple[Tensor, Tensor]:
    images = torch.randn(size, *space.input_shape).contiguous(memory_format=torch.channels_last)
    return images, torch.randint(0, space.classes, (size,))


def map_code(recipe: Recipe) -> None:
    """Train one step of a tiny network."""
    space = Chain(image_size=8, classes=2, stem_width=8, fixed_width=8, layers=((8, 1),), kernels=(3,), head_width=8)
    supernet_task(space, recipe).step(0, {TRAIN: batch_for(space, 2)})


def train_shared(space: Space, recipe: Recipe, steps: int) -> dict[str, int]:
    """Return what the training of the supernet took in bytes."""
    map_code(recipe)
    before = start_of_peak()
    images, labels = batch_for(space, recipe.batch_size)
    task = supernet_task(space, recipe)
    for index in range(steps):
        if index == SETTLED:
            keep_freed_memory()
        task.step(index, {TRAIN: (images, labels)})
    peak = status("VmHWM") - before
    buffers = size(tensor for state in task.optimizer.state.values() for tensor in state.values() if tensor is not None)
    return {"peak": peak, "weights": weights(task.supernet), "buffers": buffers}


def train_alone(space: Space, recipe: Recipe, steps: int) -> dict[str, int]:
    """Return what the training of the same networks took in bytes, and the most that one of them needs."""
    map_code(recipe)
    streams = Streams(0)
    # The architectures are drawn as the supernet's training draws them; no weights of it are made here.
    archs = Uniform(space).sample(1024, streams.numpy("architectures", 0))[:steps]
    before = start_of_peak()
    images, labels = batch_for(space, recipe.batch_size)
    own = 0
    for index, arch in enumerate(archs):
        if index == SETTLED:
            keep_freed_memory()
        network = space.network(arch).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = make_optimizer(network, recipe)
        task = NetworkTask(network, recipe, optimizer, None, Loss(), streams)
        task.step(index, {TRAIN: (images, labels)})
        optimizer.zero_grad(set_to_none=True)
        own = max(own, weights(network) + size(network.parameters()) * (recipe.momentum > 0))
    peak = status("VmHWM") - before
    needs = frugal = 0
    for arch in archs:
        network = space.network(arch).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        gradients = size(network.parameters())
        frugal = max(frugal, counted_activations(network, images, labels) + gradients)
        needs = max(needs, counted_activations(plain(network), images, labels) + gradients)
    return {"peak": peak, "own": own, "needs": needs, "frugal": frugal}


def child(role: str, name: str, options: argparse.Namespace) -> dict[str, int]:
    passed = [f"--{key}={getattr(options, key)}" for key in ("steps", "batch", "momentum", "preset", "pixels")]
    command = [sys.executable, __file__, f"--role={role}", f"--space={name}", *passed]
    found: dict[str, int] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return found


def compare(name: str, options: argparse.Namespace) -> dict[str, Any]:
    shared, alone = child("shared", name, options), child("alone", name, options)
    fixed = shared["weights"] + shared["buffers"]
    return {
        "peak_mb": round(shared["peak"] / MB, 1),
        "weights_and_buffers_mb": round(fixed / MB, 1),
        "counted_mb": round(alone["needs"] / MB, 1),
        "frugal_mb": round(alone["frugal"] / MB, 1),
        "measured_mb": round((alone["peak"] - alone["own"]) / MB, 1),
        "ratio_counted": round(shared["peak"] / (fixed + alone["needs"]), 3),
        "ratio_frugal": round(shared["peak"] / (fixed + alone["frugal"]), 3),
        "ratio_measured": round(shared["peak"] / (fixed + alone["peak"] - alone["own"]), 3),
    }


def median(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    for key in ("ratio_counted", "ratio_frugal", "ratio_measured"):
        found[f"{key}_range"] = [min(row[key] for row in rows), max(row[key] for row in rows)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=30, help="architectures trained, one a step")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--momentum", type=float, default=0.0)
    parser.add_argument("--preset", default="small-cpu")
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--space", nargs="+", default=["topology", "chain"])
    parser.add_argument("--repeats", type=int, default=3, help="pairs of processes; the median is printed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    parser.add_argument("--role", choices=("shared", "alone"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.role:
        recipe = Recipe(epochs=1, batch_size=options.batch, lr=0.01, momentum=options.momentum)
        space = preset_space(options.preset, options.space[0], options.pixels)
        train = train_shared if options.role == "shared" else train_alone
        print(json.dumps(train(space, recipe, options.steps)))
        return
    machine = describe(("torch", "numpy"), 1)
    print(headline(machine), flush=True)
    asked = {key: getattr(options, key) for key in ("preset", "pixels", "batch", "momentum", "steps", "repeats")}
    result: dict[str, Any] = {"schema": 1, "benchmark": "memory", "machine": machine, **asked, "spaces": {}}
    for name in options.space:
        result["spaces"][name] = found = median([compare(name, options) for _ in range(options.repeats)])
        print(
            f"{name:10s} peak {found['peak_mb']:.0f} MB; weights and buffers {found['weights_and_buffers_mb']:.1f} MB;"
            f" gradients and activations {found['counted_mb']:.0f} MB counted, {found['frugal_mb']:.0f} MB frugal,"
            f" {found['measured_mb']:.0f} MB measured; ratio {found['ratio_counted']:.2f} counted"
            f" {found['ratio_counted_range']}, {found['ratio_frugal']:.2f} frugal {found['ratio_frugal_range']},"
            f" {found['ratio_measured']:.2f} measured {found['ratio_measured_range']}",
            flush=True,
        )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
