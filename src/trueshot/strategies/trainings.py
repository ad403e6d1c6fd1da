"""Training of the candidates: one after another, or in turns within a deadline; and of the chosen one, anew."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from torch import nn

from trueshot.core.errors import TrainingError
from trueshot.core.files import read_json, write_bytes, write_json
from trueshot.core.random import Streams
from trueshot.core.records import NetworkRecord, Role
from trueshot.core.run import ARCHITECTURE, read_log
from trueshot.core.units import format_duration
from trueshot.evaluation.timing import step_seconds, waiting_for
from trueshot.evaluation.trained import train_and_measure
from trueshot.spaces import Space
from trueshot.spaces.storage import WEIGHTS, load_network, save_network
from trueshot.strategies.config import RetrainingConfig
from trueshot.strategies.deadline import Deadline
from trueshot.strategies.picking import Candidate
from trueshot.strategies.pretrained import MOST_IMAGES, Pretrained, fit_head, wanted
from trueshot.strategies.setup import Context
from trueshot.strategies.supernet import load_teacher
from trueshot.strategies.turns import PARTS, Job, Turn, next_turn
from trueshot.training.checkpoints import forget_checkpoint, load_checkpoint
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.data.batches import Batches, eval_batches, train_batches
from trueshot.training.data.dataset import Dataset, Part
from trueshot.training.optimizers import make_optimizer
from trueshot.training.plan import Pace, Plan, Revise
from trueshot.training.standalone import NetworkTask, build
from trueshot.training.task import TRAIN

RECOMMENDED: Final = "recommended"
"""Name and role of the network that was chosen and trained anew."""
_MORE, _LONGER = 4.0, 4.0
"""Steps at most within a time budget: of all networks, in shares of the preset's; of the one that is trained anew, in
shares of those."""
_TUNING_LR = 0.02
"""Learning rate at most of a network that is fine-tuned."""
_KINDS: dict[tuple[Role, ...], str] = {
    ("winner", "random", "at-bound"): "Networks of the space",
    ("off-the-shelf",): "Networks off the shelf",
    ("pretrained",): "The fine-tuned network",
}
_PROBED = 4
"""Steps that are timed before the first turn."""


@dataclass(frozen=True)
class Outcome:
    """What was trained, in order, or the winner whose training broke; and what there was no time for."""

    trained: list[Candidate]
    fallen: Candidate | None = None
    given_up: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """Trains candidates and saves their networks.

    Attributes:
        context: of the run.
        config: of the training.
    """

    context: Context
    config: RetrainingConfig

    def batches(self, repeat: int, part: Part | None = None, images: Dataset | None = None) -> Batches:
        """Return the training batches: the same images in the same order for every candidate of one repeat.

        Args:
            repeat: number of the training.
            part: what to train on; the training images by default.
            images: where they come from, which scales them; those of the run by default.
        """
        return train_batches(
            self.context.images.train if part is None else part,
            images or self.context.images,
            batch_size=self.config.recipe.batch_size,
            augmentation=self.config.augmentation,
            streams=self.context.streams.child("retraining-batches", repeat),
            device=self.context.device,
        )

    @cached_property
    def pretrained(self) -> Pretrained | None:
        """The pretrained network that stands beside the others, if any."""
        return wanted(self.config.pretrained, self.context.images)

    def images(self, candidate: Candidate) -> Dataset:
        """Return the images in the scaling of a candidate: a pretrained network has its own."""
        if candidate.way == "scratch" or self.pretrained is None:
            return self.context.images
        return self.pretrained.images(self.context.images)

    @property
    def steps(self) -> int:
        """Steps of a network, as planned before anything was measured."""
        images, recipe = len(self.context.images.train), self.config.recipe
        return recipe.epochs * (images // min(recipe.batch_size, images))

    def run(self, candidates: Sequence[Candidate]) -> Outcome:
        """Train all, as far as the time allows; a network that was drawn or taken off the shelf may break."""
        deadline = self.context.deadline
        frozen = [candidate for candidate in candidates if candidate.way == "frozen"]
        others = [candidate for candidate in candidates if candidate.way != "frozen"]
        for candidate in frozen:
            self.context.observer.say(f"{candidate.name}: a linear head is fitted")
            self.train(candidate)
        outcome = self._in_order(others) if deadline is None else self._in_turns(others, deadline)
        return replace(outcome, trained=outcome.trained + frozen)

    def _in_order(self, candidates: Sequence[Candidate]) -> Outcome:
        trained: list[Candidate] = []
        spent: list[float] = []
        for number, candidate in enumerate(candidates):
            # The chosen one is trained once more.
            left = sum(spent) / len(spent) * (len(candidates) - number + 1) if spent else None
            self._say(number, len(candidates), left)
            start = time.monotonic()
            done = self._try(candidate, steps=self.steps)
            if done is None:
                return Outcome(trained, candidate)
            trained += [candidate] if done else []
            spent.append(time.monotonic() - start)
        return Outcome(trained)

    def _in_turns(self, candidates: Sequence[Candidate], deadline: Deadline) -> Outcome:
        kept, given_up, done = list(candidates), list[str](), 0.0
        for number in range(len(PARTS)):
            decided = deadline.decide(f"networks-{number}", lambda: asdict(self._turn(kept, number, done)))  # noqa: B023
            turn = Turn(names=tuple(decided["names"]), steps=decided["steps"], part=decided["part"])
            gone = [candidate.name for candidate in kept if candidate.name not in turn.names]
            if gone:
                self.context.observer.say(f"the time is too short for {', '.join(gone)}: given up")
            kept, given_up = [candidate for candidate in kept if candidate.name in turn.names], given_up + gone
            for place, candidate in enumerate(tuple(kept)):
                self._say(place, len(kept), deadline.left(), f", part {number + 1} of {len(PARTS)}")
                trained = self._try(candidate, steps=turn.steps, part=turn.part)
                deadline.mark()
                if trained is None:
                    return Outcome(kept, fallen=candidate)
                if not trained:
                    kept.remove(candidate)
            done = turn.part * turn.steps
        return Outcome(kept, given_up=tuple(given_up))

    def _turn(self, kept: Sequence[Candidate], number: int, done: float) -> Turn:
        """Return the next turn by the speeds of the networks: measured in a few steps first, later in all of them."""
        deadline, images = self.context.deadline, self.context.images
        assert deadline is not None
        rates = self._probed(kept) if number == 0 else {one.name: self._rate(one) for one in kept}
        known = [rate for rate in rates.values() if rate is not None]
        usual = sum(known) / max(1, len(known))
        return next_turn(
            [Job(name=one.name, drop=drop_order(one, kept), share=one.share) for one in kept],
            number=number,
            wanted=self.steps,
            done=done,
            seconds=deadline.left("networks"),
            rates={name: usual if rate is None else rate for name, rate in rates.items()},
            least=min(self.config.least_steps, self.steps),
            most=int(_MORE * self.steps),
            again=1 + len(images.validation) / len(images.train),
        )

    def _probed(self, candidates: Sequence[Candidate]) -> dict[str, float | None]:
        """Return the seconds of a step of each network; those of one kind and budget are timed once."""
        batches, found = self.batches(0), dict[tuple[str, float | None], float]()
        for one in candidates:
            if (one.kind, one.budget) not in found:
                found[one.kind, one.budget] = self.probe(one.space.final(), one.row, batches)
        return {one.name: found[one.kind, one.budget] for one in candidates}

    def probe(self, space: Space, row: Any, batches: Batches) -> float:
        """Return the seconds of a training step of a network, from a few on throw-away weights."""
        recipe, device = self.config.recipe, self.context.device
        network = build(lambda: space.network(row), Streams(0), device)
        task = NetworkTask(network, recipe, make_optimizer(network, recipe), None, Loss(), Streams(0))
        return step_seconds(task, {TRAIN: batches}, _PROBED, wait=waiting_for(device))

    def _rate(self, candidate: Candidate) -> float | None:
        """Return the seconds of a step of a network that is being trained."""
        checkpoint = self.context.run.checkpoint(f"network-{candidate.name}")
        if not checkpoint.exists():
            return None
        progress = load_checkpoint(checkpoint)["progress"]
        return float(progress["seconds"]) / max(1, int(progress["step"]))

    def _say(self, place: int, networks: int, left: float | None, more: str = "") -> None:
        told = "" if left is None else f", {format_duration(max(left, 0.0))} left in all"
        self.context.observer.say(f"network {place + 1} of {networks}{more}{told}")

    def _try(self, candidate: Candidate, *, steps: int, part: float = 1.0) -> bool | None:
        """Train a candidate; return whether that went well, ``None`` where a winner broke."""
        try:
            self.train(candidate, steps=steps, part=part)
        except TrainingError as error:
            after = "the next is taken" if candidate.role == "winner" else "it is left out"
            self.context.observer.say(f"{candidate.name} ({candidate.arch}) falls out, {after}: {error}")
            return None if candidate.role == "winner" else False
        return True

    def train(
        self, candidate: Candidate, *, steps: int | None = None, part: float = 1.0, revise: Revise | None = None
    ) -> None:
        """Train one candidate and save its network; nothing is done where that was done before.

        Args:
            candidate: which.
            steps: how many, of a candidate with share 1, by default as planned.
            part: share of them until which to train now; the network is saved when all are done.
            revise: may change their number while it trains.
        """
        context, config = self.context, self.config
        folder = context.run.network(candidate.name, candidate.role)
        checkpoint = context.run.checkpoint(f"network-{candidate.name}")
        # A search that was run again may have picked another architecture under the same name.
        if (folder / WEIGHTS).exists() and (folder / ARCHITECTURE).exists() and _holds(folder, candidate.arch):
            forget_checkpoint(checkpoint)
            return
        refit, images = candidate.role == RECOMMENDED, self.images(candidate)
        part_of = context.all_training_images if refit else context.images.train
        if candidate.way == "frozen":
            self._fit_head(candidate, images, part_of)
            return
        streams = context.streams.child(f"network/{candidate.stream}", candidate.repeat)
        space, recipe = candidate.space.final(), self._recipe(candidate)
        network = build(lambda: space.network(candidate.row), streams, context.device)
        if candidate.way == "tuned":
            self._start_from_frozen(network, candidate)
        batches = self.batches(candidate.repeat, part_of, images)
        first = round(config.recipe.epochs * batches.steps_per_epoch * candidate.share)
        total = first if steps is None else max(1, round(steps * candidate.share))
        what = (RECOMMENDED if refit else "network", config.plain(), candidate.stream, context.seed)
        plan = Plan.in_run(
            context.run,
            f"network-{candidate.name}",
            total if revise is not None else first,
            identity=context.identity(*what, *([] if candidate.share == 1 else [candidate.share])),
            save_every=context.save_every,
            phase=candidate.name,
        )
        teacher = load_teacher(context, config.distillation)
        trained = train_and_measure(
            network,
            batches,
            recipe,
            streams,
            plan=plan,
            classes=len(context.images.classes),
            measured={},
            loss=Loss(label_smoothing=config.recipe.label_smoothing, distillation=teacher),
            observer=context.observer,
            revise=revise or (None if total == first else _towards(total)),
            until=None if part == 1.0 else round(total * part),
        )
        if part < 1.0:
            return
        self._save(candidate, trained.network, images)
        # The saved network replaces it; without it the directory stays small.
        forget_checkpoint(checkpoint)

    def _save(self, candidate: Candidate, network: nn.Module, images: Dataset) -> None:
        save_network(
            self.context.run.network(candidate.name, candidate.role),
            network,
            space=candidate.space.final(),
            arch=candidate.arch,
            name=candidate.name,
            classes=images.classes,
            preprocessing=images.preprocessing.to_dict(),
            extra=_extra(candidate),
        )

    def _fit_head(self, candidate: Candidate, images: Dataset, part: Part) -> None:
        """Fit a linear head to what the pretrained network sees of the images, which are not augmented."""
        assert self.pretrained is not None
        context, model = self.context, self.pretrained.model
        streams = context.streams.child(f"network/{candidate.stream}")
        network = build(lambda: candidate.space.network(candidate.row), streams, context.device)
        self.pretrained.load_into(network)
        batches = eval_batches(part, images, batch_size=256, device=context.device, limit=MOST_IMAGES)
        fit_head(network, model, batches, len(images.classes))
        self._save(candidate, network, images)

    def _start_from_frozen(self, network: nn.Module, candidate: Candidate) -> None:
        """Give a network that is fine-tuned the pretrained weights and the head that was fitted to them."""
        name = f"{candidate.name.removesuffix('-half').rpartition('-')[0]}-frozen"
        if candidate.role == RECOMMENDED and self.pretrained is not None:
            name = f"{self.pretrained.model}-frozen"
        frozen = load_network(self.context.run.network(name, "pretrained"))
        network.load_state_dict(frozen.network.state_dict())

    def _recipe(self, candidate: Candidate) -> Recipe:
        """Return how a candidate is trained: a fine-tuned one by small steps."""
        recipe = self.config.recipe
        if candidate.way != "tuned":
            return recipe
        return recipe.replace(lr=min(recipe.lr, _TUNING_LR), final_lr=min(recipe.final_lr, _TUNING_LR))

    def anew(self, chosen: Candidate) -> bool:
        """Train the chosen architecture on training and validation images, for as long as there is time.

        Where there is too little of it, or the training breaks, the network stays as it was compared.

        Returns:
            Whether it was trained anew.
        """
        context, candidate = self.context, replace(chosen, name=RECOMMENDED, role=RECOMMENDED)
        deadline = None if chosen.way == "frozen" else context.deadline
        steps = None if deadline is None else self._steps_anew(chosen, deadline)
        try:
            if steps == 0:
                raise TrainingError("there is no time left")
            self._say(0, 1, None if deadline is None else deadline.left(), ", trained anew on more images")
            revise = None
            if deadline is not None and steps is not None:
                revise = deadline.pacing("networks", least=max(1, steps // 2), most=2 * steps)
            self.train(candidate, steps=steps, revise=revise)
        except TrainingError as error:
            context.observer.say(f"{RECOMMENDED} is {chosen.name} as it was compared, not trained anew: {error}")
            self._keep(chosen, candidate)
            return False
        return True

    def _steps_anew(self, chosen: Candidate, deadline: Deadline) -> int:
        """Return how many steps the chosen network gets anew: what there is time for, 0 where that is too little."""
        compared = self._compared_steps()

        def make() -> dict[str, int]:
            images = self.context.images
            more = (len(images.train) + len(images.validation)) / len(images.train)
            rate = self._seconds(chosen) / max(1, compared)
            affordable = int(deadline.left("networks") / max(rate, 1e-9))
            steps = min(affordable, round(_LONGER * more * compared))
            return {"steps": steps if steps >= compared // 2 else 0}

        return int(deadline.decide(RECOMMENDED, make)["steps"])

    def _compared_steps(self) -> int:
        decided = None if self.context.deadline is None else self.context.deadline.decided(f"networks-{len(PARTS) - 1}")
        return self.steps if decided is None else int(decided["steps"])

    def _seconds(self, candidate: Candidate) -> float:
        history = read_log(self.context.run.log(f"network-{candidate.name}"))
        return float(history[-1]["seconds"]) if history else 0.0

    def _keep(self, chosen: Candidate, candidate: Candidate) -> None:
        """Let the recommended network be a copy of the chosen one."""
        source, folder = (self.context.run.network(one.name, one.role) for one in (chosen, candidate))
        content = {**read_json(source / ARCHITECTURE), "name": candidate.name, "extra": _extra(candidate)}
        content.pop("version")
        write_bytes(folder / WEIGHTS, (source / WEIGHTS).read_bytes())
        write_json(folder / ARCHITECTURE, content)

    def told(self, records: Sequence[NetworkRecord], given_up: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """Say how long networks were trained, whether that was long enough, and for what there was no time."""
        compared = [record for record in records if record.role != RECOMMENDED]
        size, images = self.config.recipe.batch_size, len(self.context.images.train)
        steps = self._compared_steps()
        rows = [("Each network", f"{steps:,} steps of {min(size, images)} images, {steps * size / images:.0f} epochs")]
        for roles, name in _KINDS.items():
            known = {one.converged for one in compared if one.role in roles}
            if True in known or False in known:
                rows.append((name, "converged" if known == {True} else "not converged: half the steps are far worse"))
        return (*rows, *([("No time for", ", ".join(given_up))] if given_up else []))


def drop_order(candidate: Candidate, among: Sequence[Candidate]) -> int:
    """Return when a candidate is given up for lack of time: the highest first, 0 never.

    Second seeds go first, then random networks just below the bound, then smaller budgets, the smallest first, then
    random networks beyond two, then the fine-tuned network, then networks off the shelf and the check of their
    convergence, then that of the space.
    """
    budgets = sorted({one.budget or 0.0 for one in among if one.kind == "space"}, reverse=True)
    place = budgets.index(candidate.budget or 0.0) if candidate.kind == "space" else 0
    if candidate.repeat:
        return 900
    if candidate.role == "at-bound":
        return 800
    if place:
        return 100 + place
    if candidate.kind in ("shelf", "tuned"):
        return 40 if candidate.kind == "shelf" else 45
    if candidate.role == "check":
        return 30
    random = [one.name for one in among if one.role == "random" and one.budget == candidate.budget and not one.repeat]
    return 50 if candidate.role == "random" and random.index(candidate.name) >= 2 else 0


def _towards(total: int) -> Revise:
    """Return what sets a training's length to ``total`` steps."""

    def revise(pace: Pace) -> int:
        return max(total, pace.step)

    return revise


def _holds(folder: Path, arch: str) -> bool:
    return (read_json(folder / ARCHITECTURE).get("arch") or "") == arch


def _extra(candidate: Candidate) -> dict[str, Any]:
    """Return what a network's file says of its place in the run; repeats of a training are told by their number."""
    repeat = 0 if candidate.role == RECOMMENDED else candidate.repeat
    return {"budget": candidate.budget, "score": candidate.score, "repeat": repeat}
