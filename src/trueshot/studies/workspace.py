"""Where a study works: its images, its device and the directory from which it goes on after a kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trueshot.core.files import read_json, write_json
from trueshot.core.fingerprint import fingerprint
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.evaluation.trained import train_and_measure
from trueshot.spaces import Space
from trueshot.spaces.counting import count_madds, count_params
from trueshot.strategies.setup import Context, environment, join
from trueshot.studies.images import Images
from trueshot.studies.result import Estimate, Row, Scale, StudyResult
from trueshot.training.config import Recipe
from trueshot.training.data.batches import EvaluationBatches, eval_batches, train_batches
from trueshot.training.data.dataset import Dataset
from trueshot.training.plan import Plan
from trueshot.training.standalone import build


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network to train from scratch and to measure on the test images.

    Attributes:
        name: for progress and files.
        key: text that tells its architecture from any other.
        make: builds it.
        recipe: how to train it.
        everything: whether on training and validation images together, or on the training images alone.
        repeat: number of the training, from 0: seed of weights, order and augmentation.
    """

    name: str
    key: str
    make: Callable[[], nn.Module]
    recipe: Recipe
    everything: bool = True
    repeat: int = 0


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """One study's work. Whatever is trained lies below ``out`` under a name that holds its fingerprint.

    A repeated command therefore picks up what is there, other settings never meet it, and studies that share what
    they train may share a directory.
    """

    out: Path
    scale: Scale
    images: Images
    device: torch.device
    seed: int = 0
    observer: Observer = SILENT
    started: float = field(default_factory=time.monotonic)
    _spent: dict[str, float] = field(default_factory=dict)

    @cached_property
    def dataset(self) -> Dataset:
        """The images."""
        dataset = self.images.load()
        for note in dataset.notes:
            self.observer.say(f"note: {note}")
        return dataset

    @property
    def shape(self) -> dict[str, int]:
        """Arguments of a space that fit the images."""
        dataset = self.dataset
        return {
            "image_size": dataset.image_size,
            "classes": len(dataset.classes),
            "in_channels": dataset.channels,
        }

    @cached_property
    def test(self) -> EvaluationBatches:
        """The test images."""
        return eval_batches(self.dataset.test, self.dataset, batch_size=512, device=self.device)

    def context(self, space: Space, run: RunDirectory, seed: int) -> Context:
        """Return what components of a run over the study's images are made from."""
        return Context(
            space=space,
            dataset=self.dataset,
            run=run,
            device=self.device,
            seed=seed,
            data=self.images.options,
            observer=self.observer,
        )

    def identity(self, *parts: Any) -> str:
        """Fingerprint of the images, their augmentation and further plain values."""
        return fingerprint(self.dataset.digest, self.images.options.plain(), self.images.augmentation.plain(), *parts)

    def remember(self, name: str, identity: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what ``make`` returned, from the directory where it was made before; ``seconds`` counts as work."""
        path = self.out / "records" / f"{name}-{identity[:12]}.json"
        if not path.exists():
            write_json(path, make())
        record = read_json(path)
        self.count(path.name, record.get("seconds", 0.0))
        return record

    def count(self, name: str, seconds: float) -> None:
        """Count seconds of work under a name, once however often it is asked for."""
        self._spent[name] = seconds

    def trained(self, network: Network) -> dict[str, Any]:
        """Train a network, or take up its training, and measure it on the test images.

        Returns:
            ``top1`` (fraction), ``loss``, ``n`` (test images), ``train_top1`` (on the training batches of the last
            epoch), ``params``, ``madds``, ``steps``, ``seconds``.
        """
        identity = self.identity(
            "network", network.key, network.recipe.plain(), network.everything, network.repeat, self.seed
        )
        checkpoint = self.out / "checkpoints" / f"{network.name}-{identity[:12]}.ckpt"
        record = self.remember(network.name, identity, lambda: self._train(network, identity, checkpoint))
        # Only now: a kill between measuring and recording finds the trained weights again.
        checkpoint.unlink(missing_ok=True)
        return record

    def _train(self, network: Network, identity: str, checkpoint: Path) -> dict[str, Any]:
        streams = Streams(self.seed).child(f"network/{network.key}", network.repeat)
        dataset = self.dataset
        batches = train_batches(
            join(dataset.train, dataset.validation) if network.everything else dataset.train,
            dataset,
            batch_size=network.recipe.batch_size,
            augmentation=self.images.augmentation,
            streams=Streams(self.seed).child("network-batches", network.repeat),
            device=self.device,
        )
        steps = network.recipe.epochs * batches.steps_per_epoch
        trained = train_and_measure(
            build(network.make, streams, self.device),
            batches,
            network.recipe,
            streams,
            plan=Plan(phase=network.name, steps=steps, checkpoint=checkpoint, identity=identity),
            classes=len(dataset.classes),
            measured={"test": self.test},
            observer=self.observer,
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

    def result(
        self,
        study: str,
        title: str,
        rows: Sequence[Row],
        notes: Sequence[str],
        *,
        estimate: Estimate | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> StudyResult:
        """Return the study's result, with the circumstances under which it was found."""
        dataset = self.dataset
        data = {
            "name": dataset.name,
            "train": len(dataset.train),
            "validation": len(dataset.validation),
            "test": dataset.test_size,
            "image_size": dataset.image_size,
            "classes": len(dataset.classes),
        }
        return StudyResult(
            study=study,
            title=title,
            scale=self.scale,
            rows=tuple(rows),
            notes=tuple(notes),
            data=data,
            seed=self.seed,
            seconds=time.monotonic() - self.started,
            trained_seconds=sum(self._spent.values()),
            environment=environment(self.device),
            estimate=estimate,
            details=details or {},
        )
