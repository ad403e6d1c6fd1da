"""Training of one network of the finish, whatever it starts from; what is done is not done again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from torch import nn

from trueshot.core.files import read_json, write_bytes, write_json
from trueshot.core.random import Streams
from trueshot.core.run import ARCHITECTURE
from trueshot.evaluation.timing import step_seconds, waiting_for
from trueshot.evaluation.trained import train_and_measure
from trueshot.spaces import Space
from trueshot.spaces.storage import WEIGHTS, load_network, save_network
from trueshot.strategies.config import RetrainingConfig
from trueshot.strategies.finish.picking import Candidate, Way
from trueshot.strategies.finish.pretrained import MOST_IMAGES, Pretrained, fit_head, wanted
from trueshot.strategies.setup import Context
from trueshot.strategies.teacher import make_loss
from trueshot.training.checkpoints import forget_checkpoint
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
_TUNING_LR = 0.02
"""Learning rate at most of a network that is fine-tuned."""
_PROBED = 4
"""Steps that are timed before the first turn."""


@dataclass(frozen=True, kw_only=True)
class NetworkTraining:
    """Trains one candidate and saves its network.

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

    @cached_property
    def loss(self) -> Loss:
        """What networks that are trained from scratch minimise, all alike: the teacher has its part in it, if any."""
        return make_loss(self.context, self.config.recipe.label_smoothing, self.config.distillation)

    def probe(self, space: Space, row: Any, batches: Batches, *, way: Way = "scratch") -> float:
        """Return the seconds of a training step of a network, from a few on throw-away weights."""
        recipe, device = self.config.recipe, self.context.device
        network = build(lambda: space.network(row), Streams(0), device)
        scratch = way == "scratch"
        loss = make_loss(self.context, 0.0, self.config.distillation, fitted=False) if scratch else Loss()
        task = NetworkTask(network, recipe, make_optimizer(network, recipe), None, loss, Streams(0))
        return step_seconds(task, {TRAIN: batches}, _PROBED, wait=waiting_for(device))

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
        # What has weights from elsewhere learns from the labels alone.
        plain = Loss(label_smoothing=config.recipe.label_smoothing)
        trained = train_and_measure(
            network,
            batches,
            recipe,
            streams,
            plan=plan,
            classes=len(context.images.classes),
            measured={},
            loss=self.loss if candidate.way == "scratch" else plain,
            observer=context.observer,
            revise=revise or (None if total == first else _towards(total)),
            until=None if part == 1.0 else round(total * part),
        )
        if part < 1.0:
            return
        self._save(candidate, trained.network, images, trained.steps, trained.steps / batches.steps_per_epoch)
        # The saved network replaces it; without it the directory stays small.
        forget_checkpoint(checkpoint)

    def keep(self, chosen: Candidate, candidate: Candidate) -> None:
        """Let the recommended network be a copy of the chosen one."""
        source, folder = (self.context.run.network(one.name, one.role) for one in (chosen, candidate))
        content = read_json(source / ARCHITECTURE)
        content.pop("version")
        content |= {"name": candidate.name, "extra": {**content["extra"], **_extra(candidate)}}
        write_bytes(folder / WEIGHTS, (source / WEIGHTS).read_bytes())
        write_json(folder / ARCHITECTURE, content)

    def _save(
        self, candidate: Candidate, network: nn.Module, images: Dataset, steps: int = 0, epochs: float = 0.0
    ) -> None:
        """Save a network with the length of its training; there is none where only a head was fitted."""
        save_network(
            self.context.run.network(candidate.name, candidate.role),
            network,
            space=candidate.space.final(),
            arch=candidate.arch,
            name=candidate.name,
            classes=images.classes,
            preprocessing=images.preprocessing.to_dict(),
            extra={**_extra(candidate), "steps": steps, "epochs": epochs},
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
