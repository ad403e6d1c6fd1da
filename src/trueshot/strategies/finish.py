"""The finish that all strategies share: train what was found from scratch, and what it is compared with, then test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trueshot.core.errors import TrainingError
from trueshot.core.files import read_json, write_json
from trueshot.core.records import NetworkRecord
from trueshot.core.run import read_log
from trueshot.criteria.bootstrap import difference_interval
from trueshot.evaluation.accuracy import measure
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.trained import train_and_measure
from trueshot.spaces.costs import CostFunctions
from trueshot.spaces.storage import ARCHITECTURE, WEIGHTS, load_network, save_network
from trueshot.strategies.config import BudgetConfig, RetrainingConfig
from trueshot.strategies.picking import (
    Candidate,
    budgets_of,
    pick_off_the_shelf,
    pick_random,
    pick_winners,
    repeated,
)
from trueshot.strategies.protocol import Found
from trueshot.strategies.setup import Context
from trueshot.strategies.supernet import load_teacher, measured_batches
from trueshot.training.classification import Loss
from trueshot.training.data.batches import Batches, train_batches
from trueshot.training.formats import placed
from trueshot.training.plan import Plan
from trueshot.training.standalone import build

LEVEL = 0.95
"""Confidence level of the intervals in the result."""


@dataclass(frozen=True, kw_only=True)
class Finish:
    """Training and test of what a strategy found.

    Attributes:
        context: of the run.
        config: of the training.
        budget: shares of the bound under which winners are picked.
        cost: name of the cost that the shares are of.
    """

    context: Context
    config: RetrainingConfig
    budget: BudgetConfig
    cost: str

    @property
    def budgets(self) -> tuple[float, ...]:
        """The budgets under each of which a winner is picked, largest first."""
        most = self.context.bounds.get(self.cost, (None, None))[1]
        return budgets_of(self.context.costs, self.budget, most, self.cost)

    def run(self, found: Found, evaluator: Evaluator) -> list[NetworkRecord]:
        """Pick, train and test; a found architecture whose training breaks is replaced by the next best.

        Args:
            found: what the strategy found.
            evaluator: scores the random architectures, so that all can be compared.
        """
        lost: set[bytes] = set()
        while True:
            candidates = self.pick(found, evaluator, lost)
            fallen = self._train_all(candidates)
            if fallen is None:
                return self._test(candidates)
            lost.add(bytes(fallen.row))

    def pick(self, found: Found, evaluator: Evaluator, lost: set[bytes] = frozenset()) -> list[Candidate]:  # type: ignore[assignment]
        """Return the networks to train; architectures in ``lost`` are passed over."""
        costs, config = self.context.costs, self.config
        kept = np.array([bytes(row) not in lost for row in found.archs], dtype=bool)
        winners = pick_winners(costs, found.archs[kept], found.scores[kept], self.budgets, self.cost)
        random = pick_random(costs, winners, config.random, self.context.streams, self.cost)
        if random:
            scores = evaluator(np.stack([candidate.row for candidate in random]))
            random = [replace(candidate, score=float(s)) for candidate, s in zip(random, scores, strict=True)]
        shelf = pick_off_the_shelf(self.context.space, winners) if config.off_the_shelf else []
        return repeated(winners + random, config.repeats) + shelf

    def batches(self, repeat: int) -> Batches:
        """Return the training batches: the same images in the same order for every candidate of one repeat."""
        return train_batches(
            self.context.all_training_images,
            self.context.images,
            batch_size=self.config.recipe.batch_size,
            augmentation=self.config.augmentation,
            streams=self.context.streams.child("retraining-batches", repeat),
            device=self.context.device,
        )

    def _train_all(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """Train all; return the winner whose training broke, ``None`` when all are trained."""
        for candidate in candidates:
            try:
                self.train(candidate)
            except TrainingError as error:
                if candidate.role != "winner":
                    raise
                self.context.observer.say(f"{candidate.name} ({candidate.arch}) falls out, the next is taken: {error}")
                return candidate
        return None

    def train(self, candidate: Candidate) -> None:
        """Train one candidate and save its network; nothing is done where that was done before."""
        context, config = self.context, self.config
        folder = context.run.network(candidate.name, candidate.role)
        checkpoint = context.run.checkpoint(f"network-{candidate.name}")
        # A search that was run again may have picked another architecture under the same name.
        if (folder / WEIGHTS).exists() and (folder / ARCHITECTURE).exists() and _holds(folder, candidate.arch):
            checkpoint.unlink(missing_ok=True)
            return
        streams = context.streams.child(f"network/{candidate.stream}", candidate.repeat)
        space = candidate.space.final()
        network = build(lambda: space.network(candidate.row), streams, context.device)
        batches = self.batches(candidate.repeat)
        plan = Plan.in_run(
            context.run,
            f"network-{candidate.name}",
            config.recipe.epochs * batches.steps_per_epoch,
            identity=context.identity("network", config.plain(), candidate.stream, context.seed),
            save_every=context.save_every,
            phase=candidate.name,
        )
        teacher = load_teacher(context, config.distillation)
        trained = train_and_measure(
            network,
            batches,
            config.recipe,
            streams,
            plan=plan,
            classes=len(context.images.classes),
            measured={},
            loss=Loss(label_smoothing=config.recipe.label_smoothing, distillation=teacher),
            observer=context.observer,
        )
        save_network(
            folder,
            trained.network,
            space=space,
            arch=candidate.arch,
            name=candidate.name,
            classes=context.images.classes,
            preprocessing=context.images.preprocessing.to_dict(),
            extra={"budget": candidate.budget, "score": candidate.score, "repeat": candidate.repeat},
        )
        # The saved network replaces it; without it the directory stays small.
        checkpoint.unlink(missing_ok=True)

    def _test(self, candidates: Sequence[Candidate]) -> list[NetworkRecord]:
        """Measure all trained networks on the test images, which are read here for the first and only time."""
        context = self.context
        path = context.run.path / "log" / "test.json"
        if path.exists():
            return [NetworkRecord.from_json(content) for content in read_json(path)["networks"]]
        batches = measured_batches(context, context.images.test)
        context.observer.begin("test", len(candidates), 0, "network")
        records = []
        for done, candidate in enumerate(candidates, start=1):
            loaded = load_network(context.run.network(candidate.name, candidate.role))
            network = placed(loaded.network, context.device)
            history = read_log(context.run.log(f"network-{candidate.name}"))
            records.append(
                NetworkRecord(
                    name=candidate.name,
                    role=candidate.role,
                    budget=candidate.budget,
                    seed=candidate.repeat,
                    arch=candidate.arch,
                    costs=_costs(context.costs, candidate),
                    score=candidate.score,
                    validation=None,
                    test=measure(network, batches, len(context.images.classes)),
                    seconds=history[-1]["seconds"] if history else 0.0,
                )
            )
            context.observer.advance("test", done)
        context.observer.end("test")
        write_json(path, {"networks": [record.to_json() for record in records], "written": time.time()})
        return records


def _holds(folder: Path, arch: str) -> bool:
    return (read_json(folder / ARCHITECTURE).get("arch") or "") == arch


def _costs(costs: CostFunctions, candidate: Candidate) -> dict[str, float]:
    """Return the costs of a candidate as it is trained; of a network off the shelf those that can be told of it."""
    row, final = candidate.row[None], candidate.space.final()
    own = costs(row) if candidate.space is costs.space else {}
    moved = costs.on(final)(row) if final != costs.space else {}
    return {name: values[0].item() for name, values in {**own, **moved}.items()}


def compare(records: Sequence[NetworkRecord]) -> dict[str, Any] | None:
    """Compare the winners' test accuracy with that of random architectures of like cost; ``None`` without either.

    ``difference`` is the mean top-1 of the winners less that of the random ones, in fractions; ``low`` and ``high`` are
    Welch's interval, ``None`` where it is unknown. Trainings of one architecture are no independent samples of what the
    search finds, so their mean counts once: ``n`` are architectures, ``trainings`` all networks.
    """
    trained = {
        role: [record for record in records if record.role == role and record.test is not None]
        for role in ("winner", "random")
    }
    groups = {role: _means(members) for role, members in trained.items()}
    winners, random = groups["winner"], groups["random"]
    if not len(winners) or not len(random):
        return None
    interval = difference_interval(winners, random, level=LEVEL)
    return {
        "metric": "top1",
        "winners": winners.tolist(),
        "random": random.tolist(),
        "difference": float(winners.mean() - random.mean()),
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "level": LEVEL,
        "n": [len(winners), len(random)],
        "trainings": [len(members) for members in trained.values()],
    }


def _means(records: Sequence[NetworkRecord]) -> np.ndarray:
    """Return the mean top-1 of each architecture, in the order of their first trainings."""
    found: dict[str | None, list[float]] = {}
    for record in records:
        if record.test is not None:
            found.setdefault(record.arch, []).append(record.test.top1)
    return np.array([np.mean(values) for values in found.values()])
