"""What a table of truth is built from: its configuration, its images, and which architectures are trained."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from pydantic import Field, ValidationError, model_validator

from trueshot.core.errors import ConfigError
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.evaluation.fingerprint import fingerprint
from trueshot.sampling import Sampler
from trueshot.spaces import Space
from trueshot.spaces.description import describe
from trueshot.strategies.config import SamplerConfig, Section, first_error
from trueshot.training.data.augment import Augmentation
from trueshot.training.data.batches import Batches, EvaluationBatches, eval_batches, train_batches
from trueshot.training.data.dataset import Dataset, EncodedImages, Part
from trueshot.training.data.options import DataOptions
from trueshot.training.recipe import Recipe

_DOUBLINGS, _FIRST_DRAW = 14, 64


class TruthTraining(Section):
    """How every architecture is trained."""

    recipe: Recipe
    augmentation: Augmentation = Augmentation()


class TruthConfig(Section):
    """Everything that decides the values of a table, apart from space, data and device, and what chooses its rows.

    Attributes:
        seed: of the choice of architectures and of the first training of each; further trainings count on from it.
        threads: of PyTorch in each worker; values are bit-identical at an equal number only.
        save_every: seconds between the checkpoints of a training.
        data: how images are read and split.
        sampler: draws the architectures where none are given.
        retraining: by what all are trained, on the training images alone.
    """

    seed: int = Field(default=0, ge=0)
    threads: int = Field(default=1, ge=1)
    save_every: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    data: DataOptions = DataOptions()
    sampler: SamplerConfig = SamplerConfig(kind="uniform")
    retraining: TruthTraining

    @model_validator(mode="after")
    def _check_sampler(self) -> TruthConfig:
        if self.sampler.per_step != 1 or self.sampler.averaging != "all":
            raise ValueError("sampler.per_step and sampler.averaging belong to a supernet: leave them out")
        return self

    @classmethod
    def make(cls, values: dict[str, Any]) -> TruthConfig:
        """Validate nested plain values.

        Raises:
            ConfigError: naming the first value that is wrong, and how.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise first_error(error) from error


@dataclass(frozen=True, kw_only=True)
class TruthSetup:
    """One build: configuration, space, data, device and the directory that holds its work."""

    config: TruthConfig
    space: Space
    dataset: Dataset
    run: RunDirectory
    device: torch.device

    @cached_property
    def steps(self) -> int:
        """Optimizer steps of each training."""
        return self.config.retraining.recipe.epochs * self.batches(0).steps_per_epoch

    @cached_property
    def measured(self) -> dict[str, EvaluationBatches]:
        """Validation and test images."""
        parts = {"valid": self.dataset.validation, "test": self.dataset.test}
        return {
            name: eval_batches(part, self.dataset, batch_size=512, device=self.device) for name, part in parts.items()
        }

    def batches(self, seed: int) -> Batches:
        """Return the training batches: the same images in the same order for every architecture of one seed."""
        training = self.config.retraining
        return train_batches(
            self.dataset.train,
            self.dataset,
            batch_size=training.recipe.batch_size,
            augmentation=training.augmentation,
            streams=Streams(seed).child("truth-batches"),
            device=self.device,
        )

    @cached_property
    def settings(self) -> str:
        """Fingerprint of all that the values depend on besides architecture and seed."""
        split = self.config.data.model_dump(exclude={"max_bad_images", "workers"})
        training, threads = self.config.retraining, self.config.threads
        space = repr(describe(self.space))
        return fingerprint("truth 1", space, self.dataset.digest, repr((split, training, threads, self.device.type)))

    def record(self, training: Training) -> Path:
        """Return where the results of a training are kept."""
        name = fingerprint(self.settings, training.arch, training.seed)[:20]
        return self.run.path / "trainings" / f"{name}.json"


@dataclass(frozen=True)
class Training:
    """One architecture, as its string, under one seed."""

    arch: str
    seed: int


def share_decoders(dataset: Dataset, workers: int) -> Dataset:
    """Divide the processes that decode large images among workers; how many there are changes no value."""

    def fewer(images: EncodedImages) -> EncodedImages:
        return dataclasses.replace(images, workers=-(-images.workers // workers))

    def shared(part: Part) -> Part:
        images = part.images
        return dataclasses.replace(part, images=fewer(images)) if isinstance(images, EncodedImages) else part

    test = dataset.held_back
    return dataclasses.replace(
        dataset,
        train=shared(dataset.train),
        validation=shared(dataset.validation),
        held_back=dataclasses.replace(test, encoded=fewer(test.encoded)),
    )


def choose_architectures(sampler: Sampler, space: Space, n: int, streams: Streams) -> UInt8[np.ndarray, "n decisions"]:
    """Draw ``n`` distinct architectures; a smaller ``n`` gives the first of them.

    Raises:
        ConfigError: when there are not so many.
    """
    if n > space.architectures:
        raise ConfigError(f"--n {n}: space {space.name} has only {space.architectures} architectures: ask for fewer")
    chosen: dict[bytes, np.ndarray] = {}
    for number in range(_DOUBLINGS):
        drawn = sampler.sample(_FIRST_DRAW << number, streams.numpy("truth/architectures", number))
        for row in drawn:
            chosen.setdefault(row.tobytes(), row)
            if len(chosen) == n:
                return np.stack(list(chosen.values()))
    raise ConfigError(
        f"--n {n}: the sampler gives only {len(chosen)} different architectures of {space.name}: ask for fewer, or take"
        " another --sampler"
    )


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """Return the recipe with another number of epochs, a quarter of which is warm-up at most.

    Raises:
        ConfigError: when it is below 1.
    """
    return dataclasses.replace(recipe, epochs=epochs, warmup_epochs=min(recipe.warmup_epochs, epochs / 4))
