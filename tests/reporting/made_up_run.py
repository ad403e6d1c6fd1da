"""A finished run of made-up numbers on a small real space."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trueshot.core.cache import EvaluationCache
from trueshot.core.files import write_json
from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.core.run import RunDirectory
from trueshot.criteria.bootstrap import difference_interval
from trueshot.criteria.pareto import pareto_front
from trueshot.spaces import Space, Topology
from trueshot.spaces.description import describe
from trueshot.spaces.offtheshelf import MobileNetV2, scale_to_madds

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TESTS = 360


def small_space() -> Topology:
    return Topology(
        image_size=8, classes=10, in_channels=1, nodes=(2, 2, 2), widths=(16, 24, 32), stem_stride=1, head_width=128
    )


def accuracy(top1: float, rng: np.random.Generator, classes: int = 10) -> Accuracy:
    per_class = tuple(np.clip(top1 + rng.normal(0, 0.02, classes), 0, 1).tolist())
    return Accuracy(
        n=TESTS,
        top1=top1,
        top5=min(1.0, top1 + 0.02),
        balanced=float(np.mean(per_class)),
        per_class=per_class,
        loss=0.1,
    )


def networks(space: Space, archs: Any, scores: Any, madds: Any, budget: int, runs: int) -> list[NetworkRecord]:
    rng = np.random.default_rng(1)
    inside = np.flatnonzero(madds <= budget)
    front = inside[pareto_front(cost=madds[inside], score=scores[inside])]
    picks = [("winner", "best", index) for index in front[::-1][:runs]]
    picks += [("random", "random", index) for index in rng.choice(inside[madds[inside] > 0.8 * budget], runs)]
    found = []
    for place, (role, prefix, index) in enumerate(picks):
        top1 = round((0.955 + 0.35 * (scores[index] - scores.mean()) + rng.normal(0, 0.004)) * TESTS) / TESTS
        record = NetworkRecord(
            name=f"{prefix}-{place % runs + 1}",
            role=role,  # type: ignore[arg-type]
            budget=budget,
            seed=place,
            arch=space.format(archs[index]),
            params=int(space.cost(archs[[index]]).params[0]),
            madds=int(madds[index]),
            score=float(scores[index]),
            validation=None,
            test=accuracy(min(top1, 0.994), rng),
            seconds=float(rng.uniform(11, 16)),
        )
        found.append(record)
    plan = scale_to_madds(budget, MobileNetV2(image_size=8, classes=10, in_channels=1, reduction=2, head_width=128))
    found.append(
        replace(
            found[0],
            name="mobilenetv2",
            role="off-the-shelf",
            arch=None,
            score=None,
            madds=plan.madds,
            params=plan.params,
            test=accuracy(0.953, rng),
        )
    )
    return found


def build_run(path: Path, *, evaluations: int = 300, runs: int = 3, **dataset: Any) -> RunDirectory:
    space = small_space()
    rng = np.random.default_rng(0)
    config = {"data": "digits", "seed": 0, "space": describe(space), "retrain": {"epochs": 30, "ema": 0.99}}
    run = RunDirectory.open(path, config, resume=False)
    archs = np.unique(space.sample(evaluations, rng), axis=0)
    madds = space.cost(archs).madds
    scores = 0.80 + 0.05 * np.log(madds / madds.min()) + rng.normal(0, 0.018, len(archs))
    cache = EvaluationCache(run.evaluations)
    cache.put("e1", archs, scores, madds=madds)
    cache.put("other", archs[:5], np.full(5, 9.0), madds=madds[:5])
    cache.flush()
    budget = int(np.quantile(madds, 0.7))
    records = networks(space, archs, scores, madds, budget, runs)
    for name, epochs in (("supernet", 40), ("sgld", 6), *((f"network-{r.name}", 30) for r in records)):
        write_log(run.log(name), epochs, rng, start=2.3 if name != "sgld" else 0.36)
    winners = [r.test.top1 for r in records if r.role == "winner" and r.test]
    others = [r.test.top1 for r in records if r.role == "random" and r.test]
    interval = difference_interval(np.array(winners), np.array(others))
    write_json(
        run.result,
        {
            "dataset": {
                "name": "digits",
                "classes": list(CLASSES),
                "train": 1077,
                "validation": 360,
                "test": TESTS,
                "image_size": 8,
                "channels": 1,
                "notes": ["2 images could not be read and were skipped"],
                "imbalanced": False,
                **dataset,
            },
            "space": {**describe(space), "name": space.name},
            "evaluator": "mean accuracy over 6 SGLD samples",
            "digest": "e1",
            "evaluated": len(archs),
            "budgets": [budget],
            "networks": [record.to_json() for record in records],
            "comparison": {
                "metric": "top1",
                "winners": winners,
                "random": others,
                "difference": float(np.mean(winners) - np.mean(others)),
                "low": interval.low if interval else None,
                "high": interval.high if interval else None,
                "level": 0.95,
                "n": [len(winners), len(others)],
            },
            "timings": {"supernet": 61.2, "sgld": 9.8, "search": 44.0, "retrain": 87.5, "total": 204.1},
            "environment": {
                "python": "3.12.4", "torch": "2.11.0", "trueshot": "0.1.0", "device": "cpu",
                "cpu": "a processor", "threads": 2, "gpu": None,
            },
        },
    )  # fmt: skip
    return run


def write_log(path: Path, epochs: int, rng: np.random.Generator, start: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for epoch in range(epochs):
        loss = 0.05 + (start - 0.05) * np.exp(-4.5 * epoch / 40) * np.exp(rng.normal(0, 0.03))
        rows.append({"epoch": epoch, "loss": float(loss), "accuracy": 0.9, "lr": 0.1, "seconds": 1.5})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
