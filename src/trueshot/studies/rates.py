"""Measured rates: the seconds of a training step and of a score, from a few of each on stand-in images.

On a processor they are seconds of it, which other work on the machine does not stretch. Rates are remembered in the
bank by what they depend on, so that one network never has two, and finished trainings put their own in their place.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from trueshot.core.fingerprint import fingerprint
from trueshot.core.random import Streams
from trueshot.evaluation.one_shot import OneShot
from trueshot.evaluation.timing import waiting_for
from trueshot.sampling import Uniform
from trueshot.sharing import Sharing, Supernet
from trueshot.spaces import Space
from trueshot.spaces.description import describe
from trueshot.strategies.setup import environment, threads
from trueshot.strategies.supernet import throw_away
from trueshot.studies.session import Session, make_sampler
from trueshot.studies.setting import Images, Kind
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.optimizers import make_optimizer
from trueshot.training.standalone import NetworkTask, build
from trueshot.training.task import TRAIN, Task

_STEPS, _SCORES, _SCORED = 3, 200, 500
_PIXELS = 64 * 224 * 224 // 8
"""A processor is measured on batches of at most so many pixels: its time is in proportion, its memory is not."""


def step_key(kind: Kind, device: torch.device) -> str:
    """Return the name of the rate of a step: neither the length nor the rates of a recipe matter to it."""
    batch, shared = kind.supernet.recipe.batch_size, kind.supernet
    parts = (kind.space.plain(), kind.size, batch, shared.sampler.plain(), shared.sharing.kind, shared.averaging)
    return f"step {fingerprint(*parts, _where(device))[:16]}"


def score_key(kind: Kind, device: torch.device) -> str:
    """Return the name of the rate of a score."""
    parts = (kind.space.plain(), kind.size, kind.validation, kind.evaluation.plain(), kind.supernet.sharing.kind)
    return f"score {fingerprint(*parts, _where(device))[:16]}"


def _where(device: torch.device) -> str:
    found = environment(device)
    return str(found["gpu"] or found["cpu"])


def step_rate(session: Session, kind: Kind) -> float:
    """Return the seconds of an optimizer step of a supernet; weights to be split are not split yet."""

    def measure() -> float:
        supernet = planned_supernet(session, kind)
        recipe = kind.supernet.recipe
        task = throw_away(supernet, make_sampler(kind.supernet.sampler, supernet.space), recipe)
        return _step_seconds(task, kind, recipe.batch_size, session.device)

    return session.bank.rate(step_key(kind, session.device), measure)


def score_rate(session: Session, kind: Kind) -> float:
    """Return the seconds of one score of a supernet, in a row of neighbours that share work."""

    def measure() -> float:
        supernet, config = planned_supernet(session, kind), kind.evaluation
        images = min(kind.validation, config.images or kind.validation)
        batch = stand_in(kind, min(images, _SCORED), session.device)
        recalibration = config.recalibration.limited_to(len(batch[0]))
        one_shot = OneShot(supernet, [batch], calibration=[batch], recalibration=recalibration, metric=config.metric)
        archs = Uniform(supernet.space).sample(_SCORES, Streams(0).numpy("rate"))
        archs = archs[np.lexsort(archs.T[::-1])]
        seconds = _median(lambda _: one_shot(archs), 1, session.device) / len(archs)
        extra = config.recalibration
        seen = (extra.batches * extra.batch_size if extra.needs_images else 0) + images
        measured = (recalibration.batches * recalibration.batch_size if extra.needs_images else 0) + len(batch[0])
        return seconds * seen / measured

    return session.bank.rate(score_key(kind, session.device), measure)


def network_rate(session: Session, name: str, make: Callable[[], nn.Module], images: Images, recipe: Recipe) -> float:
    """Return the seconds of an optimizer step of a network; ``name`` tells its architecture from any other."""

    def measure() -> float:
        network = build(make, Streams(0), session.device)
        task = NetworkTask(network, recipe, make_optimizer(network, recipe), None, Loss(), Streams(0))
        return _step_seconds(task, images, recipe.batch_size, session.device)

    key = fingerprint(name, images.size, recipe.batch_size, _where(session.device))
    return session.bank.rate(f"network {key[:16]}", measure)


def typical(space: Space) -> np.ndarray:
    """Return a sampled architecture of middling MAdds."""
    rows = Uniform(space).sample(101, Streams(0).numpy("typical"))
    row: np.ndarray = rows[np.argsort(space.cost(rows).madds, kind="stable")[50]]
    return row


def space_name(space: Space, row: np.ndarray) -> str:
    """Return the name of a network's rate."""
    return f"{describe(space)} {space.format(row)}"


def planned_supernet(session: Session, kind: Kind) -> Supernet:
    """Build a supernet of a kind for images of the stated size; none are read."""
    space = session.space(kind.space, kind, planned=True)
    # A sharing is made from the space alone wherever it is made here.
    sharing: Sharing = kind.supernet.sharing.build(SimpleNamespace(space=space))
    supernet = build(lambda: Supernet(space, sharing), Streams(0), session.device)
    assert isinstance(supernet, Supernet)
    return supernet


def stand_in(images: Images, count: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random pixels of the size of some images, and random classes, in the format that images come in."""
    size, generator = images.size, Streams(0).torch("cost")
    pixels = torch.randn(count, size.channels, size.side, size.side, generator=generator)
    labels = torch.randint(size.classes, (count,), generator=generator)
    return pixels.to(device), labels.to(device)


def _step_seconds(task: Task, images: Images, batch: int, device: torch.device) -> float:
    few = batch if device.type != "cpu" else max(2, min(batch, _PIXELS // images.size.side**2))
    pixels, labels = stand_in(images, few, device)
    return _median(lambda index: task.step(index, {TRAIN: (pixels, labels)}), _STEPS, device) * batch / few


def _median(call: Callable[[int], object], times: int, device: torch.device) -> float:
    """Return the median seconds of some calls after one that warms up; on a processor its own seconds."""
    wait, clock = waiting_for(device), time.process_time if device.type == "cpu" else time.perf_counter
    seconds = []
    with threads(1):
        for index in range(times + 1):
            start = clock()
            call(index)
            wait()
            seconds.append(clock() - start)
    return statistics.median(seconds[1:])
