"""Trained shared weights: from their training to what scores architectures by them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from trueshot.core.errors import ConfigError
from trueshot.evaluation.config import EvaluationConfig, Metric, Way
from trueshot.evaluation.expectation import parameter_expectation, score_expectation, single_checkpoint
from trueshot.evaluation.one_shot import OneShot
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.trained import FineTuned, Movement, Trial, fine_tuning
from trueshot.evaluation.weights import WithWeights, installed
from trueshot.evaluation.wrappers import Median
from trueshot.sharing import Supernet
from trueshot.strategies.supernet import MEDIAN, SharedWeights, Training, measured_batches
from trueshot.training.data.batches import Batches, EvaluationBatches, eval_batches, train_batches
from trueshot.training.data.layout import RESIDENT_BYTES
from trueshot.training.data.options import Augmentation
from trueshot.training.plan import Revise


def scored_images(images: int | None, shape: tuple[int, int, int]) -> int:
    """Return how many validation images are scored on at the most: as asked, else as many as 2 GiB hold.

    Scores read them again and again, so that they stay on the device. Of ImageNet at 224 pixels a fifth of the training
    images would take 154 GB.
    """
    return images if images is not None else max(2, RESIDENT_BYTES // (4 * math.prod(shape)))


def check_way(way: str, *, samples: int, checkpoints: int) -> None:
    """Check that there are, or will be, the weights that a way of scoring needs.

    Args:
        way: of :data:`~trueshot.evaluation.config.Way`.
        samples: of the weights, the last of the training included.
        checkpoints: of epochs before the last.

    Raises:
        ConfigError: when there are not.
    """
    if way in ("parameter", "score") and samples < 2:
        raise ConfigError(
            f"supernet:{way} averages over samples of the weights and there is one: add --set weight_sampling.samples=5"
        )
    if way == "median" and checkpoints < 1:
        raise ConfigError("supernet:median needs the weights of several epochs: train for more than one")


@dataclass(frozen=True, kw_only=True)
class TrainedSupernet:
    """Trained shared weights, and how they score.

    Attributes:
        weights: how they were trained.
        supernet: the module.
        snapshots: files of the weights, the trained ones first, then samples of them.
        checkpoints: files of the weights after earlier epochs, oldest first, for ``supernet:median``.
        config: how they score.
    """

    weights: SharedWeights
    supernet: Supernet
    snapshots: Sequence[Path]
    config: EvaluationConfig
    checkpoints: Sequence[Path] = ()

    def resolve(self, way: Way) -> Way:
        """Return what ``auto`` stands for here."""
        return way if way != "auto" else "parameter" if len(self.snapshots) > 1 else "single"

    def evaluator(self, way: Way = "auto", metric: Metric | None = None) -> Evaluator:
        """Return what scores architectures.

        Raises:
            ConfigError: when it averages over samples or checkpoints and there is one.
        """
        way = self.resolve(way)
        metric = metric or self.config.metric
        check_way(way, samples=len(self.snapshots), checkpoints=len(self.checkpoints))
        if way == "fine-tuned":
            tuned = FineTuned(self.supernet, self._fine_tuning(metric))
            return WithWeights(tuned, self.supernet, self.snapshots[0])
        one_shot = self.one_shot(metric)
        if way == "score":
            return score_expectation(one_shot, self.snapshots)
        if way == "parameter":
            return parameter_expectation(one_shot, self.snapshots)
        if way == "median":
            last = [*self.checkpoints[-(MEDIAN - 1) :], self.snapshots[0]]
            return Median([single_checkpoint(one_shot, snapshot) for snapshot in last])
        return single_checkpoint(one_shot, self.snapshots[0])

    @property
    def fine_tune_lr(self) -> float:
        """The learning rate of fine-tuning."""
        return self.config.fine_tune_lr or 0.1 * self.weights.config.recipe.lr

    def movement(self, archs: UInt8[np.ndarray, "n decisions"], metric: Metric | None = None) -> Movement:
        """Return how far fine-tuning moves weights and scores of some architectures."""
        tuned = FineTuned(self.supernet, self._fine_tuning(metric or self.config.metric))
        with installed(self.supernet, self.snapshots[0]):
            return tuned.movement(archs)

    def one_shot(self, metric: Metric | None = None) -> OneShot:
        """Return what scores by the present weights, on validation images, recalibrated on training images."""
        context, config = self.weights.context, self.config
        recalibration = config.recalibration.limited_to(len(context.images.train))
        calibration = eval_batches(
            context.images.train,
            context.images,
            batch_size=max(2, recalibration.batch_size),
            device=context.device,
            limit=max(2, recalibration.batches * recalibration.batch_size),
        )
        return OneShot(
            self.supernet,
            self.validation_batches(),
            calibration=calibration,
            recalibration=recalibration,
            metric=metric or config.metric,
            precision=torch.bfloat16 if context.device.type == "cuda" else torch.float32,
        )

    def describe(self, way: Way = "auto", metric: Metric | None = None) -> str:
        """Say in a line how architectures are scored."""
        n, recalibration = len(self.snapshots), self.config.recalibration
        how = {
            "single": "one-shot at the trained weights",
            "parameter": f"one-shot at the mean of {n} SGLD samples of the weights",
            "score": f"mean one-shot score over {n} SGLD samples of the weights",
            "median": f"median one-shot score over the last {MEDIAN} checkpoints",
            "fine-tuned": f"fine-tuned from the shared weights for {self.config.fine_tune_steps} steps at learning rate"
            f" {self.fine_tune_lr:g}",
        }[self.resolve(way)]
        norms = {
            "running": "running BatchNorm statistics",
            "adapt": f"BatchNorm adapted on {recalibration.batches} x {recalibration.batch_size} images",
            "reset": f"BatchNorm estimated anew on {recalibration.batches} x {recalibration.batch_size} images",
            "batch": "BatchNorm statistics of the validation batches",
        }[recalibration.mode]
        total, shape = len(self.weights.context.images.validation), self.weights.context.space.input_shape
        count = min(total, scored_images(self.config.images, shape))
        among = "" if count == total else f" on {count:,} of {total:,} images"
        return f"{how}; {norms}; validation {metric or self.config.metric}{among}"

    def validation_batches(self) -> EvaluationBatches:
        """Return the batches of the validation images on which architectures are scored."""
        context = self.weights.context
        limit = scored_images(self.config.images, context.space.input_shape)
        return measured_batches(context, context.images.validation, self.config.batch_size, limit)

    def _fine_tuning(self, metric: Metric) -> Trial:
        """Return how each architecture is trained a little from the shared weights, and on what it is measured."""
        context = self.weights.context
        streams = context.streams.child("fine-tuning")
        batches = train_batches(
            context.images.train,
            context.images,
            batch_size=self.weights.config.recipe.batch_size,
            augmentation=Augmentation(),
            streams=streams,
            device=context.device,
        )
        return Trial(
            batches,
            self.validation_batches(),
            fine_tuning(self.fine_tune_lr),
            streams,
            data=context.images.digest,
            steps=self.config.fine_tune_steps,
            metric=metric,
            loss=None if context.teacher is None else context.loss(),
        )


def train_and_sample(
    weights: SharedWeights,
    supernet: Supernet,
    batches: Batches,
    config: EvaluationConfig,
    *,
    keep: Collection[int] = (),
    on_epoch: Callable[[int], None] | None = None,
    on_phase: Callable[[str, float], None],
    revise: Revise | None = None,
) -> tuple[TrainedSupernet, Training]:
    """Train ``supernet`` and sample its weights, or finish what an earlier attempt left.

    Args:
        weights: how.
        supernet: with its initial weights.
        batches: of the training images.
        config: how it scores.
        keep: complete epochs whose weights are kept, for ``supernet:median`` among others.
        on_epoch: told the number of complete epochs.
        on_phase: told the name of each phase, ``supernet`` and ``sgld``, at its end, and when it began
            (``time.monotonic``).
        revise: may change the number of steps of the training.
    """
    start = time.monotonic()
    training = weights.train(supernet, batches, keep=keep, on_epoch=on_epoch, revise=revise)
    on_phase("supernet", start)
    start = time.monotonic()
    snapshots = weights.sample(supernet, batches)
    on_phase("sgld", start)
    checkpoints = tuple(training.files.values())
    trained = TrainedSupernet(
        weights=weights, supernet=supernet, snapshots=snapshots, checkpoints=checkpoints, config=config
    )
    return trained, training
