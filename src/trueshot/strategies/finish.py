"""The finish that all strategies share: train what was found from scratch, and what it is compared with, then test."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from trueshot.core.errors import TrainingError
from trueshot.core.files import read_json, write_bytes, write_json
from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.core.run import read_log
from trueshot.evaluation.accuracy import measure
from trueshot.evaluation.trained import train_and_measure
from trueshot.spaces.costs import CostFunctions
from trueshot.spaces.storage import ARCHITECTURE, WEIGHTS, load_network, save_network
from trueshot.strategies.choice import Rule, choose
from trueshot.strategies.comparison import compare
from trueshot.strategies.config import BudgetConfig, RetrainingConfig
from trueshot.strategies.decision import Decision, decide
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
from trueshot.training.data.dataset import Part
from trueshot.training.formats import placed
from trueshot.training.plan import Plan
from trueshot.training.standalone import build

RECOMMENDED: Final = "recommended"
"""Name and role of the network that was chosen and trained anew."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What the finish leaves.

    Attributes:
        records: every network, tested.
        comparison: of the found with random ones, see :func:`~trueshot.strategies.comparison.compare`.
        decision: which network to take, and what it was chosen from.
    """

    records: list[NetworkRecord]
    comparison: dict[str, Any] | None
    decision: Decision


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

    def run(self, found: Found) -> Finished:
        """Pick, train, choose, train what was chosen on all images but those of the test, and test.

        A found architecture whose training breaks is replaced by the next best.
        """
        lost: set[bytes] = set()
        while True:
            candidates, notes = self.pick(found, lost)
            fallen = self._train_all(candidates)
            if fallen is None:
                break
            lost.add(bytes(fallen.row))
        validated = self._validate(candidates)
        choice = choose(validated, self.rule)
        chosen = next(candidate for candidate in candidates if candidate.name == choice.name)
        anew = self._refit(chosen)
        records = self._test(candidates, validated, chosen, anew=anew)
        return Finished(
            records=records,
            comparison=compare(records, notes),
            decision=decide(records, choice, self.rule),
        )

    @property
    def rule(self) -> Rule:
        """How the network to take is chosen."""
        images, context = self.context.images, self.context
        counts = np.bincount(images.validation.labels.numpy(), minlength=len(images.classes))
        return Rule(
            costs=context.costs,
            bounds=context.bounds,
            cost=self.cost,
            counts=counts if images.imbalanced else None,
        )

    def pick(self, found: Found, lost: Collection[bytes] = frozenset()) -> tuple[list[Candidate], tuple[str, ...]]:
        """Return the networks to train, and what there is to say of baselines that are not there.

        Args:
            found: what the strategy found; its evaluator scores the random architectures, so that all can be compared.
            lost: architectures that are passed over.
        """
        costs, config = self.context.costs, self.config
        kept = np.array([bytes(row) not in lost for row in found.archs], dtype=bool)
        winners = pick_winners(costs, found.archs[kept], found.scores[kept], self.budgets, self.cost)
        wanted = {"each": config.random, "at_bound": config.at_bound}
        drawn = pick_random(costs, winners, self.context.streams, self.cost, sampler=found.sampler, **wanted)
        random = drawn.candidates
        if random:
            scores = found.evaluator(np.stack([candidate.row for candidate in random]))
            random = [replace(candidate, score=float(s)) for candidate, s in zip(random, scores, strict=True)]
        shelf = pick_off_the_shelf(self.context.space, winners) if config.off_the_shelf else []
        return repeated(winners + random, config.repeats) + shelf, drawn.notes

    def batches(self, repeat: int, part: Part | None = None) -> Batches:
        """Return the training batches: the same images in the same order for every candidate of one repeat.

        Args:
            repeat: number of the training.
            part: what to train on; the training images by default.
        """
        return train_batches(
            self.context.images.train if part is None else part,
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
        refit = candidate.role == "recommended"
        batches = self.batches(candidate.repeat, context.all_training_images if refit else None)
        plan = Plan.in_run(
            context.run,
            f"network-{candidate.name}",
            config.recipe.epochs * batches.steps_per_epoch,
            identity=context.identity("refit" if refit else "network", config.plain(), candidate.stream, context.seed),
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
            extra=_extra(candidate),
        )
        # The saved network replaces it; without it the directory stays small.
        checkpoint.unlink(missing_ok=True)

    def _refit(self, chosen: Candidate) -> bool:
        """Train the chosen architecture on training and validation images; keep it as it is where that breaks.

        Returns:
            Whether it was trained anew.
        """
        context, candidate = self.context, replace(chosen, name=RECOMMENDED, role=RECOMMENDED)
        try:
            self.train(candidate)
        except TrainingError as error:
            context.observer.say(f"{RECOMMENDED} is {chosen.name} as it was compared, for on more images: {error}")
            source = context.run.network(chosen.name, chosen.role)
            content = {**read_json(source / ARCHITECTURE), "name": RECOMMENDED, "extra": _extra(candidate)}
            content.pop("version")
            folder = context.run.network(RECOMMENDED, RECOMMENDED)
            write_bytes(folder / WEIGHTS, (source / WEIGHTS).read_bytes())
            write_json(folder / ARCHITECTURE, content)
            return False
        return True

    def _validate(self, candidates: Sequence[Candidate]) -> list[NetworkRecord]:
        """Measure all trained networks on the validation images, which none of them was trained on."""
        path = self.context.run.path / "log" / "validation.json"
        if not path.exists():
            found = self._measure("validation", candidates, self.context.images.validation)
            accuracies = {name: dataclasses.asdict(accuracy) for name, accuracy in found.items()}
            write_json(path, {"networks": accuracies})
        stored = read_json(path)["networks"]
        return [self._record(one, validation=Accuracy.from_json(stored[one.name])) for one in candidates]

    def _test(
        self, candidates: Sequence[Candidate], validated: Sequence[NetworkRecord], chosen: Candidate, *, anew: bool
    ) -> list[NetworkRecord]:
        """Measure all trained networks on the test images, which are read here for the first and only time."""
        context = self.context
        path = context.run.path / "log" / "test.json"
        if path.exists():
            return [NetworkRecord.from_json(content) for content in read_json(path)["networks"]]
        recommended = replace(chosen, name=RECOMMENDED, role=RECOMMENDED)
        found = self._measure("test", [recommended, *candidates], context.images.test)
        known = {record.name: record.validation for record in validated}
        validation = None if anew else known[chosen.name]
        first = self._record(recommended, validation=validation, test=found[RECOMMENDED], of=chosen.name)
        records = [first, *(dataclasses.replace(record, test=found[record.name]) for record in validated)]
        write_json(path, {"networks": [record.to_json() for record in records], "written": time.time()})
        return records

    def _measure(self, phase: str, candidates: Sequence[Candidate], part: Part) -> dict[str, Accuracy]:
        """Return the accuracies of trained networks on a part of the images, by name."""
        context, found = self.context, dict[str, Accuracy]()
        batches = measured_batches(context, part)
        context.observer.begin(phase, len(candidates), 0, "network")
        for done, candidate in enumerate(candidates, start=1):
            loaded = load_network(context.run.network(candidate.name, candidate.role))
            network = placed(loaded.network, context.device)
            found[candidate.name] = measure(network, batches, len(context.images.classes))
            context.observer.advance(phase, done)
        context.observer.end(phase)
        return found

    def _record(
        self,
        candidate: Candidate,
        *,
        validation: Accuracy | None = None,
        test: Accuracy | None = None,
        of: str | None = None,
    ) -> NetworkRecord:
        history = read_log(self.context.run.log(f"network-{candidate.name}"))
        return NetworkRecord(
            name=candidate.name,
            role=candidate.role,
            budget=candidate.budget,
            seed=candidate.repeat,
            arch=candidate.arch,
            costs=_costs(self.context.costs, candidate),
            score=candidate.score,
            validation=validation,
            test=test,
            seconds=history[-1]["seconds"] if history else 0.0,
            of=of,
        )


def _extra(candidate: Candidate) -> dict[str, Any]:
    """Return what a network's file says of its place in the run; repeats of a training are told by their number."""
    repeat = 0 if candidate.role == RECOMMENDED else candidate.repeat
    return {"budget": candidate.budget, "score": candidate.score, "repeat": repeat}


def _holds(folder: Path, arch: str) -> bool:
    return (read_json(folder / ARCHITECTURE).get("arch") or "") == arch


def _costs(costs: CostFunctions, candidate: Candidate) -> dict[str, float]:
    """Return the costs of a candidate as it is trained; of a network off the shelf those that can be told of it."""
    row, final = candidate.row[None], candidate.space.final()
    own = costs(row) if candidate.space is costs.space else {}
    moved = costs.on(final)(row) if final != costs.space else {}
    return {name: values[0].item() for name, values in {**own, **moved}.items()}
