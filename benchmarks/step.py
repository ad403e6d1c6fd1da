"""Time of a single-path training step against the same step of the sampled network built stand-alone.

Both run the same task code's parts on the same batch with the same optimizer, interleaved, architecture by
architecture; the ratio is the median over the architectures. Run: ``python benchmarks/step.py [--archs 50]``.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import Tensor

from trueshot.core.random import Streams
from trueshot.sampling import Uniform
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import Chain, Space, Topology
from trueshot.training.recipe import Recipe, cosine, make_sgd
from trueshot.training.standalone import NetworkTask, build
from trueshot.training.supernet import Loss, SupernetTask


def compare(space: Space, archs: int, batch: int, repeats: int) -> None:
    streams = Streams(0)
    recipe = Recipe(epochs=1000, batch_size=batch, lr=0.01, momentum=0.0)
    supernet = build(lambda: Supernet(space, single_path), streams, "cpu")
    assert isinstance(supernet, Supernet)
    optimizer = make_sgd(supernet, recipe)
    task = SupernetTask(supernet, Uniform(space), optimizer, cosine(optimizer, recipe, 100), Loss(), None, streams)
    images = torch.randn(batch, *space.input_shape).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, space.classes, (batch,))
    ratios, steps = [], []
    for index in range(archs):
        network = supernet.network(task.archs(index)[0]).to(memory_format=torch.channels_last)
        own = make_sgd(network, recipe)
        alone = NetworkTask(network, recipe, own, cosine(own, recipe, 100), Loss(), streams)
        alone.step(index, images, labels)
        shared_times, alone_times = [], []
        for _ in range(repeats):
            shared_times.append(clock(task, index, images, labels))
            alone_times.append(clock(alone, index, images, labels))
        ratios.append(statistics.median(shared_times) / statistics.median(alone_times))
        steps.append(1e3 * statistics.median(alone_times))
    print(
        f"{space.name:10s} batch {batch}: stand-alone step {statistics.median(steps):.1f} ms;"
        f" supernet / stand-alone = {statistics.median(ratios):.3f} (median of {archs} architectures,"
        f" quartiles {statistics.quantiles(ratios)[0]:.3f} to {statistics.quantiles(ratios)[2]:.3f})"
    )


def clock(task: SupernetTask | NetworkTask, index: int, images: Tensor, labels: Tensor) -> float:
    start = time.perf_counter()
    task.step(index, images, labels)
    return time.perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archs", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    small = {"image_size": 32, "classes": 10}
    topology = Topology(**small, stem_stride=2, nodes=(2, 3, 3), widths=(16, 32, 64), kernels=(3, 5), head_width=256)
    layers = ((24, 1), (24, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1))
    chain = Chain(**small, layers=layers, kernels=(3, 5), head_width=256)
    for space in (topology, chain):
        compare(space, options.archs, 64, options.repeats)
