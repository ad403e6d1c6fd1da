"""Which candidate is trained when, and for how long: one after another, or in turns within a deadline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from trueshot.core.errors import TrainingError
from trueshot.core.records import NetworkRecord, Role
from trueshot.core.run import read_log
from trueshot.core.units import format_duration
from trueshot.strategies.config import RetrainingConfig
from trueshot.strategies.deadline import Deadline
from trueshot.strategies.finish.network import RECOMMENDED, NetworkTraining
from trueshot.strategies.finish.picking import Candidate
from trueshot.strategies.finish.turns import PARTS, Job, Turn, next_turn
from trueshot.strategies.setup import Context
from trueshot.training.checkpoints import load_checkpoint

_MORE, _LONGER = 4.0, 4.0
"""Steps at most within a time budget: of all networks, in shares of the preset's; of the one that is trained anew, in
shares of those."""
_KINDS: dict[tuple[Role, ...], str] = {
    ("winner", "random", "at-bound"): "Networks of the space",
    ("off-the-shelf",): "Networks off the shelf",
    ("pretrained",): "The fine-tuned network",
}


@dataclass(frozen=True)
class Outcome:
    """What was trained, in order, or the winner whose training broke; and what there was no time for."""

    trained: list[Candidate]
    fallen: Candidate | None = None
    given_up: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """Trains candidates in an order, within the time that there is.

    Attributes:
        network: trains one of them.
    """

    network: NetworkTraining

    @property
    def context(self) -> Context:
        """Of the run."""
        return self.network.context

    @property
    def config(self) -> RetrainingConfig:
        """Of the training."""
        return self.network.config

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
            self.network.train(candidate)
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
        batches, found = self.network.batches(0), dict[tuple[str, float | None], float]()
        for one in candidates:
            if (one.kind, one.budget) not in found:
                found[one.kind, one.budget] = self.network.probe(one.space.final(), one.row, batches, way=one.way)
        return {one.name: found[one.kind, one.budget] for one in candidates}

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
            self.network.train(candidate, steps=steps, part=part)
        except TrainingError as error:
            after = "the next is taken" if candidate.role == "winner" else "it is left out"
            self.context.observer.say(f"{candidate.name} ({candidate.arch}) falls out, {after}: {error}")
            return None if candidate.role == "winner" else False
        return True

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
            self.network.train(candidate, steps=steps, revise=revise)
        except TrainingError as error:
            context.observer.say(f"{RECOMMENDED} is {chosen.name} as it was compared, not trained anew: {error}")
            self.network.keep(chosen, candidate)
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
