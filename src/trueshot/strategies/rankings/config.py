"""The configuration of a ranking."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from trueshot.core.config import Choice, Config, Flag, Part
from trueshot.core.random import Streams
from trueshot.evaluation.config import EvaluationConfig
from trueshot.evaluation.fusion_config import FusionConfig
from trueshot.evaluation.proxies.names import COSTS, LIVE
from trueshot.strategies.config import SupernetConfig, WeightSamplingConfig
from trueshot.strategies.short_config import RankShortConfig
from trueshot.strategies.truth.config import TruthTraining
from trueshot.training.data.options import DataOptions


class RankingOptions(Config):
    """What is ranked, and beside what.

    Attributes:
        supernets: trained alike from different seeds; their scores are averaged and compared with each other.
        architectures: at most so many, drawn at random, are scored and compared with the truth; none for all.
        evaluators: ways of scoring, the first is the main one; none given is ``supernet`` and, where the whole space is
            ranked, its mean over isomorphic twins.
        baselines: what costs little or nothing: costs, live ones among them, zero-cost proxies, or columns of the
            truth.
        proxy_architectures: at most so many of the architectures are scored by zero-cost proxies that no evaluator
            needs; none for all. Twins are scored once.
        curve: so many earlier epochs are ranked too.
        curve_architectures: on so many architectures.
        good: truth from which on an architecture is a good one; the criteria are given among these too.
        bootstrap: resamples of the intervals.
    """

    supernets: Annotated[int, Flag("--supernets", metavar="N", help="Supernets whose scores are averaged.")] = Field(
        default=1, ge=1
    )
    architectures: Annotated[
        int | None, Flag("--archs", metavar="N", help="Architectures scored, drawn at random; all without.")
    ] = Field(default=None, ge=10)
    evaluators: Annotated[
        tuple[Annotated[Part, Choice("evaluator")], ...],
        Flag("--evaluator", metavar="EVALUATOR", help="A way of scoring, such as supernet:loss+twins.", many=True),
    ] = ()
    baselines: Annotated[
        tuple[str, ...],
        Flag("--baseline", metavar="NAME", help="A cost, a proxy, or a column of the truth.", many=True),
    ] = (*COSTS, *LIVE)
    proxy_architectures: int | None = Field(default=None, ge=10)
    curve: int = Field(default=0, ge=0)
    curve_architectures: int = Field(default=500, ge=10)
    good: Annotated[
        float | None, Flag("--good", metavar="X", help="Criteria also among architectures of a truth above X.")
    ] = Field(default=None, allow_inf_nan=False)
    bootstrap: int = Field(default=200, ge=0)


class RankingConfig(Config):
    """Everything that decides a ranking, apart from space, data, truth and device.

    Attributes:
        seed: of everything random but the split of the data; the supernets' seeds follow from it.
        threads: of PyTorch in the process of each supernet; scores are bit-identical at an equal number only.
        save_every: seconds between the checkpoints of a training.
        data: how images are read and split.
        supernet: training of each supernet.
        weight_sampling: samples of its weights.
        evaluation: how shared weights score.
        fusion: what evaluator ``fused`` adds up, and what zero-cost proxies look at.
        ranking: what is ranked, and beside what.
        short: short trainings of the best by the first evaluator.
        retraining: how networks are trained by themselves, of which short trainings are a part.
    """

    seed: Annotated[int, Flag("--seed", help="Seed of everything random.")] = Field(default=0, ge=0)
    threads: int = Field(default=1, ge=1)
    save_every: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    data: DataOptions = DataOptions()
    supernet: SupernetConfig
    weight_sampling: WeightSamplingConfig = WeightSamplingConfig(samples=1)
    evaluation: EvaluationConfig = EvaluationConfig()
    fusion: FusionConfig = FusionConfig()
    ranking: RankingOptions = RankingOptions()
    short: RankShortConfig = RankShortConfig()
    retraining: TruthTraining | None = None

    @model_validator(mode="after")
    def _check_samples(self) -> RankingConfig:
        ways = {part.says("way") for part in self.ranking.evaluators}
        if self.weight_sampling.samples == 1 and (averaging := sorted(ways & {"parameter", "score"})):
            raise ValueError(
                f"evaluator supernet:{averaging[0]} averages over SGLD samples of the weights and there is one: add"
                " --set weight_sampling.samples=5"
            )
        return self

    @model_validator(mode="after")
    def _check_short(self) -> RankingConfig:
        if self.short.architectures and self.short.column is None and self.retraining is None:
            raise ValueError(
                "--short-trainings trains networks: set retraining.recipe, or give a column of the truth by"
                " --short-column"
            )
        return self

    def seed_of(self, index: int) -> int:
        """Return the seed of a supernet."""
        return Streams(self.seed).key("ranking/supernet", index)
