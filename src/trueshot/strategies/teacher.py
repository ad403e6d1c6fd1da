"""What networks learn from beside the labels: one pretrained network for all of a run, or a teacher of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trueshot.core.errors import CheckpointError, ConfigError, RunError, short
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.evaluation.recalibration import Batch
from trueshot.evaluation.timing import image_seconds, waiting_for
from trueshot.strategies.config import TeacherConfig
from trueshot.strategies.finish.pretrained import (
    LEAST_PIXELS,
    MOST_IMAGES,
    Pretrained,
    find,
    fit_head,
    head_of,
)
from trueshot.strategies.protocol import Phase
from trueshot.training.checkpoints import load_checkpoint, save_checkpoint
from trueshot.training.classification import Loss
from trueshot.training.config import DistillationConfig, LearningConfig
from trueshot.training.data.batches import eval_batches
from trueshot.training.distillation import Distillation, resized
from trueshot.training.standalone import build

if TYPE_CHECKING:
    from trueshot.strategies.setup import Context
    from trueshot.training.data.dataset import Dataset

PHASE = "teacher"
"""Name of its phase, of its checkpoint, and of what a run keeps of it."""
WITH_HEAD = 1.5
"""A pass forward of a pretrained network over images, and the fit of a head to what it sees, in shares of the pass."""
_SIDE = 64
"""Pixels a side below which a network trained on photographs tells little: smaller images are enlarged for it."""
_BATCH, _TIMED = 256, 32
_LEAST = 20
"""Images of each class to which the head is fitted at least, however short the time is."""


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A pretrained network whose head is fitted to the images of a run, and from which all its networks then learn.

    Attributes:
        config: which, and how much is learned from it.
    """

    config: TeacherConfig

    @property
    def pretrained(self) -> Pretrained:
        """The network and its weights.

        Raises:
            ConfigError: when there is none of this name, or its weights do not fit.
        """
        return find(str(self.config.name), "--teacher")

    @property
    def identity(self) -> dict[str, Any]:
        """What decides how it teaches, wherever its file lies, as plain values."""
        found, config = self.pretrained, self.config.plain()
        config.pop("name")
        return {"model": found.model, "digest": found.digest, **config}

    def side(self, images: Dataset) -> int:
        """Return the side in pixels of the images that it sees."""
        return self.config.image_size or self.pretrained.fixed_side or max(images.image_size, _SIDE)

    def describe(self, images: Dataset) -> str:
        """Say which network it is, what it sees, and how much is learned from it."""
        found, side = self.pretrained, self.side(images)
        enlarged = "" if side == images.image_size else f", enlarged from {images.image_size}"
        if side < images.image_size:
            enlarged = f", reduced from {images.image_size}"
        return (
            f"timm's {found.model}, weights: {found.told}; it sees images of {side} pixels{enlarged}, in its own"
            f" scaling, and its answers at temperature {self.config.temperature:g} are {self.config.weight:.0%} of the"
            " loss"
        )

    def check(self, context: Context) -> None:
        """Find what would stop it only later: weights that do not fit, images that it cannot see.

        Raises:
            ConfigError: naming it.
        """
        images = context.images
        side, given = self.side(images), self.config.image_size or images.image_size
        if given < LEAST_PIXELS:
            least = max(_SIDE, self.pretrained.fixed_side or 0)
            raise ConfigError(
                f"images of {given} pixels say little to a network that was trained on"
                f" photographs: leave --teacher out, or have it see them enlarged by --set teacher.image_size={least}"
            )
        network = self._network(context)
        try:
            with torch.inference_mode():
                network(self._blank(context, 2))
        except Exception as error:
            raise ConfigError(
                f"--teacher {self.config.name} cannot see images of {side} pixels ({short(error)}): set"
                " teacher.image_size to a side that it takes"
            ) from error

    def forecast(self, context: Context) -> Phase:
        """Return what it takes to fit its head."""
        count = min(len(context.images.train), MOST_IMAGES)
        return Phase(PHASE, WITH_HEAD * count * self._image_seconds(self._network(context), context))

    def fit(self, context: Context) -> None:
        """Fit its head to the training images, unmodified, and keep that in the run; nothing is done where it is there.

        Where the time of the phase is too short for all of them, it is fitted to fewer, which is decided once.
        """
        file, images, found = context.run.checkpoint(PHASE), context.images, self.pretrained
        if file.exists():
            return
        network = self._network(context)
        count = self._count(network, context)
        own, side = found.images(images), self.side(images)
        size = max(8, min(_BATCH, _BATCH * _SIDE**2 // side**2))
        batches = eval_batches(images.train, own, batch_size=size, device=context.device, limit=count)
        context.observer.begin(PHASE, count, 0, "image")
        fit_head(network, found.model, self._seen(batches, side, context), len(images.classes))
        head: Any = network.get_submodule(head_of(network, found.model))
        save_checkpoint(file, {"identity": context.identity(PHASE), "head": head.state_dict()})
        context.observer.end(PHASE)

    def distillation(self, context: Context, *, fitted: bool = True) -> Distillation:
        """Return what adds its part to a loss.

        Args:
            context: of the run, which keeps its head.
            fitted: whether with that head; one that is not fitted takes as long, and teaches nothing.

        Raises:
            CheckpointError: when the head is not there, or was fitted to other images.
        """
        images, network = context.images, self._network(context)
        if fitted:
            file = context.run.checkpoint(PHASE)
            content = load_checkpoint(file)
            if content.get("identity") != context.identity(PHASE):
                raise CheckpointError(f"{file} belongs to another teacher or other images: remove it and --resume")
            network.get_submodule(head_of(network, self.pretrained.model)).load_state_dict(content["head"])
        config = LearningConfig(
            weight=self.config.weight, temperature=self.config.temperature, image_size=self.side(images)
        )
        own = self.pretrained.images(images).preprocessing
        return Distillation(network, config, rescale=partial(images.preprocessing.rescaled, like=own))

    def _network(self, context: Context) -> Any:
        """Return the network with its weights and a fresh head."""
        space = self.pretrained.space(context.images)
        network = build(lambda: space.network(space.parse("")), Streams(0), context.device).eval()
        self.pretrained.load_into(network)
        return network

    def _blank(self, context: Context, count: int) -> torch.Tensor:
        side = self.side(context.images)
        return torch.zeros(count, context.images.channels, side, side, device=context.device)

    def _image_seconds(self, network: nn.Module, context: Context) -> float:
        return image_seconds(network, self._blank(context, _TIMED), 2, wait=waiting_for(context.device))

    def _count(self, network: nn.Module, context: Context) -> int:
        """Return to how many images its head is fitted: to all but where there are too many, or too little time."""
        images, deadline = context.images, context.deadline
        most = min(len(images.train), MOST_IMAGES)
        if deadline is None:
            return most

        until = deadline.until(PHASE)

        def make() -> dict[str, int]:
            seconds = until - deadline.used
            affordable = int(seconds / (WITH_HEAD * self._image_seconds(network, context)))
            return {"images": min(most, max(affordable, _LEAST * len(images.classes)))}

        return int(deadline.decide(PHASE, make)["images"])

    def _seen(self, batches: Iterable[Batch], side: int, context: Context) -> Iterator[Batch]:
        """Yield batches at the size that it sees, and tell how many images it has seen."""
        done = 0
        for images, labels in batches:
            yield resized(images, side), labels
            done += len(labels)
            context.observer.advance(PHASE, done)
            if context.deadline is not None:
                context.deadline.mark()


def load_teacher(context: Context, config: DistillationConfig | None) -> Distillation | None:
    """Return the teacher of the same classes that a configuration asks for."""
    if config is None:
        return None
    space = context.space
    return Distillation.load(config, classes=space.classes, in_channels=space.in_channels, device=context.device)


def make_loss(
    context: Context, label_smoothing: float, config: DistillationConfig | None = None, *, fitted: bool = True
) -> Loss:
    """Return what trainings of a run minimise: the teacher of the run has its part in it, else the one of ``config``.

    Args:
        context: of the run.
        label_smoothing: of the cross-entropy.
        config: a teacher of the same classes, where the run has none.
        fitted: whether the teacher of the run has its head; without it the loss takes as long, for measurements.
    """
    if context.teacher is not None:
        distillation: Distillation | None = context.teacher.distillation(context, fitted=fitted)
    else:
        distillation = load_teacher(context, config)
    return Loss(label_smoothing=label_smoothing, distillation=distillation)


def check_same_teacher(context: Context, earlier: RunDirectory) -> None:
    """Refuse shared weights that learned from another teacher than the networks of this run, or from none.

    Raises:
        RunError: naming both.
    """
    there, now = earlier.config.get(PHASE), None if context.teacher is None else context.teacher.identity
    if there != now:
        told = [f"the teacher {one['model']}" if one else "no teacher" for one in (there, now)]
        if there and now and told[0] == told[1]:
            told = [f"{told[0]} with other weights or settings", told[1]]
        raise RunError(
            f"the supernet in {earlier.path} learned from {told[0]}, and the networks of this run would learn from"
            f" {told[1]}: give the same --teacher (or none), or train a new supernet"
        )
