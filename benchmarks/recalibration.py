"""How much BatchNorm recalibration does a ranking need? Agreement with a thorough protocol, and cost.

Trains the supernet of a search preset (or goes on with the one in --out), scores random architectures by every
protocol and prints, against the reference of 20 batches of 128 with reset: Kendall's tau over all architectures and
over the better half by the reference, and the time of an architecture. All protocols but the reference take training
images that it does not, else shared images would make them agree; ``reset 20 x 128 again`` is therefore as much as can
be expected of any. A training set of fewer than 5,120 images is halved between the two and gone through repeatedly.

Run: ``python benchmarks/recalibration.py --data digits --out DIR [--archs 200] [--set supernet.recipe.epochs=40 ...]``;
``--supernet RUN`` takes the supernet of a finished search of the same data instead of training one.
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

from trueshot.cli.request import Request, prepare
from trueshot.cli.values import Said
from trueshot.core.errors import TrueshotError
from trueshot.core.observe import SILENT
from trueshot.core.run import RunDirectory
from trueshot.criteria.correlation import kendall_tau
from trueshot.evaluation import OneShot, Recalibration
from trueshot.evaluation.recalibration import Batch
from trueshot.sharing import Supernet
from trueshot.strategies.search import Search
from trueshot.strategies.supernet import SharedWeights, borrowed_snapshots
from trueshot.training.data.batches import eval_batches
from trueshot.training.snapshots import load_snapshot

REFERENCE = "reset 20 x 128"


def protocols() -> dict[str, tuple[Recalibration, str]]:
    """Return each protocol with the images it takes: plain, augmented as in training, or the reference's."""
    reset = {
        (20, 128),
        (10, 128),
        (5, 128),
        (2, 128),
        (1, 1024),
        (1, 512),
        (1, 256),
        (1, 128),
        (1, 64),
        (1, 32),
        (4, 32),
    }
    again = f"{REFERENCE} again"
    found = {REFERENCE: (Recalibration(mode="reset", batches=20, batch_size=128), "reference")}
    for n, size in sorted(reset, key=lambda pair: -pair[0] * pair[1]):
        name = again if (n, size) == (20, 128) else f"reset {n} x {size}"
        found[name] = Recalibration(mode="reset", batches=n, batch_size=size), "plain"
    for name in (again, "reset 1 x 512"):
        found[f"{name.removesuffix(' again')} augmented"] = found[name][0], "augmented"
    found["adapt 20 x 128"] = Recalibration(mode="adapt", batches=20, batch_size=128), "plain"
    found["running"] = Recalibration(mode="running"), "plain"
    for size in (500, 125, 32):
        found[f"batch {size}"] = Recalibration(mode="batch", batch_size=size), "plain"
    return found


def trained(options: argparse.Namespace) -> tuple[SharedWeights, Supernet]:
    """Return the weights' training and the trained supernet."""
    said = Said.of(None, {"source": options.data, "space": options.space, "seed": options.seed}, options.set)
    request = Request(
        said=said,
        out=options.out,
        resume=(options.out / "config.json").exists(),
        supernet=options.supernet,
        preset=options.preset,
        device=options.device,
        time_budget=None,
    )
    strategy = prepare(request, SILENT).strategy
    assert isinstance(strategy, Search)
    config, context = strategy.config, strategy.context
    assert config.supernet is not None
    weights = SharedWeights(context=context, config=config.supernet, sampling=config.weight_sampling)
    supernet = weights.make()
    if options.supernet is None:
        weights.train(supernet, weights.batches())
    else:
        supernet.load_state_dict(load_snapshot(borrowed_snapshots(context, RunDirectory.existing(options.supernet))[0]))
    return weights, supernet


def sources(weights: SharedWeights) -> dict[str, list[Batch]]:
    """Return 2,560 training images of each kind; of a smaller set all, in two halves for plain and reference."""
    images = weights.context.images
    plain = list(eval_batches(images.train, images, batch_size=128, device=weights.context.device))
    batches = weights.batches()
    half = min(20, len(plain) // 2)
    return {
        "plain": plain[:half],
        "reference": plain[half : 2 * half],
        "augmented": list(batches.iterate(0, max(20, 2560 // batches.batch_size))),
    }


def main(options: argparse.Namespace) -> None:
    weights, supernet = trained(options)
    images, context = sources(weights), weights.context
    validation = list(
        eval_batches(
            context.images.validation, context.images, batch_size=512, device=context.device, limit=options.images
        )
    )
    evaluators = {
        name: OneShot(supernet, validation, calibration=images[kind], recalibration=how, metric=options.metric)
        for name, (how, kind) in protocols().items()
    }
    archs = weights.sampler().sample(options.archs, context.streams.numpy("recalibration"))
    scores = {name: np.empty(len(archs)) for name in evaluators}
    seconds = dict.fromkeys(evaluators, 0.0)
    for start in range(0, len(archs), 10):
        part = slice(start, start + 10)
        for name, evaluator in evaluators.items():
            began = time.perf_counter()
            scores[name][part] = evaluator(archs[part])
            seconds[name] += time.perf_counter() - began
    reference = scores[REFERENCE]
    better = reference >= np.median(reference)
    machine = describe(("torch", "numpy"), torch.get_num_threads())
    result: dict[str, Any] = {
        "schema": 1,
        "benchmark": "recalibration",
        "machine": machine,
        "data": context.images.name,
        "space": context.space.name,
        "epochs": weights.config.recipe.epochs,
        "architectures": len(archs),
        "metric": options.metric,
        "images": sum(len(labels) for _, labels in validation),
        "protocols": {
            name: {
                "kendall_tau": round(kendall_tau(predicted=values, true=reference), 4),
                "better_half": round(kendall_tau(predicted=values[better], true=reference[better]), 4),
                "mean": round(float(values.mean()), 5),
                "std": round(float(values.std()), 5),
                "ms": round(1e3 * seconds[name] / len(archs), 2),
                "cost": round(seconds[name] / seconds[REFERENCE], 4),
            }
            for name, values in scores.items()
        },
    }
    show(result)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def show(result: dict[str, Any]) -> None:
    print(headline(result["machine"]))
    print(
        "{data}, {space}, {epochs} epochs, {architectures} architectures, {metric} on {images} images".format(**result)
    )
    print(
        f"{'protocol':26s} {'tau':>7s} {'tau, better half':>17s} {'mean':>8s} {'std':>8s} {'ms each':>9s} {'cost':>6s}"
    )
    for name, row in result["protocols"].items():
        print(
            f"{name:26s} {row['kendall_tau']:7.3f} {row['better_half']:17.3f} {row['mean']:8.4f} {row['std']:8.4f}"
            f" {row['ms']:9.1f} {row['cost']:6.3f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--space", default="topology")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--archs", type=int, default=200)
    parser.add_argument("--images", type=int, default=2000, help="validation images at most")
    parser.add_argument("--metric", choices=("accuracy", "loss"), default="accuracy")
    parser.add_argument("--preset")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--supernet", type=Path, metavar="RUN", help="a finished search whose supernet is taken")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    try:
        main(parser.parse_args())
    except TrueshotError as error:
        raise SystemExit(f"error: {error}") from error
