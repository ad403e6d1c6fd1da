"""A finished search of made-up numbers on a small real space."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.core.results import CostAxis, Front, Line, Networks, Result, Series, Text
from trueshot.core.run import RunDirectory
from trueshot.criteria.pareto import pareto_front
from trueshot.spaces import Space, Topology
from trueshot.spaces.description import describe
from trueshot.spaces.offtheshelf import MobileNetV2
from trueshot.spaces.widths import scale_width
from trueshot.strategies.finish.comparison import compare

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TESTS = 360
MADDS = CostAxis("madds", "MAdds", "MAdds")
PARAMS = CostAxis("params", "parameters", "parameters")


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
            costs={"madds": int(madds[index]), "params": int(space.cost(archs[[index]]).params[0])},
            score=float(scores[index]),
            validation=None,
            test=accuracy(min(top1, 0.994), rng),
            seconds=float(rng.uniform(11, 16)),
        )
        found.append(record)
    shelf = MobileNetV2(image_size=8, classes=10, in_channels=1, reduction=2, head_width=128)
    shelf = scale_width(shelf, lambda scaled: scaled.madds, budget)
    params = int(shelf.cost(shelf.sample(1, 0)).params[0])
    found.append(
        replace(
            found[0],
            name="mobilenetv2",
            role="off-the-shelf",
            arch="",
            score=None,
            costs={"madds": shelf.madds, "params": params},
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
    budget = int(np.quantile(madds, 0.7))
    records = networks(space, archs, scores, madds, budget, runs)
    best = np.argsort(-scores)[:12]
    head = {
        "strategy": "one-shot",
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
        "evaluated": len(archs),
        "costs": [asdict(MADDS), asdict(PARAMS)],
        "cost": "madds",
        "bounds": {"madds": [None, budget]},
        "budgets": [budget],
        "found": [
            {
                "arch": space.format(archs[index]),
                "score": float(scores[index]),
                "costs": {name: values[0].item() for name, values in space.cost(archs[[index]]).items()},
            }
            for index in best
        ],
        "timings": {"supernet": 61.2, "sgld": 9.8, "search": 44.0, "retrain": 87.5, "total": 204.1},
        "environment": {
            "python": "3.12.4", "torch": "2.11.0", "trueshot": "0.1.0", "device": "cpu",
            "cpu": "a processor", "threads": 2, "gpu": None,
        },
    }  # fmt: skip
    comparison = compare(records)
    sections = (
        Networks(
            name="networks",
            title="Trained from scratch",
            cost=MADDS,
            records=tuple(records),
            comparison=comparison,
        ),
        Front(
            name="search",
            title="What the search saw",
            cost=MADDS,
            costs=madds.tolist(),
            scores=scores.tolist(),
            budgets=(budget,),
        ),
        Text(name="how", title="How it searched", rows=(("Proposer", "nsga2"),)),
        losses("supernet", "Training of the supernet", [line("supernet", 40, rng), line("SGLD", 6, rng)]),
        losses("retraining", "Training from scratch", [line(record.name, 30, rng) for record in records]),
    )
    Result(command="search", head=head, sections=sections).write(run.result)
    return run


def losses(name: str, title: str, lines: list[Line]) -> Series:
    return Series(name=name, title=title, x="epoch", y="training loss", lines=tuple(lines))


def line(name: str, epochs: int, rng: np.random.Generator) -> Line:
    falls = [0.05 + 2.3 * np.exp(-4.5 * epoch / 40) * np.exp(rng.normal(0, 0.03)) for epoch in range(epochs)]
    return Line(name=name, x=list(range(1, epochs + 1)), y=[float(loss) for loss in falls])


def change(run: RunDirectory, **head: Any) -> None:
    """Write the result anew with other values in its head."""
    result = Result.read(run.result)
    replace(result, head={**result.head, **head}).write(run.result)


def change_networks(run: RunDirectory, **fields: Any) -> None:
    """Write the result anew with another section of networks; ``records=()`` leaves it out."""
    result = Result.read(run.result)
    first, *others = result.sections
    kept = [] if fields.get("records") == () else [replace(first, **fields)]
    replace(result, sections=(*kept, *others)).write(run.result)


def networks_of(run: RunDirectory) -> Networks:
    return Result.read(run.result).of_kind(Networks)[0]
