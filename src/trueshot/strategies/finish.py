"""The finish that all strategies share: train what was found from scratch, and what it is compared with, then test."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trueshot.core.files import read_json, write_json
from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.core.run import read_log
from trueshot.evaluation.accuracy import measure
from trueshot.spaces.costs import CostFunctions
from trueshot.spaces.storage import load_network
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
from trueshot.strategies.supernet import measured_batches
from trueshot.strategies.trainings import RECOMMENDED, Trainings
from trueshot.training.data.dataset import Part
from trueshot.training.formats import placed

CONVERGED = 0.01
"""Networks have converged where half the steps are worse by less, in validation accuracy."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What the finish leaves.

    Attributes:
        records: every network, tested.
        comparison: of the found with random ones, see :func:`~trueshot.strategies.comparison.compare`.
        decision: which network to take, and what it was chosen from.
        told: on how long networks were trained, for people: pairs of a label and a text.
    """

    records: list[NetworkRecord]
    comparison: dict[str, Any] | None
    decision: Decision
    told: tuple[tuple[str, str], ...] = ()


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
        trainings = self.trainings
        while True:
            candidates, notes = self.pick(found, lost)
            outcome = trainings.run(candidates + self.checks(candidates))
            if outcome.fallen is None:
                break
            lost.add(bytes(outcome.fallen.row))
        validated = self._validate(outcome.trained)
        choice = choose(validated, self.rule)
        chosen = next(candidate for candidate in outcome.trained if candidate.name == choice.name)
        anew = trainings.anew(chosen)
        compared = [candidate for candidate in outcome.trained if candidate.role != "check"]
        records = self._test(compared, validated, chosen, anew=anew)
        return Finished(
            records=records,
            comparison=compare(records, notes),
            decision=decide(records, choice, self.rule),
            told=trainings.told(records, outcome.given_up),
        )

    @property
    def trainings(self) -> Trainings:
        """What trains the candidates."""
        return Trainings(context=self.context, config=self.config)

    def checks(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the trainings of half the length that tell whether networks of each kind have converged."""
        kinds = {candidate.kind: candidate for candidate in reversed(candidates)} if self.config.convergence else {}
        return [
            replace(candidate, name=f"{candidate.name}-half", role="check", share=0.5) for candidate in kinds.values()
        ]

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

    def _validate(self, candidates: Sequence[Candidate]) -> list[NetworkRecord]:
        """Measure all trained networks on the validation images, which none of them was trained on."""
        path = self.context.run.path / "log" / "validation.json"
        if not path.exists():
            found = self._measure("validation", candidates, self.context.images.validation)
            accuracies = {name: dataclasses.asdict(accuracy) for name, accuracy in found.items()}
            write_json(path, {"networks": accuracies})
        stored = {name: Accuracy.from_json(one) for name, one in read_json(path)["networks"].items()}
        gained = {
            check.kind: stored[check.name.removesuffix("-half")].top1 - stored[check.name].top1
            for check in candidates
            if check.role == "check"
        }
        converged = {kind: bool(gain < CONVERGED) for kind, gain in gained.items()}
        return [
            self._record(one, validation=stored[one.name], converged=converged.get(one.kind))
            for one in candidates
            if one.role != "check"
        ]

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
        converged: bool | None = None,
    ) -> NetworkRecord:
        assert candidate.role != "check"
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
            converged=converged,
        )


def _costs(costs: CostFunctions, candidate: Candidate) -> dict[str, float]:
    """Return the costs of a candidate as it is trained; of a network off the shelf those that can be told of it."""
    row, final = candidate.row[None], candidate.space.final()
    own = costs(row) if candidate.space is costs.space else {}
    moved = costs.on(final)(row) if final != costs.space else {}
    return {name: values[0].item() for name, values in {**own, **moved}.items()}
