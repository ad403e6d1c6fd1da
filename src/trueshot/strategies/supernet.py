"""Shared weights: how they are trained and sampled by SGLD, and how those of an earlier run are taken over."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from trueshot.core.errors import CheckpointError, RunError
from trueshot.core.fingerprint import fingerprint
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.evaluation.timing import step_seconds, waiting_for
from trueshot.sampling import Sampler
from trueshot.sharing import Sharing, Supernet
from trueshot.spaces import Space
from trueshot.spaces.description import describe
from trueshot.strategies.config import SupernetConfig, WeightSamplingConfig
from trueshot.strategies.setup import Context
from trueshot.strategies.teacher import check_same_teacher, load_teacher, make_loss
from trueshot.training.checkpoints import load_checkpoint
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.data.batches import Batches, EvaluationBatches, eval_batches, train_batches
from trueshot.training.data.dataset import Part
from trueshot.training.loop import train
from trueshot.training.optimizers import decay_groups, make_optimizer
from trueshot.training.plan import Plan, Revise
from trueshot.training.schedules import make_schedule
from trueshot.training.sgld import SGLD
from trueshot.training.snapshots import load_snapshot, save_snapshot
from trueshot.training.splitting import split_step
from trueshot.training.standalone import build
from trueshot.training.supernet import StepOptions, SupernetTask
from trueshot.training.task import TRAIN, Row

MEDIAN = 5
"""Checkpoints of which ``supernet:median`` takes the median: those of the last epochs, the last included."""


class Training(NamedTuple):
    """What the training of a supernet leaves.

    Attributes:
        epochs: a row for each.
        files: of the weights after some epochs.
    """

    epochs: list[Row]
    files: dict[int, Path]


@dataclass(frozen=True, kw_only=True)
class SharedWeights:
    """The training of one supernet: its configuration and what it works with.

    Attributes:
        context: space, images, directory, device.
        config: of the training.
        sampling: of the trained weights.
    """

    context: Context
    config: SupernetConfig
    sampling: WeightSamplingConfig

    def sampler(self) -> Sampler:
        """Return what draws the architectures of the training."""
        sampler: Sampler = self.config.sampler.build(self.context)
        return sampler

    def make(self) -> Supernet:
        """Return the supernet with its initial weights: those of a run on other images, all but the head, if any."""
        context, sharing = self.context, self.config.sharing.build(self.context)
        streams = context.streams.child("supernet")
        supernet = build(lambda: Supernet(context.space, sharing), streams, context.device)
        assert isinstance(supernet, Supernet)
        if context.start is not None:
            load_weights(supernet, borrowed_files(context.start)[0], fresh=head_of_classes(context.space, sharing))
        return supernet

    def batches(self) -> Batches:
        """Return the batches of the training."""
        return train_batches(
            self.context.images.train,
            self.context.images,
            batch_size=self.config.recipe.batch_size,
            augmentation=self.config.augmentation,
            streams=self.context.streams.child("supernet-batches"),
            device=self.context.device,
        )

    def options(self, steps_per_epoch: int) -> StepOptions:
        """Return what the steps of the training do beyond the plain.

        Raises:
            ConfigError: when weights are to be split after the end.
        """
        epoch, recipe = self.config.split_epoch, self.config.recipe
        at = None if epoch is None else split_step(epoch, recipe.epochs, steps_per_epoch)
        return StepOptions(averaging=self.config.averaging, split_at=at, dropout=recipe.dropout, at_once=recipe.at_once)

    def last_epochs(self) -> range:
        """Return the epochs before the last whose weights ``supernet:median`` needs."""
        last = self.config.recipe.epochs
        return range(max(1, last - MEDIAN + 1), last)

    def check(self) -> None:
        """Find what would stop the training only later.

        Raises:
            TrueshotError: naming it.
        """
        self.options(1)
        load_teacher(self.context, self.config.distillation)

    def step_seconds(self, supernet: Supernet, batches: Batches) -> float:
        """Return the seconds of a training step, from a few, which change ``supernet``."""
        loss = make_loss(self.context, 0.0, self.config.distillation, fitted=False)
        task = throw_away(supernet, self.sampler(), self.config.recipe, loss)
        return step_seconds(task, {TRAIN: batches}, wait=waiting_for(self.context.device))

    def train(
        self,
        supernet: Supernet,
        batches: Batches,
        *,
        keep: Collection[int] = (),
        on_epoch: Callable[[int], None] | None = None,
        revise: Revise | None = None,
    ) -> Training:
        """Train ``supernet`` in place (Algorithm 1).

        Args:
            supernet: with its initial weights.
            batches: of the training images.
            keep: complete epochs whose weights are kept in files.
            on_epoch: told the number of complete epochs.
            revise: may change the number of steps, see :func:`~trueshot.training.loop.train`.
        """
        context, recipe = self.context, self.config.recipe
        plan = Plan.in_run(
            context.run,
            "supernet",
            recipe.epochs * batches.steps_per_epoch,
            identity=context.identity("supernet", self.config.plain(), context.seed, *self._started()),
            save_every=context.save_every,
        )
        task = SupernetTask(
            supernet,
            self.sampler(),
            make_optimizer(supernet, recipe),
            make_schedule(recipe, plan, batches.steps_per_epoch),
            self._loss(),
            recipe.clip,
            context.streams.child("supernet-training"),
            self.options(batches.steps_per_epoch),
        )
        files = {epoch: context.run.checkpoint(f"epoch-{epoch:04d}") for epoch in sorted(keep)}

        def done(epoch: int) -> None:
            if epoch in files and not files[epoch].exists():
                save_snapshot(files[epoch], supernet.state_dict())
            if on_epoch is not None:
                on_epoch(epoch)

        told = train(task, {TRAIN: batches}, plan, observer=context.observer, on_epoch=done, revise=revise)
        return Training(told, files)

    def sample(self, supernet: Supernet, batches: Batches) -> list[Path]:
        """Sample the shared weights (Algorithm 2), from the trained ones on, one data epoch apart.

        Returns:
            The snapshots; the first holds the trained weights.
        """
        context, config, recipe = self.context, self.sampling, self.config.recipe
        files = snapshot_files(context.run, config.samples)
        if not files[0].exists():
            save_snapshot(files[0], supernet.state_dict())
        if config.samples == 1 or all(file.exists() for file in files):
            return files
        temperature = 1.0 / len(context.images.train) if config.temperature is None else config.temperature
        task = SupernetTask(
            supernet,
            self.sampler(),
            SGLD(
                decay_groups(supernet, recipe.weight_decay, everything=recipe.decay_all),
                config.lr or max(recipe.final_lr, 1e-6),
                temperature=temperature,
                generator=context.streams.torch("sgld/noise", 0, device=context.device),
            ),
            None,
            self._loss(),
            recipe.clip,
            context.streams.child("weight-sampling"),
            StepOptions(averaging=self.config.averaging, dropout=recipe.dropout, at_once=recipe.at_once),
        )
        plan = Plan.in_run(
            context.run,
            "sgld",
            (config.samples - 1) * batches.steps_per_epoch,
            identity=context.identity("sgld", self.config.plain(), config.plain(), context.seed),
            save_every=context.save_every,
            phase="weight sampling",
        )
        _forget_beyond_gap(plan, files)

        # A run that is killed between two checkpoints writes the snapshots in between again, with the same content.
        def keep(epoch: int) -> None:
            save_snapshot(files[epoch], supernet.state_dict())

        train(task, {TRAIN: batches}, plan, observer=context.observer, on_epoch=keep)
        return files

    def _started(self) -> list[str]:
        """Return what the weights that the training starts from are known by; nothing where it starts from none."""
        start = self.context.start
        return [] if start is None else [fingerprint(load_snapshot(borrowed_files(start)[0]))]

    def _loss(self) -> Loss:
        return make_loss(self.context, self.config.recipe.label_smoothing, self.config.distillation)


def throw_away(supernet: Supernet, sampler: Sampler, recipe: Recipe, loss: Loss | None = None) -> SupernetTask:
    """Return a training whose steps are as long as those of a recipe, to be timed; what it trains is of no use."""
    optimizer = make_optimizer(supernet, recipe)
    return SupernetTask(supernet, sampler, optimizer, None, loss or Loss(), recipe.clip, Streams(0))


def measured_batches(
    context: Context, part: Part, batch_size: int = 512, limit: int | None = None
) -> EvaluationBatches:
    """Return the batches of a part of the images to measure on."""
    return eval_batches(part, context.images, batch_size=batch_size, device=context.device, limit=limit)


def snapshot_files(run: RunDirectory, samples: int) -> list[Path]:
    """Return the files of all snapshots of a run, the trained weights first."""
    return [run.checkpoint(f"snapshot-{index:02d}") for index in range(samples)]


def borrowed_snapshots(context: Context, source: RunDirectory) -> list[Path]:
    """Return the snapshots of an earlier run whose supernet is to be searched again.

    Raises:
        RunError: when that run has another space, other data or another split of it, another teacher, or has not
            finished its weights.
        CheckpointError: when a snapshot is corrupt.
    """
    check_same_teacher(context, source)
    stored = source.config
    if stored.get("identity") != context.identity():
        raise RunError(
            f"the supernet in {source.path} was trained for another space, other data or another split of it: leave"
            " --data, --space and the options of the data as in that run, or train a new one"
        )
    return borrowed_files(source)


def borrowed_files(source: RunDirectory) -> list[Path]:
    """Return the snapshots of an earlier run.

    Raises:
        RunError: when it has no supernet, or has not finished its weights.
        CheckpointError: when a snapshot is corrupt.
    """
    samples = source.config["search"].get("weight_sampling", {}).get("samples")
    if samples is None:
        raise RunError(f"{source.path} has trained no supernet: give a run that has one")
    files = snapshot_files(source, samples)
    there = sum(file.exists() for file in files)
    if there < len(files):
        raise RunError(f"{source.path} has {there} of {len(files)} snapshots: finish that run with --resume first")
    load_snapshot(files[0])
    return files


def check_start(context: Context, source: RunDirectory) -> None:
    """Refuse to start from the supernet of a run whose space or input is another; only classes may differ.

    Raises:
        RunError: naming what differs.
        CheckpointError: when its weights are corrupt.
    """
    there, now = source.config["space"], describe(context.space)
    shape = [f"{one['image_size']} pixels and {one['in_channels']} channels" for one in _arguments(there, now)]
    if shape[0] != shape[1]:
        raise RunError(
            f"the supernet in {source.path} takes images of {shape[0]}, and these have {shape[1]}: set data.image_size"
            " where only that differs, or train a new one"
        )
    alike = [{key: value for key, value in one.items() if key != "classes"} for one in _arguments(there, now)]
    if there["class"] != now["class"] or alike[0] != alike[1]:
        raise RunError(
            f"the supernet in {source.path} was trained for another space: leave --space and its arguments as in that"
            " run, or train a new one"
        )
    borrowed_files(source)


def _arguments(*spaces: dict[str, Any]) -> list[dict[str, Any]]:
    return [space["arguments"] for space in spaces]


def head_of_classes(space: Space, sharing: Sharing) -> set[str]:
    """Return the names of the weights of a supernet that depend on the number of classes."""
    with torch.device("meta"):
        shapes = [
            {name: value.shape for name, value in Supernet(one, sharing).state_dict().items()}
            for one in (space, dataclasses.replace(space, classes=space.classes + 1))
        ]
    return {name for name, shape in shapes[0].items() if shapes[1].get(name) != shape}


def load_weights(supernet: Supernet, snapshot: Path, *, fresh: Collection[str] = ()) -> None:
    """Give ``supernet`` the weights of a snapshot in place, and split it where they were split.

    Args:
        supernet: gets them.
        snapshot: their file.
        fresh: names of weights that stay as they are.

    Raises:
        CheckpointError: when they were shared in another way.
    """
    own = supernet.state_dict()
    try:
        supernet.load_state_dict({**load_snapshot(snapshot), **{name: own[name] for name in fresh}})
    except RuntimeError as error:
        raise CheckpointError(
            f"{snapshot} holds other weights than this supernet: give the same supernet.sharing as the run that made it"
        ) from error


def _forget_beyond_gap(plan: Plan, files: list[Path]) -> None:
    """Sample anew from the trained weights on where a snapshot that the checkpoint has behind it was removed."""
    if plan.checkpoint is not None and plan.checkpoint.exists():
        content = load_checkpoint(plan.checkpoint)
        if content.get("identity") == plan.identity:
            done = len(content["progress"]["history"])
            if not all(file.exists() for file in files[: done + 1]):
                plan.checkpoint.unlink()
