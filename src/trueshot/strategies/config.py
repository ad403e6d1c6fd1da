"""The configuration of a search: what every run has, and what the strategies of this package own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from trueshot.core.config import Choice, Config, Flag, Names, Part, PartConfig
from trueshot.core.errors import ConfigError, did_you_mean
from trueshot.evaluation.config import EvaluationConfig, SupernetScoreConfig
from trueshot.evaluation.fusion_config import FusionConfig
from trueshot.sampling.config import AutoConfig
from trueshot.search.config import EvolutionConfig, NSGA2Config, RandomSearchConfig
from trueshot.sharing.config import PlainConfig
from trueshot.strategies.short_config import ShortConfig
from trueshot.training.config import Averaging, DistillationConfig, LearningConfig, Recipe
from trueshot.training.data.options import Augmentation, DataOptions

if TYPE_CHECKING:
    from trueshot.search.bounds import Bounds
    from trueshot.spaces.costs import CostFunctions
    from trueshot.strategies.search import Search

_TRANSFERRED = 0.25
"""Share of a training from scratch, of its epochs and its learning rate, by which weights of other images are tuned."""

STRATEGY = "one-shot"
"""The strategy of a run that names none."""


class TransferConfig(Config):
    """Fine-tuning of shared weights that were trained on other images, with a new head.

    Attributes:
        epochs: passes over the new images; without a number, a quarter of those of a training from scratch.
        lr: learning rate at the start; without one, a quarter of that of a training from scratch.
    """

    epochs: int | None = Field(default=None, ge=1)
    lr: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class SupernetConfig(Config):
    """Training of the shared weights (ST-NAS, Algorithm 1).

    Attributes:
        recipe: the optimizer and its schedule.
        augmentation: of the training images.
        sampler: which architectures train.
        averaging: gradients are divided by the number of ``all`` architectures of a step, or of those ``containing``
            the weight.
        sharing: which weights are shared.
        distillation: an optional teacher.
        transfer: how shared weights of an earlier run (``--supernet``) are fine-tuned to other images.
    """

    recipe: Recipe
    augmentation: Augmentation = Augmentation()
    sampler: Annotated[Part, Choice("sampler"), Flag("--sampler", metavar="KIND")] = Part("auto", AutoConfig())
    averaging: Averaging = "all"
    sharing: Annotated[Part, Choice("sharing"), Flag("--sharing", metavar="KIND")] = Part("plain", PlainConfig())
    distillation: DistillationConfig | None = None
    transfer: TransferConfig = TransferConfig()

    def transferred(self) -> SupernetConfig:
        """Return the configuration whose recipe fine-tunes shared weights of other images."""
        recipe, transfer = self.recipe, self.transfer
        epochs = transfer.epochs or scaled_epochs(recipe.epochs, _TRANSFERRED)
        lr = transfer.lr or max(recipe.lr * _TRANSFERRED, recipe.final_lr)
        recipe = recipe.with_epochs(epochs)
        return self.replace(recipe=recipe.replace(lr=lr, final_lr=min(recipe.final_lr, lr)))

    @property
    def split_epoch(self) -> int | None:
        """Complete epochs after which weights are split, ``None`` where they are not."""
        epoch: int | None = self.sharing.says("epoch")
        return epoch

    def scaled(self, factor: float) -> SupernetConfig:
        """Return the configuration with so many times the epochs; weights are split at the same share of them."""
        epoch, before, epochs = self.split_epoch, self.recipe.epochs, scaled_epochs(self.recipe.epochs, factor)
        sharing = self.sharing
        if epoch is not None:
            moved = min(round(epoch * epochs / before), epochs - 1)
            sharing = dataclasses.replace(sharing, config=sharing.config.replace(epoch=moved))
        return self.replace(recipe=self.recipe.with_epochs(epochs), sharing=sharing)

    @model_validator(mode="after")
    def _check_split(self) -> SupernetConfig:
        epoch, epochs = self.split_epoch, self.recipe.epochs
        if epoch is not None and epoch >= epochs:
            raise ValueError(
                f"sharing.epoch {epoch} splits the weights after the end of {epochs} epochs: choose 0 to {epochs - 1}"
            )
        return self


class WeightSamplingConfig(Config):
    """Sampling of the shared weights by SGLD (ST-NAS, Algorithm 2).

    Attributes:
        samples: number of snapshots, the trained weights included; 1 samples nothing.
        lr: constant step size; without one, the final learning rate of the supernet's training.
        temperature: of the posterior; without one, 1/N for N training images; 1 is Eq. 9 to the letter.
    """

    samples: int = Field(default=20, ge=1)
    lr: float | None = Field(default=None, gt=0)
    temperature: float | None = Field(default=None, ge=0)


class RetrainingConfig(Config):
    """Training of what was found, from scratch, on training images alone; what is chosen then trains on all.

    Attributes:
        recipe: for every network alike.
        augmentation: likewise.
        repeats: seeds for each architecture of the space.
        random: how many random architectures within 2 % of its cost stand beside each winner.
        at_bound: how many random architectures within 5 % below its bound stand beside each winner, a group apart.
        convergence: whether one network of each kind is also trained for half as long, to tell whether all converge.
        least_steps: optimizer steps below which networks cannot converge; a time budget that allows no more is refused.
        pretrained: network with weights from elsewhere that stands beside them, ``none`` for none; without a name, that
            of an installed package, if any.
        off_the_shelf: whether a MobileNetV2 scaled to the cost of the most expensive winner stands beside them.
        distillation: an optional teacher.
    """

    recipe: Recipe
    augmentation: Augmentation = Augmentation()
    repeats: int = Field(default=1, ge=1)
    random: int = Field(default=2, ge=0)
    at_bound: int = Field(default=0, ge=0)
    convergence: bool = False
    least_steps: int = Field(default=1, ge=1)
    pretrained: Annotated[
        str | None,
        Flag(
            "--pretrained",
            metavar="PATH_OR_NAME",
            help="A pretrained network of timm beside the others: MODEL=FILE, a name, or none.",
        ),
    ] = None
    off_the_shelf: bool = True
    distillation: DistillationConfig | None = None

    def scaled(self, factor: float) -> RetrainingConfig:
        """Return the configuration with so many times the epochs."""
        return self.replace(recipe=self.recipe.with_epochs(scaled_epochs(self.recipe.epochs, factor)))


class TeacherConfig(LearningConfig):
    """A pretrained network that all networks which a search trains learn from, its shared weights too; or none.

    Its head is fitted to the training images first. Networks with weights from elsewhere do not learn from it.

    Attributes:
        name: the package that ships weights, ``MODEL=FILE``, a file, or a network of timm's hub; ``none`` for none.
        image_size: side in pixels of the images that it sees; without one, that of the images, but at least 64.
    """

    name: Annotated[
        str | None,
        Flag(
            "--teacher",
            metavar="PATH_OR_NAME",
            help="A pretrained network of timm that all trained networks learn from: MODEL=FILE, a name, or none.",
        ),
    ] = None

    @property
    def wanted(self) -> bool:
        """Whether there is a teacher."""
        return self.name not in (None, "none")

    @model_validator(mode="after")
    def _check_named(self) -> TeacherConfig:
        if self.name is None and self.plain():
            raise ValueError(f"teacher.{next(iter(self.plain()))} is of no account without a teacher: give --teacher")
        return self


def scaled_epochs(epochs: int, factor: float) -> int:
    """Return so many times the epochs, at least one."""
    return max(1, round(epochs * factor))


class BudgetConfig(Config):
    """Hard bounds on what an architecture may cost: ``max_madds: 60M``, ``min_params: 1M``, one for every cost.

    Attributes:
        most: the largest value of each cost, by its name; written as ``max_NAME`` too.
        least: the least value of each cost, by its name; written as ``min_NAME`` too.
        fractions: a winner is picked under each of these shares, in (0, 1], of the bound on the cost (of that of the
            most expensive architecture without one); shares that no architecture meets are left out.
    """

    most: dict[str, str | int | float] = Field(default_factory=dict)
    least: dict[str, str | int | float] = Field(default_factory=dict)
    fractions: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(1.0, 0.7, 0.5), min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _read_bounds(cls, values: Any) -> Any:
        """Take ``max_NAME`` and ``min_NAME`` as bounds, and counts as people write them."""
        if not isinstance(values, Mapping):
            return values
        kept = {key: value for key, value in values.items() if key in cls.model_fields}
        bounds = {side: dict(kept.get(side) or {}) for side in ("most", "least")}
        for key, value in values.items():
            prefix, _, name = str(key).partition("_")
            if prefix in _SIDES and name:
                bounds[_SIDES[prefix]][name] = value
            elif key not in kept:
                kept[key] = value
        return {**kept, **bounds}

    def bounds(self, costs: CostFunctions) -> Bounds:
        """Return the bounds in the units of the costs; counts may be written as people do (``60M``, ``350 KB``).

        Raises:
            ConfigError: when a cost is not there, or a value is no positive number of its unit.
            BudgetError: when a least is above its most.
        """
        from trueshot.search.bounds import Bounds

        return Bounds.of(least=_numbers(self.least, costs), most=_numbers(self.most, costs))

    def counted(self, costs: CostFunctions) -> BudgetConfig:
        """Return the configuration with all bounds as numbers, so that ``100k`` and ``100000`` are the same.

        Raises:
            ConfigError: when a cost is not there, or a value is no positive number of its unit.
        """
        return self.replace(least=_numbers(self.least, costs), most=_numbers(self.most, costs))


def _numbers(given: Mapping[str, str | int | float], costs: CostFunctions) -> dict[str, int | float]:
    return {name: costs.parse(name, value) for name, value in given.items()}


_SIDES = {"max": "most", "min": "least"}


class SearchedConfig(PartConfig):
    """What all strategies of this package have in common: an oracle that scores, and a proposer that asks it.

    Attributes:
        oracle: what scores architectures: ``supernet`` (trained first), ``train`` (each architecture is trained), a
            table of truth, or what the user's own file holds.
        column: of a table of truth, for oracles that are one.
        supernet: training of the shared weights, for oracles that use them.
        weight_sampling: samples of these weights.
        evaluation: how shared weights score.
        fusion: what oracle ``fused`` adds up, and what zero-cost proxies look at.
    """

    oracle: Annotated[Part, Choice("evaluator"), Flag("--oracle", metavar="EVALUATOR")] = Part(
        "supernet", SupernetScoreConfig()
    )
    column: Annotated[str | None, Flag("--column", metavar="C", help="Column of a table of truth.")] = None
    supernet: SupernetConfig | None = None
    weight_sampling: WeightSamplingConfig = WeightSamplingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    fusion: FusionConfig = FusionConfig()

    @model_validator(mode="after")
    def _check_oracle(self) -> SearchedConfig:
        if self.oracle.says("needs_supernet", False) and self.supernet is None:
            raise ValueError(f"oracle {self.oracle.kind} needs a supernet: set supernet.recipe, or choose a preset")
        return self

    @property
    def asker(self) -> Part:
        """What asks for scores, with its name."""
        raise TypeError(f"{type(self).__name__} does not say what asks")

    def scaled(self, factor: float) -> SearchedConfig:
        """Return the configuration with its schedule scaled; proposals and samples of the weights only shrink."""
        changes: dict[str, Any] = {}
        if self.supernet is not None:
            samples = max(1, round(self.weight_sampling.samples * min(1.0, factor)))
            changes["supernet"] = self.supernet.scaled(factor)
            changes["weight_sampling"] = self.weight_sampling.replace(samples=samples)
        if hasattr(self.asker.config, "scaled"):
            asker = dataclasses.replace(self.asker, config=self.asker.config.scaled(factor))
            changes["proposer"] = asker if isinstance(getattr(self, "proposer", None), Part) else asker.config
        return self.replace(**changes)

    def build(self, context: Any, *inside: Any) -> Search:
        """Return the strategy."""
        from trueshot.strategies.search import Search

        return Search(self, context)


class OneShotConfig(SearchedConfig):
    """Train shared weights once, search them by the proposer (ST-NAS, SPOS).

    Attributes:
        proposer: what asks for architectures.
    """

    proposer: Annotated[Part, Choice("proposer"), Flag("--proposer", metavar="KIND")] = Part("nsga2", NSGA2Config())

    @property
    def asker(self) -> Part:
        """What asks for scores, with its name."""
        return self.proposer

    @model_validator(mode="after")
    def _check_one_shot(self) -> OneShotConfig:
        if not self.oracle.says("needs_supernet", False):
            raise ValueError(
                f"strategy one-shot searches shared weights, and oracle {self.oracle.kind} has none: take --strategy"
                " random or evolution for it"
            )
        return self


class RandomConfig(SearchedConfig):
    """Score random architectures within the bounds: the baseline of every other strategy.

    Attributes:
        proposer: how many.
    """

    proposer: RandomSearchConfig = RandomSearchConfig()

    @property
    def asker(self) -> Part:
        """What asks for scores, with its name."""
        return Part("random", self.proposer)


class RegularisedEvolutionConfig(SearchedConfig):
    """Regularised evolution of the score under the bounds (Real et al., 2019).

    Attributes:
        proposer: population, tournament and number of evaluations.
    """

    proposer: EvolutionConfig = EvolutionConfig()

    @property
    def asker(self) -> Part:
        """What asks for scores, with its name."""
        return Part("evolution", self.proposer)


def _refuse_chosen_proposer(strategy: str, own: type[Config], proposer: Any) -> None:
    """Refuse the name of a proposer where a strategy has one of its own."""
    field = own.model_fields.get("proposer")
    name = proposer.get("kind") if isinstance(proposer, Mapping) else proposer
    if isinstance(name, str) and field is not None and isinstance(field.default, Config):
        raise ConfigError(
            f"strategy {strategy} has a proposer of its own, and {name} is asked for: leave --proposer out, or take"
            f" --strategy {STRATEGY}"
        )


class SearchConfig(Config):
    """Everything that decides the outcome of a search, apart from data, space and device.

    The values of the strategy stand beside those of the run (:meth:`flat`), as a user writes them.

    Attributes:
        seed: of everything random but the split of the data, which has its own.
        threads: of PyTorch on the CPU, none for its default; results are bit-identical at an equal number only.
        save_every: seconds between the checkpoints of a training.
        data: how images are read and split.
        budget: bounds on the cost of what may be found.
        short: short trainings of the best found, by which the top is ordered before winners are picked.
        retraining: training of what was found.
        teacher: a pretrained network that everything which is trained learns from.
        strategy: how architectures are found; its own values stand beside these.
    """

    seed: Annotated[int, Flag("--seed", help="Seed of everything random.")] = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)
    save_every: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    data: DataOptions = DataOptions()
    budget: BudgetConfig = BudgetConfig()
    short: ShortConfig = ShortConfig()
    retraining: RetrainingConfig | None = None
    teacher: TeacherConfig = TeacherConfig()
    strategy: Annotated[Part, Choice("strategy"), Flag("--strategy", metavar="KIND")]

    @model_validator(mode="after")
    def _check_one_teacher(self) -> SearchConfig:
        supernet = getattr(self.strategy.config, "supernet", None)
        for name, part in (("retraining", self.retraining), ("supernet", supernet)):
            if self.teacher.wanted and getattr(part, "distillation", None) is not None:
                raise ValueError(f"--teacher and {name}.distillation each name a teacher: give one of them")
        return self

    @classmethod
    def flat(cls, values: Mapping[str, Any], names: Names) -> SearchConfig:
        """Read values among which those of the strategy stand.

        Raises:
            ConfigError: as :meth:`make`.
        """
        kind = values.get("strategy", STRATEGY)
        if not isinstance(kind, str):
            raise ConfigError(
                "configuration value strategy: give its name; its own values stand beside those of the run"
            )
        own = names("strategy", kind).config
        known = {*cls.model_fields, *own.model_fields}
        for key in values:
            if key not in known:
                raise ConfigError(f"configuration value {key}: there is no such value{did_you_mean(str(key), known)}")
        _refuse_chosen_proposer(kind, own, values.get("proposer"))
        head = {key: value for key, value in values.items() if key in cls.model_fields and key != "strategy"}
        rest = {key: value for key, value in values.items() if key not in cls.model_fields}
        try:
            return cls.make({**head, "strategy": {"kind": kind, **rest}}, names)
        except ConfigError as error:
            raise ConfigError(str(error).replace("configuration value strategy.", "configuration value ", 1)) from error

    def flattened(self) -> dict[str, Any]:
        """Return all values, those of the strategy beside those of the run, as JSON values; :meth:`flat` reads them."""
        head = self.whole()
        strategy = head.pop("strategy")
        return {**head, "strategy": strategy.pop("kind"), **strategy}
