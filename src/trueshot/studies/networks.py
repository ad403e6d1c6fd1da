"""Networks trained by themselves and measured on the test images, each training a job whose record the bank keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import nn

from trueshot.core.executor import Job, Tell, raise_failures
from trueshot.core.files import read_json, write_json
from trueshot.core.fingerprint import fingerprint
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.evaluation.trained import train_and_measure
from trueshot.spaces import Space
from trueshot.spaces.counting import count_madds, count_params
from trueshot.strategies.setup import join
from trueshot.studies.plan import Need
from trueshot.studies.rates import network_rate, space_name, typical
from trueshot.studies.session import Session
from trueshot.studies.setting import Images, TruthConfig
from trueshot.training.config import Recipe
from trueshot.training.data.batches import eval_batches, train_batches
from trueshot.training.data.dataset import Dataset
from trueshot.training.data.options import Augmentation
from trueshot.training.plan import Plan
from trueshot.training.standalone import build


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network to train from scratch.

    Attributes:
        name: for progress and files.
        key: text that tells its architecture from any other.
        make: builds it; picklable.
        recipe: how to train it; ``augmentation``: of its images.
        everything: whether on training and validation images together, or on the training images alone.
        repeat: number of the training, from 0: seed of weights, order and augmentation.
    """

    name: str
    key: str
    make: Callable[[], nn.Module]
    recipe: Recipe
    augmentation: Augmentation
    everything: bool = True
    repeat: int = 0

    def identity(self, images: str, seed: int) -> str:
        """Return the fingerprint of its training; ``images``: of the images and their split."""
        settings = (self.recipe.plain(), self.augmentation.plain(), self.everything, self.repeat, seed)
        return fingerprint("network 1", images, self.key, *settings)


def repeated(network: Network, times: int) -> list[Network]:
    """Return so many trainings of a network."""
    return [dataclasses.replace(network, repeat=repeat) for repeat in range(times)]


def network_needs(networks: Sequence[Network], *, kind: str, what: str, images: int, step: float) -> list[Need]:
    """Return the need of each training, by the training images and the seconds of a step."""
    return [
        Need(
            key=fingerprint(network.key, network.recipe.plain()),
            seed=network.repeat,
            kind=f"{kind}, {network.recipe.epochs} epochs",
            what=what,
            seconds=images // network.recipe.batch_size * network.recipe.epochs * step,
            done=False,
        )
        for network in networks
    ]


def train_networks(session: Session, images: Images, networks: Sequence[Network]) -> list[dict[str, Any]]:
    """Train networks, or find their trainings in the bank.

    Returns:
        For each ``top1`` (fraction, test images), ``loss``, ``n``, ``train_top1``, ``params``, ``madds``, ``steps`` and
        ``seconds``.

    Raises:
        TrueshotError: that of a training which failed, after the others are done and kept.
    """
    dataset = session.dataset(images)
    # Decoded here once, so that workers find them in memory.
    _ = dataset.test
    split = fingerprint(dataset.digest, images.data.plain())
    paths = [session.bank.remembered(network.name, network.identity(split, session.seed)) for network in networks]
    todo = {path: network for path, network in zip(paths, networks, strict=True) if not path.exists()}
    setup = _Setup(dataset, RunDirectory(session.bank.path / "networks"), session.device, session.seed)
    waiting = list(todo.items())
    share = 0.0 if session.device.type == "cpu" else session.executor.device_share
    jobs = [Job(number, network.name, 1, share) for number, (_, network) in enumerate(waiting)]
    session.observer.begin("networks", len(jobs), 0, "training")
    finished = 0

    def result(position: int, content: dict[str, Any]) -> None:
        nonlocal finished
        path = waiting[position][0]
        write_json(path, content)
        # Only now: a kill between measuring and recording finds the trained weights again.
        setup.run.checkpoint(path.stem).unlink(missing_ok=True)
        finished += 1
        session.observer.advance("networks", finished)

    if jobs:
        do = partial(_train, setup, waiting)
        failures = session.executor.run(do, jobs, on_progress=_ignore, on_result=result)
        raise_failures(failures, session.observer.say)
    session.observer.end("networks")
    return [read_json(path) for path in paths]


def _ignore(position: int, done: int) -> None:
    """Progress inside a training is not shown."""


@dataclass(frozen=True)
class _Setup:
    """What all trainings work with."""

    dataset: Dataset
    run: RunDirectory
    device: torch.device
    seed: int


def _train(setup: _Setup, waiting: Sequence[tuple[Path, Network]], number: int, tell: Tell) -> dict[str, Any]:
    path, network = waiting[number]
    streams = Streams(setup.seed).child(f"network/{network.key}", network.repeat)
    dataset = setup.dataset
    batches = train_batches(
        join(dataset.train, dataset.validation) if network.everything else dataset.train,
        dataset,
        batch_size=network.recipe.batch_size,
        augmentation=network.augmentation,
        streams=Streams(setup.seed).child("network-batches", network.repeat),
        device=setup.device,
    )
    test = eval_batches(dataset.test, dataset, batch_size=512, device=setup.device)
    steps = network.recipe.epochs * batches.steps_per_epoch
    trained = train_and_measure(
        build(network.make, streams, setup.device),
        batches,
        network.recipe,
        streams,
        plan=Plan(phase=network.name, steps=steps, checkpoint=setup.run.checkpoint(path.stem), identity=path.stem),
        classes=len(dataset.classes),
        measured={"test": test},
    )
    accuracy = trained.accuracies["test"]
    shape = (dataset.channels, dataset.image_size, dataset.image_size)
    return {
        "name": network.name,
        "key": network.key,
        "top1": accuracy.top1,
        "loss": accuracy.loss,
        "n": accuracy.n,
        "train_top1": trained.epochs[-1]["accuracy"],
        "params": count_params(trained.network),
        "madds": count_madds(trained.network, shape),
        "steps": trained.steps,
        "seconds": trained.seconds,
    }


def _of_truth(images: Images, config: TruthConfig, space: Space, archs: UInt8[np.ndarray, "n d"]) -> list[Network]:
    assert config.recipe is not None
    return [
        network
        for row in archs
        for network in repeated(
            Network(
                name="truth",
                key=space_name(space, row),
                make=partial(space.network, row),
                recipe=config.recipe,
                augmentation=config.augmentation,
                everything=False,
            ),
            config.seeds,
        )
    ]


def trained_truth(
    session: Session, images: Images, config: TruthConfig, space: Space, archs: UInt8[np.ndarray, "n d"]
) -> Float64[np.ndarray, " n"]:
    """Return the test accuracy, in percent, of each architecture trained alone, mean over its seeds."""
    records = train_networks(session, images, _of_truth(images, config, space, archs))
    top1 = np.array([record["top1"] for record in records], dtype=np.float64).reshape(len(archs), config.seeds)
    return np.asarray(100.0 * top1.mean(axis=1), dtype=np.float64)


def truth_needs(
    session: Session, images: Images, config: TruthConfig, space: Space, archs: UInt8[np.ndarray, "n d"]
) -> list[Need]:
    """Return the trainings of a truth; each takes as long as that of an architecture of middling cost."""
    assert config.recipe is not None
    row = typical(space)
    step = network_rate(session, space_name(space, row), partial(space.network, row), images, config.recipe)
    networks, seen = _of_truth(images, config, space, archs), images.size.train - images.validation
    return network_needs(networks, kind=f"truth of {space.name}", what="truth", images=seen, step=step)
