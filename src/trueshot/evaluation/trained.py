"""Training a network by itself and measuring it; evaluators that do so with each architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import nn

from trueshot.core.fingerprint import fingerprint
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.core.records import Accuracy
from trueshot.evaluation.accuracy import measure
from trueshot.evaluation.one_shot import Metric
from trueshot.evaluation.recalibration import Batch
from trueshot.sharing import Supernet
from trueshot.spaces import Space
from trueshot.spaces.description import plain
from trueshot.training.checkpoints import forget_checkpoint
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.data.batches import Batches
from trueshot.training.plan import Plan, Revise
from trueshot.training.standalone import build, train_network
from trueshot.training.task import Row


def fine_tuning(lr: float) -> Recipe:
    """Return how shared weights are fine-tuned: plain steps of a constant size. What is published says no more."""
    return Recipe(epochs=1, batch_size=512, lr=lr, final_lr=lr, momentum=0.0)


STILL = 1e-30
"""A learning rate by which no weight moves, though running statistics do."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network after its training, and how it did.

    Attributes:
        network: ready for use: the average of the weights where the recipe asks for it.
        epochs: a row for each epoch, as the training loop returns them.
        steps: optimizer steps taken.
        accuracies: by name of the images that it was measured on.
    """

    network: nn.Module
    epochs: list[Row]
    steps: int
    accuracies: dict[str, Accuracy]

    @property
    def seconds(self) -> float:
        """Time of the training to the end of its last epoch, over all resumes."""
        return float(self.epochs[-1]["seconds"]) if self.epochs else 0.0


def train_and_measure(
    network: nn.Module,
    batches: Batches,
    recipe: Recipe,
    streams: Streams,
    *,
    plan: Plan,
    classes: int,
    measured: Mapping[str, Iterable[Batch]],
    loss: Loss | None = None,
    observer: Observer = SILENT,
    revise: Revise | None = None,
    until: int | None = None,
) -> Trained:
    """Train a network by itself, going on from the plan's checkpoint, and measure it.

    Args:
        network: with its initial weights; trained in place.
        batches: its training images.
        recipe: how to train.
        streams: source of dropout's draws.
        plan: for how many steps, and what to keep. Whoever records the result removes the checkpoint after that.
        classes: number of classes.
        measured: images to measure on, by name.
        loss: by default cross-entropy with the recipe's label smoothing.
        observer: told of the progress.
        revise: may change the number of steps, see :func:`~trueshot.training.loop.train`.
        until: complete steps after which to pause, for a later call to go on.

    Raises:
        TrainingError: when loss or logits are not finite.
    """
    trained, epochs = train_network(
        network, batches, recipe, streams, plan=plan, loss=loss, observer=observer, revise=revise, until=until
    )
    accuracies = {name: measure(trained, images, classes) for name, images in measured.items()}
    return Trained(network=trained, epochs=epochs, steps=plan.steps, accuracies=accuracies)


@final
class Trial:
    """Trains a given network and measures it: what both evaluators below do with every architecture.

    Args:
        train: training batches, the same for every architecture.
        validation: what is measured on; read once and kept.
        recipe: how to train.
        streams: source of all draws; each architecture has its own.
        data: fingerprint of what ``train`` yields (``Dataset.digest``, batch size, augmentation), for the digest.
        steps: optimizer steps; ``None`` takes the epochs of the recipe.
        metric: accuracy in [0, 1] or negated loss in nats.
        loss: what training minimises; ``None`` for cross-entropy with the recipe's label smoothing.
    """

    def __init__(
        self,
        train: Batches,
        validation: Iterable[Batch],
        recipe: Recipe,
        streams: Streams,
        *,
        data: str,
        steps: int | None = None,
        metric: Metric = "accuracy",
        loss: Loss | None = None,
    ) -> None:
        self.train, self.validation, self.recipe, self.streams = train, tuple(validation), recipe, streams
        self.data, self.metric, self.loss = data, metric, loss
        self.steps = recipe.epochs * train.steps_per_epoch if steps is None else steps

    def at(self, lr: float) -> Trial:
        """Return the same at a constant learning rate."""
        recipe = self.recipe.model_copy(update={"lr": lr, "final_lr": lr})
        return Trial(
            self.train,
            self.validation,
            recipe,
            self.streams,
            data=self.data,
            steps=self.steps,
            metric=self.metric,
            loss=self.loss,
        )

    @cached_property
    def digest(self) -> str:
        """Fingerprint of data and settings."""
        settings = (self.recipe.plain(), self.steps, self.metric, self.streams.seed)
        teacher = None if self.loss is None else self.loss.distillation
        taught = [] if teacher is None else [teacher.digest]
        return fingerprint("trial 2", settings, self.data, self.validation, *taught)

    def score(
        self,
        row: UInt8[np.ndarray, " decisions"],
        classes: int,
        make: Callable[[Streams], nn.Module],
        plan: Plan | None = None,
    ) -> float:
        """Train and score the network that ``make`` returns for ``row``; by default nothing is kept meanwhile."""
        streams = self.streams.child("trial", *map(int, row))
        trained = train_and_measure(
            make(streams),
            self.train,
            self.recipe,
            streams,
            plan=plan or Plan(phase="network", steps=self.steps),
            classes=classes,
            measured={"validation": self.validation},
            loss=self.loss,
        )
        result = trained.accuracies["validation"]
        return result.top1 if self.metric == "accuracy" else -result.loss


@final
class FineTuned:
    """Goes on training each architecture alone from the shared weights, then measures it (ST-NAS, section 3.3)."""

    def __init__(self, supernet: Supernet, trial: Trial) -> None:
        self.supernet, self.trial = supernet, trial

    @property
    def digest(self) -> str:
        """Fingerprint of the present weights, data and settings."""
        space = plain(self.supernet.space)
        return fingerprint("fine-tuned 2", space, self.trial.digest, self.supernet.state_dict())

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Score every architecture; the weights of the supernet stay as they are."""
        classes = self.supernet.space.classes
        rows = self.supernet.space.check(archs)
        scores = [self.trial.score(row, classes, partial(self._network, row)) for row in rows]
        return np.array(scores, dtype=np.float64)

    def movement(self, archs: UInt8[np.ndarray, "n decisions"]) -> Movement:
        """Return how far fine-tuning moves weights and scores; what does not move is no fine-tuning.

        Args:
            archs: a few architectures, 2 at least.
        """
        still = self.trial.at(STILL)
        distances, before, after = [], [], []
        for row in self.supernet.space.check(archs):
            networks: list[nn.Module] = []

            def make(_: Streams, row: np.ndarray = row, networks: list[nn.Module] = networks) -> nn.Module:
                networks.append(self.supernet.network(row))
                return networks[-1]

            classes = self.supernet.space.classes
            before.append(still.score(row, classes, make))
            after.append(self.trial.score(row, classes, make))
            first, second = (torch.cat([p.detach().flatten() for p in net.parameters()]) for net in networks)
            distances.append(float((second - first).norm() / first.norm()))
        a, b = np.array(before), np.array(after)
        return Movement(
            weights=float(np.mean(distances)),
            scores=float(np.abs(b - a).mean()),
            spread=float(a.std()),
            ranks=int((np.argsort(np.argsort(a)) != np.argsort(np.argsort(b))).sum()),
            n=len(a),
        )

    def _network(self, row: np.ndarray, _: Streams) -> nn.Module:
        return self.supernet.network(row)


@dataclass(frozen=True, kw_only=True)
class Movement:
    """How far fine-tuning moved, beside as many passes that only adapt running statistics.

    Attributes:
        weights: distance of the weights from where they were, as a share of their length, mean over architectures.
        scores: mean difference of the scores, ``spread`` the standard deviation of the scores before.
        spread: see there.
        ranks: architectures whose rank changed, of ``n``.
        n: see there.
    """

    weights: float
    scores: float
    spread: float
    ranks: int
    n: int

    def describe(self) -> str:
        """Say it in a line."""
        return (
            f"fine-tuning moved weights by {self.weights:.2%}, scores by {self.scores:.3g} of a spread of"
            f" {self.spread:.3g}, and the ranks of {self.ranks} of {self.n} architectures"
        )


@final
class StandAlone:
    """Trains each architecture from scratch and measures it: the truth that other evaluators try to foretell.

    Args:
        space: of the architectures.
        trial: how they are trained and measured.
        device: that does it.
        checkpoint: returns the file of a name, in which a training is kept that is not complete: when it was killed, it
            goes on from there. Whoever keeps a score calls :meth:`forget` then. Without it nothing is kept.
        save_every: seconds between checkpoints.
    """

    def __init__(
        self,
        space: Space,
        trial: Trial,
        *,
        device: str | torch.device = "cpu",
        checkpoint: Callable[[str], Path] | None = None,
        save_every: float = 30.0,
    ) -> None:
        self.space, self.trial, self.device = space, trial, device
        self._file, self._save_every = checkpoint, save_every

    @cached_property
    def digest(self) -> str:
        """Fingerprint of space, data and settings."""
        return fingerprint("stand-alone 2", plain(self.space), self.trial.digest)

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Score every architecture."""
        rows = self.space.check(archs)
        scores = [
            self.trial.score(row, self.space.classes, partial(self._network, row), self._plan(row)) for row in rows
        ]
        return np.array(scores, dtype=np.float64)

    def forget(self, archs: UInt8[np.ndarray, "n decisions"]) -> None:
        """Remove the checkpoints of architectures whose scores are kept."""
        for row in archs:
            checkpoint = self._plan(row).checkpoint
            if checkpoint is not None:
                forget_checkpoint(checkpoint)

    def _plan(self, row: UInt8[np.ndarray, " decisions"]) -> Plan:
        plan = Plan(phase="network", steps=self.trial.steps)
        if self._file is not None:
            plan.identity = fingerprint(self.digest, row.tolist())[:20]
            plan.checkpoint, plan.save_every = self._file(f"trained-{plan.identity}"), self._save_every
        return plan

    def _network(self, row: np.ndarray, streams: Streams) -> nn.Module:
        return build(partial(self.space.network, row), streams, self.device)
