"""What a ranking is made from: its configuration, its images, the architectures to score and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float64, Int64, UInt8
from pydantic import Field, ValidationError, field_validator, model_validator

from trueshot.core.errors import ConfigError, DataError
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.evaluation.truth import TruthTable, rows_of
from trueshot.evaluation.zero_cost import PROXIES
from trueshot.spaces import Space
from trueshot.spaces.canonical.classes import LARGEST, every, positions
from trueshot.strategies.config import (
    EvaluationConfig,
    RetrainConfig,
    SearchConfig,
    Section,
    SupernetConfig,
    WeightSamplingConfig,
    first_error,
)
from trueshot.strategies.setup import Setup
from trueshot.training.data.dataset import Dataset
from trueshot.training.data.options import DataOptions

Way = Literal["one-shot", "parameter", "score", "median", "fine-tuned"]
"""One-shot scores at the last weights, at the mean of SGLD samples, their mean over these, their median over the last
checkpoints, and scores after a little training of each architecture."""

TWINS = "twins"

COSTS = ("params", "madds")


@dataclass(frozen=True)
class Spec:
    """One way of scoring by a supernet, as ``WAY[:METRIC][+twins]``; ``+twins`` averages over isomorphic twins."""

    way: Way
    metric: Literal["accuracy", "loss"] | None = None
    twins: bool = False

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Read a name.

        Raises:
            ConfigError: naming what there is.
        """
        head, plus, tail = text.partition("+")
        way, colon, metric = head.partition(":")
        if way not in get_args(Way) or (plus and tail != TWINS) or (colon and metric not in ("accuracy", "loss")):
            raise ConfigError(
                f"unknown evaluator '{text}': write {', '.join(get_args(Way))}, with :accuracy or :loss behind it for"
                f" another metric than the configured one, and +{TWINS} to average over isomorphic twins"
            )
        return cls(way, metric if colon else None, bool(plus))  # type: ignore[arg-type]

    def __str__(self) -> str:
        """Return the name."""
        return self.way + (f":{self.metric}" if self.metric else "") + (f"+{TWINS}" if self.twins else "")


class RankingOptions(Section):
    """What is ranked, and beside what.

    Attributes:
        supernets: trained alike from different seeds; their scores are averaged and compared with each other.
        architectures: at most so many, drawn at random, are scored and compared with the truth; ``None`` for all.
        evaluators: ways of scoring by the supernets, the first is the main one (:class:`Spec`); none is one-shot
            and, where the whole space is ranked, the mean over isomorphic twins.
        rivals: what costs little or nothing: ``params``, ``madds``, zero-cost proxies, or other columns of the truth.
        proxy_architectures: so many of the architectures are scored by each zero-cost proxy, on ``proxy_images``.
        curve: so many earlier epochs are ranked too, on ``curve_architectures``.
        good: truth from which on an architecture is a good one; the criteria are given among these too.
        bootstrap: resamples of the intervals.
    """

    supernets: int = Field(default=1, ge=1)
    architectures: int | None = Field(default=None, ge=10)
    evaluators: tuple[str, ...] = ()
    rivals: tuple[str, ...] = COSTS
    proxy_architectures: int = Field(default=300, ge=10)
    proxy_images: int = Field(default=64, ge=2)
    curve: int = Field(default=0, ge=0)
    curve_architectures: int = Field(default=500, ge=10)
    good: float | None = None
    bootstrap: int = Field(default=200, ge=0)

    @field_validator("evaluators")
    @classmethod
    def _check(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(str(Spec.parse(name)) for name in names))
        except ConfigError as error:
            raise ValueError(str(error)) from error


class RankingConfig(Section):
    """Everything that decides a ranking, apart from space, data, truth and device.

    Attributes:
        seed: of everything random but the split of the data; the supernets' seeds follow from it.
        threads: of PyTorch in the process of each supernet; scores are bit-identical at an equal number only.
        save_every: seconds between the checkpoints of a training.
        data, supernet, weight_sampling, evaluation: as in a search.
        ranking: what is ranked, and beside what.
    """

    seed: int = Field(default=0, ge=0)
    threads: int = Field(default=1, ge=1)
    save_every: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    data: DataOptions = DataOptions()
    supernet: SupernetConfig
    weight_sampling: WeightSamplingConfig = WeightSamplingConfig(samples=1)
    evaluation: EvaluationConfig = EvaluationConfig()
    ranking: RankingOptions = RankingOptions()

    @model_validator(mode="after")
    def _check_samples(self) -> RankingConfig:
        ways = {Spec.parse(name).way for name in self.ranking.evaluators}
        if self.weight_sampling.samples == 1 and (averaging := sorted(ways & {"parameter", "score"})):
            raise ValueError(
                f"evaluator {averaging[0]} averages over SGLD samples of the weights and there is one: add --set"
                " weight_sampling.samples=5"
            )
        return self

    @classmethod
    def make(cls, values: dict[str, Any]) -> RankingConfig:
        """Validate nested plain values.

        Raises:
            ConfigError: naming the first value that is wrong, and how.
        """
        try:
            # Twice, for defaults are not validated and may be written otherwise (0 for 0.0) than what was read back.
            return cls.model_validate(cls.model_validate(values).model_dump())
        except ValidationError as error:
            raise first_error(error) from error

    def search(self, index: int) -> SearchConfig:
        """Return the configuration under which supernet ``index`` is trained and scores."""
        return SearchConfig(
            seed=Streams(self.seed).key("ranking/supernet", index),
            threads=self.threads,
            save_every=self.save_every,
            data=self.data,
            supernet=self.supernet,
            weight_sampling=self.weight_sampling,
            evaluation=self.evaluation,
            retraining=RetrainConfig(recipe=self.supernet.recipe),
        )


@dataclass(frozen=True)
class Truth:
    """The truth about the architectures to score.

    Attributes:
        archs: ``(n, decisions)``.
        values: of the column, ``(n,)``, higher is better.
        others: values of the columns among the rivals, ``(n,)`` each, NaN where there is none.
    """

    archs: UInt8[np.ndarray, "n decisions"]
    values: Float64[np.ndarray, " n"]
    others: dict[str, Float64[np.ndarray, " n"]]

    @classmethod
    def read(cls, path: Path, column: str, space: Space, options: RankingOptions, streams: Streams) -> Truth:
        """Read the column, draw the architectures where not all are scored, and find the rivals' columns.

        Raises:
            DataError: when file or column is absent, or an architecture is none of the space.
            ConfigError: when a rival is neither a cost, nor a proxy, nor a column.
        """
        table = TruthTable.read(path)
        values = table.column(column)
        for name in options.rivals:
            if name not in (*COSTS, *PROXIES, *table.columns):
                raise ConfigError(
                    f"unknown rival '{name}': choose {', '.join((*COSTS, *PROXIES))}, or a column of {path}"
                )
        known = np.flatnonzero(~np.isnan(values))
        if len(known) < 10:
            raise DataError(f"{path} knows column {column} of {len(known)} architectures only: 10 are needed at least")
        wanted = options.architectures
        if wanted is not None and wanted < len(known):
            known = np.sort(streams.numpy("ranking/architectures").choice(known, wanted, replace=False))
        archs = rows_of([table.architectures[index] for index in known], space)
        others = {name: table.column(name)[known] for name in options.rivals if name not in (*COSTS, *PROXIES)}
        return cls(archs, values[known], others)


@dataclass(frozen=True, kw_only=True)
class RankingSetup:
    """One ranking: its configuration and what goes with it."""

    config: RankingConfig
    space: Space
    dataset: Dataset
    truth: Truth
    run: RunDirectory
    device: torch.device

    @property
    def streams(self) -> Streams:
        """Source of all draws but those of the supernets."""
        return Streams(self.config.seed)

    @property
    def specs(self) -> tuple[Spec, ...]:
        """The ways of scoring."""
        asked = tuple(map(Spec.parse, self.config.ranking.evaluators))
        plain = Spec("one-shot")
        # Of a part of the space the twins that nobody asked for would have to be scored too.
        whole = self.lists_twins and len(self.truth.archs) == self.space.architectures
        return asked or ((plain, replace(plain, twins=True)) if whole else (plain,))

    @property
    def lists_twins(self) -> bool:
        """Whether the space has twins and is small enough for them to be listed."""
        return self.space.rules[0] != "literal" and self.space.architectures <= LARGEST

    @property
    def marks(self) -> tuple[int, ...]:
        """Earlier epochs that are ranked too: equally spaced, without the last."""
        epochs, count = self.config.supernet.recipe.epochs, self.config.ranking.curve
        marks = {round(epochs * number / (count + 1)) for number in range(1, count + 1)}
        return tuple(sorted(marks - {0, epochs}))

    @property
    def curve_archs(self) -> Int64[np.ndarray, " k"]:
        """Positions of the architectures that are scored at the earlier epochs."""
        total, count = len(self.truth.archs), self.config.ranking.curve_architectures
        return np.sort(self.streams.numpy("ranking/curve").choice(total, min(total, count), replace=False)).astype(
            np.int64
        )

    def to_score(self, spec: Spec) -> UInt8[np.ndarray, "n decisions"]:
        """Return the architectures to score on behalf of ``spec``, those left out that another way scores anyway."""
        archs = self.truth.archs
        if not spec.twins:
            return archs
        asked = np.zeros(self.space.architectures, dtype=bool)
        asked[positions(self.space, archs)] = True
        rows = every(self.space)
        classes = positions(self.space, self.space.canonical(rows))
        wanted = np.isin(classes, classes[asked])
        if replace(spec, twins=False) in self.specs:
            wanted &= ~asked
        return rows[wanted]

    @cached_property
    def scores_each(self) -> int:
        """How many scores of one architecture each a supernet computes."""
        return sum(len(self.to_score(spec)) for spec in self.specs) + len(self.marks) * len(self.curve_archs)

    def scores_file(self, index: int) -> Path:
        """Return where the scores of one supernet are kept, a column for each way."""
        return self.supernet(index).run.path / "scores.parquet"

    def supernet(self, index: int) -> Setup:
        """Return what one supernet works with; its directory lies inside that of the ranking."""
        return Setup(
            config=self.config.search(index),
            space=self.space,
            dataset=self.dataset,
            run=RunDirectory(self.run.path / "supernets" / str(index)),
            device=self.device,
        )
