"""The configuration of a search run: one immutable object, validated when it is made."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trueshot.core.errors import ConfigError
from trueshot.evaluation.one_shot import Metric
from trueshot.evaluation.recalibration import Recalibration
from trueshot.sampling.twins import Member
from trueshot.search.nsga2 import NSGA2Config
from trueshot.strategies.pool import pool_digest
from trueshot.training.data.augment import Augmentation
from trueshot.training.data.options import DataOptions
from trueshot.training.distillation import DistillationConfig
from trueshot.training.recipe import Recipe
from trueshot.training.supernet import Averaging


class Section(BaseModel):
    """A part of the configuration: immutable, and it refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def first_error(error: ValidationError) -> ConfigError:
    """Return the error in a line: the first value that is wrong, and how many more are."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    told = "there is no such value: check its name" if first["type"] == "extra_forbidden" else first["msg"]
    return ConfigError(f"configuration value {where}: {told}{more}")


class SamplerConfig(Section):
    """Which architectures train the supernet.

    Attributes:
        kind: ``matched`` drops branches so that the expected MAdds meet ``target_madds`` (ST-NAS, Eq. 4 and 5);
            ``uniform``; ``fair`` (strict fairness); ``deisomorphic`` (every class of twins equally likely; the space is
            listed) and ``lazy-deisomorphic`` (its published form, for spaces of any size); ``pool`` (uniform from the
            file ``pool``); ``auto`` is matched where the space can drop edges, else uniform.
        target_madds: the target; ``None`` takes the bound on the MAdds as far as ``p_drop`` stays at most 0.8, so that
            branches are trained.
        per_step: architectures whose gradients make one step, except for ``fair``, which has its own number.
        averaging: gradients are divided by the number of ``all`` architectures of a step, or of those ``containing``
            the weight.
        require_live_conv: whether architectures without a convolution that leads anywhere are rejected.
        rule: what twins are, for the de-isomorphic kinds; ``None`` takes the space's default.
        member: whether ``deisomorphic`` draws the least member of a class or a random one.
        pool: ``pool`` only: a Parquet or CSV file with a column ``arch``; repeats count as often.
        pool_digest: of the architectures in it, filled in, so that what they trained is told from what others would.
    """

    kind: Literal["auto", "matched", "uniform", "fair", "deisomorphic", "lazy-deisomorphic", "pool"] = "auto"
    target_madds: int | None = Field(default=None, gt=0)
    per_step: int = Field(default=1, ge=1)
    averaging: Averaging = "all"
    require_live_conv: bool = False
    rule: str | None = None
    member: Member = "representative"
    pool: str | None = None
    pool_digest: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill_digest(cls, values: Any) -> Any:
        # A stored configuration has the digest already, and may be read where the file is not.
        if isinstance(values, dict) and values.get("kind") == "pool" and values.get("pool_digest") is None:
            file = values.get("pool")
            return {**values, "pool_digest": pool_digest(file)} if isinstance(file, str) else values
        return values

    @model_validator(mode="after")
    def _check_pool(self) -> SamplerConfig:
        if self.kind == "pool" and self.pool is None:
            raise ValueError("kind pool needs a file with a column arch: add --set supernet.sampler.pool=FILE")
        if self.kind != "pool" and (self.pool, self.pool_digest) != (None, None):
            raise ValueError(f"pool is for kind pool only, not {self.kind}: leave it out, or choose kind pool")
        return self


class SharingConfig(Section):
    """Which weights the supernet shares between architectures.

    Attributes:
        kind: ``plain`` single path, or inter-choice weights: ``bias``, ``shared-bias``, ``attention``, ``split``.
        depth: how many choices before a site count.
        priors: for each decision the decisions that count, in place of ``depth``.
        layers: of the attention.
        own: whether a site's own choice counts in the attention.
        epoch: ``split`` only: complete epochs after which weights are split.
        lazy: ``split`` only: the published code's behaviour (see :class:`~trueshot.sharing.Split`).
    """

    kind: Literal["plain", "bias", "shared-bias", "attention", "split"] = "plain"
    depth: int = Field(default=1, ge=1)
    priors: tuple[tuple[int, ...], ...] | None = None
    layers: Literal[1, 2] = 1
    own: bool = True
    epoch: int | None = Field(default=None, ge=0)
    lazy: bool = False

    @model_validator(mode="after")
    def _check_epoch(self) -> SharingConfig:
        if (self.kind == "split") != (self.epoch is not None):
            raise ValueError("weights of kind split need an epoch, and only they have one")
        return self


class SupernetConfig(Section):
    """Training of the shared weights (ST-NAS, Algorithm 1)."""

    recipe: Recipe
    augmentation: Augmentation = Augmentation()
    sampler: SamplerConfig = SamplerConfig()
    sharing: SharingConfig = SharingConfig()
    distillation: DistillationConfig | None = None

    @model_validator(mode="after")
    def _check_split(self) -> SupernetConfig:
        epoch, epochs = self.sharing.epoch, self.recipe.epochs
        if epoch is not None and epoch >= epochs:
            raise ValueError(
                f"sharing.epoch {epoch} splits the weights after the end of {epochs} epochs: choose 0 to {epochs - 1}"
            )
        return self


class WeightSamplingConfig(Section):
    """Sampling of the shared weights by SGLD (ST-NAS, Algorithm 2).

    Attributes:
        samples: number of snapshots, the trained weights included; 1 samples nothing.
        lr: constant step size; ``None`` takes the final learning rate of the supernet's training.
        temperature: of the posterior; ``None`` takes 1/N for N training images; 1 is Eq. 9 to the letter.
    """

    samples: int = Field(default=20, ge=1)
    lr: float | None = Field(default=None, gt=0)
    temperature: float | None = Field(default=None, ge=0)


class EvaluationConfig(Section):
    """How architectures are scored.

    Attributes:
        expectation: ``parameter`` scores by the mean of the snapshots' weights (Eq. 11), ``score`` by the mean score
            over the snapshots (Eq. 10, so many times as dear), ``single`` by the last weights of the training (Eq. 6),
            ``fine-tuned`` continues training each architecture from the shared weights.
        recalibration: where BatchNorm statistics come from.
        metric: ``accuracy``, or ``loss`` (the negated cross-entropy).
        images: at most so many validation images, ``None`` for all.
        batch_size: validation images in a forward pass.
        fine_tune_steps: for ``fine-tuned``.
    """

    expectation: Literal["parameter", "score", "single", "fine-tuned"] = "parameter"
    recalibration: Recalibration = Recalibration(mode="reset", batches=1, batch_size=256)
    metric: Metric = "accuracy"
    images: int | None = Field(default=None, ge=2)
    batch_size: int = Field(default=512, ge=2)
    fine_tune_steps: int = Field(default=100, ge=1)


class RetrainConfig(Section):
    """Training of what was found, from scratch, on training and validation images together.

    Attributes:
        recipe: for every network alike.
        augmentation: likewise.
        repeats: seeds for each architecture of the space.
        random: how many random architectures of like cost stand beside each winner.
        off_the_shelf: whether a MobileNetV2 scaled to the cost of the dearest winner stands beside them.
        distillation: an optional teacher.
    """

    recipe: Recipe
    augmentation: Augmentation = Augmentation()
    repeats: int = Field(default=1, ge=1)
    random: int = Field(default=1, ge=0)
    off_the_shelf: bool = True
    distillation: DistillationConfig | None = None


class BudgetConfig(Section):
    """Hard bounds on what an architecture may cost.

    Attributes:
        max_madds: multiply-adds of one image, and so on; ``None`` is no bound.
        fractions: a winner is picked under each of these shares, in (0, 1], of the upper bound on the objective (of the
            dearest architecture without one); shares that no architecture meets are left out.
    """

    max_madds: int | None = Field(default=None, gt=0)
    min_madds: int | None = Field(default=None, gt=0)
    max_params: int | None = Field(default=None, gt=0)
    min_params: int | None = Field(default=None, gt=0)
    fractions: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(1.0, 0.7, 0.5), min_length=1)


class SearchConfig(Section):
    """Everything that decides the outcome of a search, apart from data, space and device.

    Attributes:
        seed: of everything random but the split of the data, which has its own.
        threads: of PyTorch on the CPU, ``None`` for its default; results are bit-identical at an equal number only.
        save_every: seconds between the checkpoints of a training.
        data: how images are read and split; the other sections are those of the phases.
    """

    seed: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)
    save_every: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    data: DataOptions = DataOptions()
    budget: BudgetConfig = BudgetConfig()
    supernet: SupernetConfig
    weight_sampling: WeightSamplingConfig = WeightSamplingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    evolution: NSGA2Config = NSGA2Config()
    retraining: RetrainConfig

    @classmethod
    def make(cls, values: dict[str, Any]) -> SearchConfig:
        """Validate nested plain values.

        Raises:
            ConfigError: naming the first value that is wrong, and how.
        """
        try:
            # Twice, for defaults are not validated and may be written otherwise (0 for 0.0) than what was read back.
            return cls.model_validate(cls.model_validate(values).model_dump())
        except ValidationError as error:
            raise first_error(error) from error
