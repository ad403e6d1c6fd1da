"""The settings of a study as data: what a supernet is, which architectures are scored, and how.

Settings are nested mappings; keys may be dotted (``supernet.recipe.lr``). What differs between conditions, scales and
studies is merged over a base, and read into the configurations below.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from trueshot.core.config import Choice, Config, Names, Part
from trueshot.core.errors import ConfigError
from trueshot.core.fingerprint import fingerprint
from trueshot.evaluation.config import EvaluationConfig, Metric, Recalibration, Way
from trueshot.strategies.config import SupernetConfig, WeightSamplingConfig
from trueshot.strategies.presets import merge
from trueshot.training.config import Recipe
from trueshot.training.data.options import Augmentation, DataOptions

IMAGENET = "imagenet"
"""Source that stands for a folder of this name in ``$TRUESHOT_DATA``."""


class Size(NamedTuple):
    """What a source holds, so that a plan needs no images: side in pixels, channels, classes, training images."""

    side: int
    channels: int
    classes: int
    train: int

    @property
    def shape(self) -> dict[str, int]:
        """What a network must fit, by the names of a space's arguments."""
        return {"image_size": self.side, "classes": self.classes, "in_channels": self.channels}


SIZES = {
    "digits": Size(8, 1, 10, 1437),
    "cifar10": Size(32, 3, 10, 50_000),
    "subimagenet64": Size(64, 3, 100, 25_000),
    IMAGENET: Size(224, 3, 1000, 1_281_167),
}


class SpaceConfig(Config):
    """A space by name, without the shape of the images."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Images(Config):
    """What is trained on.

    Attributes:
        source: as for ``trueshot search --data``, or ``imagenet``.
        data: how it is read and split.
    """

    source: str
    data: DataOptions = DataOptions()

    @property
    def size(self) -> Size:
        """Shape of the images that networks see, and how many there are for training and validation.

        Raises:
            ConfigError: for a source whose size is not stated.
        """
        if self.source not in SIZES:
            raise ConfigError(f"the size of '{self.source}' is not known: a plan is for {', '.join(SIZES)} only")
        size, limit = SIZES[self.source], self.data.max_images
        return size._replace(side=self.data.image_size or size.side, train=min(size.train, limit or size.train))

    @property
    def validation(self) -> int:
        """Number of validation images."""
        return round(self.size.train * self.data.validation_fraction)


class Kind(Images):
    """A kind of supernet: all that decides its weights but the seed, and how it scores.

    Attributes:
        space: of the supernet.
        supernet: its training.
        evaluation: how its weights score.
    """

    space: SpaceConfig
    supernet: SupernetConfig
    evaluation: EvaluationConfig = EvaluationConfig()

    @property
    def identity(self) -> str:
        """Fingerprint of what decides the weights."""
        split = self.data.replace(max_bad_images=0, workers=None).plain()
        return fingerprint("supernet 1", self.source, split, self.space.plain(), self.supernet.plain())[:16]

    @property
    def label(self) -> str:
        """What tells it from other kinds, for people."""
        recipe, arguments = self.supernet.recipe, self.space.arguments
        shape = [f"{name} {arguments[name]}" for name in ("channels", "cells", "sub_space") if name in arguments]
        parts = [self.space.name, *shape, f"{self.size.side} pixels", _told(self.supernet.sampler)]
        parts += [_told(self.supernet.sharing)] if self.supernet.sharing.kind != "plain" else []
        return ", ".join([*parts, f"{recipe.epochs} epochs", f"lr {recipe.lr:g}", f"momentum {recipe.momentum:g}"])

    @property
    def steps(self) -> int:
        """Optimizer steps of an epoch."""
        return (self.size.train - self.validation) // self.supernet.recipe.batch_size


def _told(part: Part) -> str:
    options = [f"{name} {value}" for name, value in part.config.plain().items()]
    return " ".join([part.kind, *([f"({', '.join(options)})"] if options else [])])


class ArchsConfig(Config):
    """Which architectures are scored.

    Attributes:
        draw: ``classes``: all members of classes of twins, each class equally likely; ``rows``: architectures,
            uniformly; ``sampler``: what ``sampler`` draws.
        count: how many classes or architectures; none for all.
        rule: what twins are; none for the first rule of the space.
        sampler: for ``sampler``.
        stream: name of the draw.
    """

    draw: Literal["classes", "rows", "sampler"] = "rows"
    count: int | None = Field(default=None, ge=2)
    rule: str | None = None
    sampler: Annotated[Part, Choice("sampler")] | None = None
    stream: str = "study/archs"


class TruthConfig(Config):
    """Where the truth about architectures comes from: columns of a table, or trainings.

    Attributes:
        file: of the table, also in ``$TRUESHOT_DATA``; ``columns``: by the name that the analysis knows.
        recipe: of trainings on the training images alone, measured on test images; ``seeds`` of each architecture.
        augmentation: of them.
    """

    file: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    recipe: Recipe | None = None
    augmentation: Augmentation = Augmentation()
    seeds: int = Field(default=1, ge=1)


class ScoreConfig(Config):
    """One way of scoring by a supernet; with ``last`` or ``shares`` one for each of several epochs.

    Attributes:
        way: of the evaluator ``supernet``; ``metric`` likewise, none for that of the evaluation.
        weight_sampling: samples of the weights, for the ways that average.
        last: scores at each of so many last epochs; ``shares``: after these shares of the epochs.
        count: on the first so many architectures only.
        recalibration: of BatchNorm, none for that of the evaluation.
    """

    way: Way = "single"
    metric: Metric | None = None
    recalibration: Recalibration | None = None
    weight_sampling: WeightSamplingConfig = WeightSamplingConfig(samples=1)
    last: int = Field(default=0, ge=0)
    shares: tuple[Annotated[float, Field(gt=0, le=1)], ...] = ()
    count: int | None = Field(default=None, ge=1)

    def epochs(self, total: int) -> tuple[int, ...]:
        """Return the complete epochs at which it scores; none for the end alone."""
        last = range(max(1, total - self.last + 1), total + 1)
        return tuple(sorted({*last, *(max(1, round(share * total)) for share in self.shares)}))


class Extent(Config):
    """How much of a study a scale runs.

    Attributes:
        seeds: supernets of each kind; ``stream``: name of their seeds, which pairs conditions and is shared by studies.
        within: name under which the study's other draws are made.
        archs: what is scored; ``truth``: about it; ``scores``: in which ways, by name.
        resamples: of bootstrap intervals.
    """

    seeds: int = Field(default=1, ge=1)
    stream: str = "bank/supernet"
    within: str = ""
    archs: ArchsConfig = ArchsConfig()
    truth: TruthConfig = TruthConfig()
    scores: dict[str, ScoreConfig]
    resamples: int = Field(default=1000, ge=1)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping whose dotted keys are taken apart; inner mappings are left as they are."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        part: Any = value
        for name in reversed(key.split(".")):
            part = {name: part}
        result = merge(result, part)
    return result


def layered(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values, each layer over those before it."""
    result: dict[str, Any] = {}
    for layer in layers:
        result = merge(result, nested(layer))
    return result


def read(values: Mapping[str, Any], names: Names) -> tuple[Kind, Extent]:
    """Read merged values into a kind of supernet and how much of a study is run, each with the keys that it knows.

    Raises:
        ConfigError: naming the first value that is wrong.
    """
    known = {*Kind.model_fields, *Extent.model_fields}
    if unknown := sorted(values.keys() - known):
        raise ConfigError(f"setting {unknown[0]}: there is no such value; known are {', '.join(sorted(known))}")
    kind, extent = ({key: value for key, value in values.items() if key in cls.model_fields} for cls in (Kind, Extent))
    return Kind.make(kind, names), Extent.make(extent, names)
