"""Stages of a strategy of one's own: what they train and ask is kept in the run, and goes on there after a kill.

Checkpoints, logs and random streams are named after the stage, so that a strategy has none of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from trueshot.core.cache import EvaluationCache
from trueshot.core.random import Streams
from trueshot.sampling import Sampler
from trueshot.search.protocol import Proposer
from trueshot.sharing import Sharing, Supernet
from trueshot.strategies.asking import Asking, described
from trueshot.strategies.setup import Context
from trueshot.training.config import Recipe
from trueshot.training.data.batches import train_batches
from trueshot.training.data.dataset import Part
from trueshot.training.data.options import Augmentation
from trueshot.training.loop import train
from trueshot.training.optimizers import make_optimizer
from trueshot.training.plan import Plan
from trueshot.training.schedules import Schedule, make_schedule
from trueshot.training.standalone import build
from trueshot.training.supernet import StepOptions, SupernetTask
from trueshot.training.task import TRAIN, Row, Task

T = TypeVar("T", bound=Task)


def make_supernet(context: Context, sharing: Sharing) -> Supernet:
    """Return a supernet of the space with its initial weights, which follow from the seed of the run."""
    supernet = build(lambda: Supernet(context.space, sharing), context.streams.child("own-supernet"), context.device)
    assert isinstance(supernet, Supernet)
    return supernet


def train_task(
    context: Context,
    name: str,
    make_task: Callable[[Schedule, Streams], T],
    recipe: Recipe,
    parts: Mapping[str, Part],
    *,
    identity: Any = None,
    augmentation: Augmentation | None = None,
    number: int = 1,
) -> tuple[T, list[Row]]:
    """Train a task by a recipe, or finish what a killed process left of it.

    Args:
        context: of the run.
        name: of the stage: of its checkpoint, its log and its draws.
        make_task: given the learning rate by step, over the whole length, and a source for what the task draws.
        recipe: number of epochs, images in a step, and learning rate; an epoch is a pass over the largest part.
        parts: images by the name of their stream of batches.
        identity: plain values that decide the training beside the recipe; a checkpoint made for others is refused.
        augmentation: of the images of all parts; the usual one by default.
        number: of the training, from 1, where a stage trains again and again.

    Returns:
        The task, and one row for each epoch, as :func:`~trueshot.training.loop.train`.
    """
    streams, changed = context.streams.child(name, number), augmentation or Augmentation()
    batches = {
        stream: train_batches(
            part,
            context.images,
            batch_size=recipe.batch_size,
            augmentation=changed,
            streams=streams.child(f"batches/{stream}"),
            device=context.device,
        )
        for stream, part in parts.items()
    }
    epoch = max(one.steps_per_epoch for one in batches.values())
    plan = Plan.in_run(
        context.run,
        name,
        recipe.epochs * epoch,
        identity=context.identity(name, recipe.plain(), changed.plain(), identity, context.seed),
        save_every=context.save_every,
        training_round=number,
    )
    task = make_task(make_schedule(recipe, plan, epoch), streams.child("task"))
    return task, train(task, batches, plan, observer=context.observer)


def train_shared(
    context: Context, name: str, supernet: Supernet, sampler: Sampler, recipe: Recipe, *, number: int = 1
) -> list[Row]:
    """Train shared weights in place on the training images; return one row for each epoch, as :func:`train_task`."""

    def make_task(schedule: Schedule, streams: Streams) -> SupernetTask:
        optimizer, options = (
            make_optimizer(supernet, recipe),
            StepOptions(dropout=recipe.dropout, at_once=recipe.at_once),
        )
        loss = context.loss(recipe.label_smoothing)
        return SupernetTask(supernet, sampler, optimizer, schedule, loss, recipe.clip, streams, options)

    _, rows = train_task(context, name, make_task, recipe, {TRAIN: context.images.train}, number=number)
    return rows


@contextlib.contextmanager
def asking_in_run(context: Context, proposer: Proposer, *, batch: int, chunk: int | None = None) -> Iterator[Asking]:
    """Yield what asks a proposer; scores, asks and tells are kept in the run.

    Args:
        context: of the run.
        proposer: has not been asked before.
        batch: most architectures asked for at once.
        chunk: most architectures in one call of the evaluator; all of a batch by default.
    """
    columns = described(context.space, context.costs)
    log = context.run.log("asked")
    with EvaluationCache(context.run.evaluations) as cache:
        yield Asking(proposer, cache, log=log, describe=columns, batch=batch, chunk=chunk, space=context.space)
