"""What studies are run with: the bank, images, the device, the executor."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from trueshot.core.config import Names, Part
from trueshot.core.errors import ConfigError, DataError
from trueshot.core.executor import Executor
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.core.tables import DATA_VARIABLE
from trueshot.sampling import Sampler
from trueshot.spaces import Space
from trueshot.spaces.canonical.classes import every
from trueshot.strategies.setup import Context, load_dataset
from trueshot.studies.bank import Bank
from trueshot.studies.setting import IMAGENET, ArchsConfig, Images, SpaceConfig
from trueshot.training.data.dataset import Dataset

MakeSpace = Callable[[str, Mapping[str, Any]], Space]


@dataclass(frozen=True, kw_only=True)
class Session:
    """One command's work on studies.

    Attributes:
        bank: of supernets, trainings and rates.
        names: finds components by name; ``make_space`` makes a space by name.
        device: that trains.
        executor: runs independent trainings.
        seed: of everything random.
        source: other images than those of the scale.
        observer: told of the progress.
        keep: epochs whose weights are kept, by the identity of a kind, for other studies than the present one.
    """

    bank: Bank
    names: Names
    make_space: MakeSpace
    device: torch.device
    executor: Executor
    seed: int = 0
    source: str | None = None
    observer: Observer = SILENT
    keep: Mapping[str, frozenset[int]] = field(default_factory=dict)
    _datasets: dict[str, Dataset] = field(default_factory=dict)

    def streams(self, within: str = "") -> Streams:
        """Return the source of the draws of a study."""
        return Streams(self.seed).child(within) if within else Streams(self.seed)

    def seed_of(self, stream: str, index: int) -> int:
        """Return the seed of a repetition."""
        return Streams(self.seed).key(stream, index)

    def dataset(self, images: Images) -> Dataset:
        """Return the images, read once.

        Raises:
            DataError: when they are absent or unreadable.
        """
        key = repr((images.source, images.data))
        if key not in self._datasets:
            self._datasets[key] = dataset = load_dataset(_place(images.source), images.data)
            for note in dataset.notes:
                self.observer.say(f"note: {note}")
        return self._datasets[key]

    def space(self, config: SpaceConfig, images: Images, *, planned: bool = False) -> Space:
        """Return a space that fits the images; ``planned`` takes their stated size, and reads none."""
        shape = images.size.shape if planned else self.shape(images)
        return self.make_space(config.name, {**config.arguments, **shape})

    def shape(self, images: Images) -> dict[str, int]:
        """Return what a network must fit: the shape of the images and their classes."""
        dataset = self.dataset(images)
        return {"image_size": dataset.image_size, "classes": len(dataset.classes), "in_channels": dataset.channels}

    def context(self, images: Images, space: Space, run: RunDirectory, seed: int) -> Context:
        """Return what components of a run are made from."""
        return Context(
            space=space,
            dataset=self.dataset(images),
            run=run,
            device=self.device,
            seed=seed,
            data=images.data,
            observer=self.observer,
            executor=self.executor,
        )


def told(dataset: Dataset) -> dict[str, Any]:
    """Return name, sizes and limits of images, for a result."""
    return {
        "name": dataset.name,
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "test": dataset.test_size,
        "image_size": dataset.image_size,
        "classes": len(dataset.classes),
    }


def _place(source: str) -> str:
    if source != IMAGENET:
        return source
    root = os.environ.get(DATA_VARIABLE)
    folder = Path(root or ".") / IMAGENET
    if root is None or not folder.is_dir():
        raise DataError(
            f"scale paper needs ImageNet: give its folder (with train/ and val/) by --data, or put it into"
            f" ${DATA_VARIABLE} as '{IMAGENET}'; trueshot study plan tells what it would cost without it"
        )
    return str(folder)


def make_sampler(part: Part, space: Space) -> Sampler:
    """Return a sampler of a space without bounds."""
    sampler: Sampler = part.build(SimpleNamespace(space=space, bounds={}))
    return sampler


def draw(config: ArchsConfig, space: Space, streams: Streams) -> UInt8[np.ndarray, "n decisions"]:
    """Return the architectures to score; members of one class stand together.

    Raises:
        ConfigError: when a sampler is asked for and none is given.
    """
    rng, count = streams.numpy(config.stream), config.count
    if config.draw == "sampler":
        if config.sampler is None or count is None:
            raise ConfigError("archs.draw=sampler needs archs.sampler and archs.count: give both")
        return make_sampler(config.sampler, space).sample(count, rng)
    rows = every(space)
    if config.draw == "rows":
        return rows if count is None or count >= len(rows) else rows[np.sort(rng.permutation(len(rows))[:count])]
    labels = classes(space, rows, config.rule)
    number = int(labels.max()) + 1
    if count is not None and count < number:
        keep = np.isin(labels, rng.permutation(number)[:count])
        rows, labels = rows[keep], labels[keep]
    return np.ascontiguousarray(rows[np.argsort(labels, kind="stable")])


def classes(space: Space, rows: UInt8[np.ndarray, "n decisions"], rule: str | None) -> np.ndarray:
    """Return the number of each row's class of twins, ascending in the order of the canonical rows."""
    canonical = space.canonical(rows, rule or space.rules[0])
    return np.unique(canonical, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
