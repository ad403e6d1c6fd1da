"""The finish that all strategies share: train what was found from scratch, and what it is compared with, then test."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from trueshot.core.errors import TrainingError
from trueshot.core.files import read_json, write_json
from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.core.results import Section, section_from_json, section_to_json
from trueshot.core.run import ARCHITECTURE, read_log
from trueshot.evaluation.accuracy import Answers, measure_answers
from trueshot.search.bounds import Bounds
from trueshot.spaces.costs import CostFunctions
from trueshot.spaces.storage import load_network
from trueshot.strategies.config import BudgetConfig, RetrainingConfig
from trueshot.strategies.finish.choice import Rule, choose
from trueshot.strategies.finish.comparison import compare
from trueshot.strategies.finish.decision import Decision, decide
from trueshot.strategies.finish.mistakes import mistakes_of
from trueshot.strategies.finish.network import RECOMMENDED, NetworkTraining
from trueshot.strategies.finish.picking import (
    Candidate,
    budgets_of,
    pick_off_the_shelf,
    pick_pretrained,
    pick_random,
    pick_winners,
    repeated,
)
from trueshot.strategies.finish.pretrained import NONE_HAD
from trueshot.strategies.finish.trainings import Trainings
from trueshot.strategies.protocol import Found
from trueshot.strategies.setup import Context
from trueshot.strategies.supernet import measured_batches
from trueshot.training.data.dataset import Part
from trueshot.training.formats import placed

CONVERGED = 0.01
"""Networks have converged where half the steps are worse by less, in validation accuracy."""
TAUGHT = (
    "All that was trained from scratch, found, random and off-the-shelf networks and shared weights, learned from one"
    " teacher too: {}. It was trained on other images, which may hold these classes, and even some of these images."
)
"""A note on the teacher, which is described in it."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What the finish leaves.

    Attributes:
        records: every network, tested.
        comparison: of the found with random ones, see :func:`~trueshot.strategies.finish.comparison.compare`.
        decision: which network to take, and what it was chosen from.
        told: on how long networks were trained, for people: pairs of a label and a text.
        mistakes: sections on what the recommended network gets wrong on the test images.
    """

    records: list[NetworkRecord]
    comparison: dict[str, Any] | None
    decision: Decision
    told: tuple[tuple[str, str], ...] = ()
    mistakes: tuple[Section, ...] = ()


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
        measured = {record.name for record in validated}
        compared = [candidate for candidate in outcome.trained if candidate.name in measured]
        records, mistakes = self._test(compared, validated, chosen, anew=anew)
        return Finished(
            records=records,
            comparison=compare(records, notes),
            decision=decide(records, choice, self.rule, notes=self._notes),
            told=trainings.told(records, outcome.given_up),
            mistakes=mistakes,
        )

    @property
    def _notes(self) -> tuple[str, ...]:
        """What there is to say of the teacher and of the pretrained network."""
        context = self.context
        taught = () if context.teacher is None else (TAUGHT.format(context.teacher.describe(context.images)),)
        return (*taught, *self._notes_on_pretrained)

    @property
    def _notes_on_pretrained(self) -> tuple[str, ...]:
        pretrained = self.network.pretrained
        if pretrained is not None:
            return (
                f"The pretrained network is timm's {pretrained.model}, weights: {pretrained.told}. It was trained on"
                " other images, which may hold these classes, and even some of these images: its accuracy flatters it"
                " then.",
            )
        return () if self.config.pretrained == "none" else (NONE_HAD[:1].upper() + NONE_HAD[1:] + ".",)

    @cached_property
    def network(self) -> NetworkTraining:
        """What trains one candidate."""
        return NetworkTraining(context=self.context, config=self.config)

    @cached_property
    def trainings(self) -> Trainings:
        """What trains the candidates."""
        return Trainings(network=self.network)

    def checks(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the trainings of half the length that tell whether networks of each kind have converged."""
        kinds = {candidate.kind: candidate for candidate in reversed(candidates)} if self.config.convergence else {}
        kinds.pop("frozen", None)
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
        standing = None if found.standing is None else found.standing[kept]
        winners = pick_winners(costs, found.archs[kept], found.scores[kept], self.budgets, self.cost, standing)
        wanted = {"each": config.random, "at_bound": config.at_bound}
        # In the cost that is compared they are near the winners; all other bounds are theirs too.
        others = Bounds({name: pair for name, pair in self.context.bounds.items() if name != self.cost})
        drawn = pick_random(
            costs, winners, self.context.streams, self.cost, sampler=found.sampler, bounds=others, **wanted
        )
        random = drawn.candidates
        if random:
            scores = found.evaluator(np.stack([candidate.row for candidate in random]))
            random = [replace(candidate, score=float(s)) for candidate, s in zip(random, scores, strict=True)]
        shelf = pick_off_the_shelf(self.context.space, winners) if config.off_the_shelf else []
        pretrained = self.network.pretrained
        before = []
        if pretrained is not None:
            budget = max((winner.budget or 0 for winner in winners), default=0) or None
            before = pick_pretrained(pretrained.space(self.context.images), budget)
        return repeated(winners + random, config.repeats) + shelf + before, drawn.notes

    def _validate(self, candidates: Sequence[Candidate]) -> list[NetworkRecord]:
        """Measure all trained networks on the validation images, which none of them was trained on."""
        path = self.context.run.path / "log" / "validation.json"
        if not path.exists():
            found = self._measure("validation", candidates, self.context.images.validation)
            accuracies = {name: dataclasses.asdict(accuracy) for name, (accuracy, _) in found.items()}
            write_json(path, {"networks": accuracies})
        stored = {name: Accuracy.from_json(one) for name, one in read_json(path)["networks"].items()}
        candidates = [candidate for candidate in candidates if candidate.name in stored]
        pairs = {check: check.removesuffix("-half") for check in stored if check.endswith("-half")}
        gained = {
            check.kind: stored[pairs[check.name]].top1 - stored[check.name].top1
            for check in candidates
            if check.role == "check" and pairs[check.name] in stored
        }
        converged = {kind: bool(gain < CONVERGED) for kind, gain in gained.items()}
        return [
            self._record(one, validation=stored[one.name], converged=converged.get(one.kind))
            for one in candidates
            if one.role != "check"
        ]

    def _test(
        self, candidates: Sequence[Candidate], validated: Sequence[NetworkRecord], chosen: Candidate, *, anew: bool
    ) -> tuple[list[NetworkRecord], tuple[Section, ...]]:
        """Measure all trained networks on the test images, which are read here for the first and only time.

        Returns:
            The networks, the recommended one first, and the sections on what that one gets wrong.
        """
        context = self.context
        path = context.run.path / "log" / "test.json"
        if path.exists():
            stored = read_json(path)
            records = [NetworkRecord.from_json(content) for content in stored["networks"]]
            # An earlier release kept no sections.
            return records, tuple(map(section_from_json, stored.get("mistakes", ())))
        recommended = replace(chosen, name=RECOMMENDED, role=RECOMMENDED)
        test, classes = context.images.test, context.images.classes
        found = self._measure("test", [recommended, *candidates], test)
        if RECOMMENDED not in found:
            raise TrainingError(
                f"{chosen.name}, the network that was chosen, answers the test images with logits that are not finite:"
                " lower retraining.recipe.lr, and choose another --out"
            )
        known = {record.name: record.validation for record in validated}
        validation = None if anew else known[chosen.name]
        first = self._record(recommended, validation=validation, test=found[RECOMMENDED][0], of=chosen.name)
        # What broke on the test images was said, and is left out.
        tested = [record for record in validated if record.name in found]
        records = [first, *(dataclasses.replace(record, test=found[record.name][0]) for record in tested)]
        mistakes = mistakes_of(RECOMMENDED, found[RECOMMENDED][1], test, classes)
        content = {
            "networks": [record.to_json() for record in records],
            "mistakes": [section_to_json(section) for section in mistakes],
            "written": time.time(),
        }
        write_json(path, content)
        return records, mistakes

    def _measure(self, phase: str, candidates: Sequence[Candidate], part: Part) -> dict[str, tuple[Accuracy, Answers]]:
        """Return how trained networks did on a part of the images, and what they answered, by name."""
        context, found = self.context, dict[str, tuple[Accuracy, Answers]]()
        ready = {True: measured_batches(context, part)}
        context.observer.begin(phase, len(candidates), 0, "network")
        for done, candidate in enumerate(candidates, start=1):
            loaded = load_network(context.run.network(candidate.name, candidate.role))
            network = placed(loaded.network, context.device)
            plain = candidate.way == "scratch"
            if plain not in ready:
                # A pretrained network sees images in a scaling of its own.
                own = context.replace(dataset=self.network.images(candidate))
                ready[plain] = measured_batches(own, part)
            try:
                found[candidate.name] = measure_answers(network, ready[plain], len(context.images.classes))
            except TrainingError as error:
                # The other networks are worth their training all the same.
                context.observer.say(f"{candidate.name} is left out: {error}")
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
        run = self.context.run
        history = read_log(run.log(f"network-{candidate.name}"))
        told = read_json(run.network(candidate.name, candidate.role) / ARCHITECTURE)["extra"]
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
            steps=told.get("steps"),
            epochs=told.get("epochs"),
        )


def _costs(costs: CostFunctions, candidate: Candidate) -> dict[str, float]:
    """Return the costs of a candidate as it is trained; of a network off the shelf those that can be told of it."""
    row, final = candidate.row[None], candidate.space.final()
    own = costs(row) if candidate.space is costs.space else {}
    moved = costs.on(final)(row) if final != costs.space else {}
    return {name: values[0].item() for name, values in {**own, **moved}.items()}
