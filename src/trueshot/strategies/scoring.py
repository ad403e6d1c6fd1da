"""The evaluator that a run's configuration asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from trueshot.evaluation.expectation import parameter_expectation, score_expectation, single_checkpoint
from trueshot.evaluation.one_shot import OneShot
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.recalibration import Recalibration
from trueshot.evaluation.trained import FINE_TUNING, FineTuned, Trial
from trueshot.evaluation.weights import WithWeights
from trueshot.evaluation.wrappers import Reporting
from trueshot.sharing import Supernet
from trueshot.strategies.config import EvaluationConfig
from trueshot.strategies.setup import Setup
from trueshot.training.data.augment import Augmentation
from trueshot.training.data.batches import eval_batches, train_batches


def make_one_shot(setup: Setup, supernet: Supernet, config: EvaluationConfig | None = None) -> OneShot:
    """Return the one-shot evaluator on the run's validation images, recalibrated on its training images."""
    config = config or setup.config.evaluation
    recalibration = fitting(config.recalibration, len(setup.dataset.train))
    validation = eval_batches(
        setup.dataset.validation,
        setup.dataset,
        batch_size=config.batch_size,
        device=setup.device,
        limit=config.images,
    )
    calibration = eval_batches(
        setup.dataset.train,
        setup.dataset,
        batch_size=max(2, recalibration.batch_size),
        device=setup.device,
        limit=max(2, recalibration.batches * recalibration.batch_size),
    )
    precision = torch.bfloat16 if setup.device.type == "cuda" else torch.float32
    return OneShot(
        supernet,
        validation,
        calibration=calibration,
        recalibration=recalibration,
        metric=config.metric,
        precision=precision,
    )


def make_evaluator(
    setup: Setup, supernet: Supernet, snapshots: Sequence[Path], report: Callable[[int], None]
) -> Evaluator:
    """Return the evaluator of the search; ``report`` is told how many scores were computed."""
    config = setup.config.evaluation
    if config.expectation == "fine-tuned":
        tuned = FineTuned(supernet, fine_tuning(setup, config))
        return WithWeights(Reporting(tuned, report), supernet, snapshots[0])
    one_shot = make_one_shot(setup, supernet, config)
    if config.expectation == "score":
        return score_expectation(one_shot, snapshots, report)
    if config.expectation == "single":
        return single_checkpoint(one_shot, snapshots[0], report)
    return parameter_expectation(one_shot, snapshots, report)


def scores_per_architecture(config: EvaluationConfig, snapshots: int) -> int:
    """Return how many weights each architecture is scored at."""
    return snapshots if config.expectation == "score" else 1


def describe_evaluator(config: EvaluationConfig, snapshots: int) -> str:
    """Say in a line how architectures are scored."""
    how = {
        "parameter": f"one-shot at the mean of {snapshots} SGLD samples of the weights",
        "score": f"mean one-shot score over {snapshots} SGLD samples of the weights",
        "single": "one-shot at the trained weights",
        "fine-tuned": f"fine-tuned from the shared weights for {config.fine_tune_steps} steps",
    }[config.expectation]
    recalibration = config.recalibration
    norms = {
        "running": "running BatchNorm statistics",
        "adapt": f"BatchNorm adapted on {recalibration.batches} x {recalibration.batch_size} images",
        "reset": f"BatchNorm estimated anew on {recalibration.batches} x {recalibration.batch_size} images",
        "batch": "BatchNorm statistics of the validation batches",
    }[recalibration.mode]
    return f"{how}; {norms}; validation {config.metric}"


def fitting(recalibration: Recalibration, images: int) -> Recalibration:
    """Return the recalibration with batches no larger than the training images there are."""
    if not recalibration.needs_images or recalibration.batch_size <= images:
        return recalibration
    return Recalibration(mode=recalibration.mode, batches=recalibration.batches, batch_size=images)


def fine_tuning(setup: Setup, config: EvaluationConfig) -> Trial:
    """Return how each architecture is trained a little from the shared weights, and on what it is measured."""
    batches = train_batches(
        setup.dataset.train,
        setup.dataset,
        batch_size=setup.config.supernet.recipe.batch_size,
        augmentation=Augmentation(),
        streams=setup.streams.child("fine-tuning"),
        device=setup.device,
    )
    validation = eval_batches(
        setup.dataset.validation,
        setup.dataset,
        batch_size=config.batch_size,
        device=setup.device,
        limit=config.images,
    )
    return Trial(
        batches,
        validation,
        FINE_TUNING,
        setup.streams.child("fine-tuning"),
        data=setup.dataset.digest,
        steps=config.fine_tune_steps,
        metric=config.metric,
    )
