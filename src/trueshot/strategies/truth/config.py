"""The configuration of a table of truth."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trueshot.core.config import Choice, Config, Flag, Part
from trueshot.sampling.config import UniformConfig
from trueshot.training.config import Recipe
from trueshot.training.data.options import Augmentation, DataOptions


class TruthTraining(Config):
    """How every architecture is trained.

    Attributes:
        recipe: the optimizer and its schedule.
        augmentation: of the training images.
    """

    recipe: Recipe
    augmentation: Augmentation = Augmentation()


class TruthConfig(Config):
    """Everything that decides the values of a table, apart from space, data and device, and what chooses its rows.

    Attributes:
        seed: of the choice of architectures and of the first training of each; further trainings count on from it.
        threads: of PyTorch in each worker; values are bit-identical at an equal number only.
        save_every: seconds between the checkpoints of a training.
        data: how images are read and split.
        sampler: draws the architectures where none are given.
        retraining: by what all are trained, on the training images alone.
    """

    seed: Annotated[int, Flag("--seed", help="Of the choice of architectures, and first seed of the trainings.")] = (
        Field(default=0, ge=0)
    )
    threads: Annotated[int, Flag("--threads", metavar="N", help="Of PyTorch in each worker; one without it.")] = Field(
        default=1, ge=1
    )
    save_every: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    data: DataOptions = DataOptions()
    sampler: Annotated[Part, Choice("sampler"), Flag("--sampler", metavar="KIND")] = Part("uniform", UniformConfig())
    retraining: TruthTraining
