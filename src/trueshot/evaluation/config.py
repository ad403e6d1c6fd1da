"""How architectures are scored: configurations and the grammar of evaluators, free of heavy imports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from trueshot.core.config import Choice, Config, Part, PartConfig
from trueshot.core.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from trueshot.evaluation.protocol import Evaluator

Metric = Literal["accuracy", "loss"]
"""Share of right answers, or negated cross-entropy in nats, which also ranks networks that are right equally often."""

Mode = Literal["running", "adapt", "reset", "batch"]


class Recalibration(Config):
    """Where the BatchNorm statistics of a scored architecture come from.

    Attributes:
        mode: ``running``: those of the supernet, as trained. ``adapt``: those, after forward passes in training mode
            with the layers' own momentum. ``reset``: the mean of the statistics of ``batches`` training batches, from
            nothing. ``batch``: those of each validation batch itself, no training images needed.
        batches: number of training batches (``adapt`` and ``reset``, at least 1).
        batch_size: images in each; for ``batch``, the largest number of validation images normalised together. Ignored
            for ``running``.
    """

    mode: Mode = "running"
    batches: int = 0
    batch_size: int = 0

    @model_validator(mode="after")
    def _check(self) -> Recalibration:
        if self.needs_images and self.batches < 1:
            raise ValueError(f"recalibration mode {self.mode} needs batches of 1 or more, not {self.batches}")
        if self.mode != "running" and self.batch_size < 2:
            raise ValueError(f"recalibration mode {self.mode} needs a batch_size of 2 or more, not {self.batch_size}")
        return self

    @property
    def needs_images(self) -> bool:
        """Whether training images are needed."""
        return self.mode in ("adapt", "reset")

    def limited_to(self, images: int) -> Recalibration:
        """Return the same with batches no larger than the training images there are."""
        if not self.needs_images or self.batch_size <= images:
            return self
        return self.replace(batch_size=images)


class EvaluationConfig(Config):
    """What all scores by shared weights have in common.

    Attributes:
        recalibration: where BatchNorm statistics come from.
        metric: ``accuracy``, or ``loss`` (the negated cross-entropy), where an evaluator names none itself.
        images: at most so many validation images; none for as many as 2 GiB hold, which is all of small ones.
        batch_size: validation images in a forward pass.
        fine_tune_steps: optimizer steps of ``supernet:fine-tuned``.
        fine_tune_lr: constant learning rate of these steps; without one, a tenth of the rate that the supernet's
            training begins with. The published rate, 2.5e-4 at the end of its schedule, moves weights by a
            ten-thousandth in as many steps, so that scores are those of other BatchNorm statistics.
    """

    recalibration: Recalibration = Recalibration(mode="reset", batches=1, batch_size=256)
    metric: Metric = "accuracy"
    images: int | None = Field(default=None, ge=2)
    batch_size: int = Field(default=512, ge=2)
    fine_tune_steps: int = Field(default=100, ge=1)
    fine_tune_lr: float | None = Field(default=None, gt=0)


Way = Literal["auto", "single", "parameter", "score", "median", "fine-tuned"]


class EvaluatorConfig(PartConfig):
    """What the evaluators of this package have in common: words behind the name, and what they need.

    Attributes:
        needs_supernet: whether trained shared weights must be there (class attribute).
        needs_images: whether a dataset must be there (class attribute).
        reads_column: whether ``--column`` says something to it (class attribute).
        side_by_side: whether it scores architectures in jobs of the executor (class attribute).
        trains_each: whether it trains every architecture that it scores (class attribute).
    """

    needs_supernet: ClassVar[bool] = False
    needs_images: ClassVar[bool] = True
    reads_column: ClassVar[bool] = False
    side_by_side: ClassVar[bool] = False
    trains_each: ClassVar[bool] = False

    @classmethod
    def words(cls, words: tuple[str, ...]) -> dict[str, Any]:
        """Return the options that words behind the name, each after a colon, stand for.

        Raises:
            ConfigError: naming the word that is none, and those that are.
        """
        if words:
            raise ConfigError(f"'{words[0]}' says nothing to this evaluator: leave it out")
        return {}


class SupernetScoreConfig(EvaluatorConfig):
    """Scores by the shared weights of a supernet: ``supernet[:WAY][:METRIC]``.

    Attributes:
        way: ``single`` scores at the trained weights (ST-NAS, Eq. 6), ``parameter`` at the mean of samples of the
            weights (Eq. 11), ``score`` by the mean of the scores at these samples (Eq. 10, at so many times the cost),
            ``median`` by the median over the last checkpoints, ``fine-tuned`` after a little training of each
            architecture; ``auto`` is ``parameter`` where the weights were sampled, else ``single``.
        metric: accuracy or negated loss; none takes ``evaluation.metric``.
    """

    needs_supernet: ClassVar[bool] = True
    way: Way = "auto"
    metric: Metric | None = None

    @classmethod
    def words(cls, words: tuple[str, ...]) -> dict[str, Any]:
        """Return way and metric."""
        found: dict[str, Any] = {}
        for word in words:
            key = "way" if word in get_args(Way)[1:] else "metric" if word in get_args(Metric) else ""
            if key in found:
                raise ConfigError(f"'{found[key]}' and '{word}' are both a {key} of an evaluator: give one")
            if not key:
                known = (*get_args(Way)[1:], *get_args(Metric))
                raise ConfigError(f"'{word}' is no way of scoring by a supernet{did_you_mean(word, known)}")
            found[key] = word
        return found

    def build(self, context: Any, *inside: Any) -> Evaluator:
        """Return the evaluator of the trained supernet that the context holds."""
        evaluator: Evaluator = context.trained.evaluator(self.way, self.metric)
        return evaluator


class TrainScoreConfig(EvaluatorConfig):
    """Scores by training each architecture from scratch by the recipe of the retraining, on training images alone.

    Attributes:
        metric: on the validation images.
    """

    side_by_side: ClassVar[bool] = True
    trains_each: ClassVar[bool] = True
    metric: Metric = "accuracy"

    @classmethod
    def words(cls, words: tuple[str, ...]) -> dict[str, Any]:
        """Return the metric."""
        wrong = [word for word in words if word not in get_args(Metric)]
        if wrong or len(words) > 1:
            raise ConfigError(f"'{(wrong or words)[-1]}' says nothing to train: write train:accuracy or train:loss")
        return {"metric": words[0]} if words else {}

    def build(self, context: Any, *inside: Any) -> Evaluator:
        """Return the evaluator; twins are trained once."""
        evaluator: Evaluator = context.stand_alone(self.metric)
        return evaluator

    def seconds(self, context: Any, row: Any) -> float:
        """Return the expected seconds of an architecture, without training it."""
        seconds: float = context.stand_alone_seconds(row)
        return seconds / (context.executor.workers or 1)


class TableScoreConfig(EvaluatorConfig):
    """Scores read from a table of truth, twins of what was measured included: ``FILE[:COLUMN]``.

    Attributes:
        file: Parquet or CSV, long or wide.
        column: of the table; without one, the one that ``--column`` of a search names.
    """

    needs_images: ClassVar[bool] = False
    reads_column: ClassVar[bool] = True
    file: str
    column: str | None = None

    @classmethod
    def words(cls, words: tuple[str, ...]) -> dict[str, Any]:
        """Return the column."""
        if len(words) > 1:
            raise ConfigError(f"'{words[1]}' says nothing to a table: write FILE:COLUMN")
        return {"column": words[0]} if words else {}

    def build(self, context: Any, *inside: Any) -> Evaluator:
        """Return the evaluator of its column, or of the one that the context names.

        Raises:
            DataError: when file or column are not there.
        """
        evaluator: Evaluator = context.tabular(self.file, self.column)
        return evaluator


class PredictedScoreConfig(EvaluatorConfig):
    """Scores by a predictor that is fitted to a table of truth: ``ridge[:FILE[:COLUMN]]``.

    It scores what the table does not hold, too.

    Attributes:
        predictor: what is fitted; the name of one of this package stands for the whole: ``--oracle ridge``.
        table: Parquet or CSV, long or wide.
        column: of the table; without one, the one that ``--column`` names.
    """

    needs_images: ClassVar[bool] = False
    reads_column: ClassVar[bool] = True
    predictor: Annotated[Part, Choice("predictor")]
    table: str
    column: str | None = None

    @classmethod
    def words(cls, words: tuple[str, ...]) -> dict[str, Any]:
        """Return table and column."""
        if len(words) > 2:
            raise ConfigError(f"'{words[2]}' says nothing to a predictor: write ridge:FILE:COLUMN")
        return dict(zip(("table", "column"), words, strict=False))

    def build(self, context: Any, *inside: Any) -> Evaluator:
        """Return the predictor, fitted to the architectures that the table holds, each for itself.

        Raises:
            DataError: when file or column are not there, or the column is empty.
        """
        archs, scores = context.truth(self.table, self.column)
        predictor = self.predictor.build(context)
        predictor.fit(archs, scores)
        evaluator: Evaluator = predictor
        return evaluator


class TwinsConfig(PartConfig):
    """Averages scores over isomorphic twins: ``EVALUATOR+twins`` (Surgery paper, "post")."""

    def build(self, context: Any, *inside: Any) -> Evaluator:
        """Return the wrapped evaluator."""
        from trueshot.evaluation.twins import TwinMean

        (evaluator,) = inside
        return TwinMean(evaluator, context.space)


TABLES = (".parquet", ".csv")
"""Endings of the files that are tables of truth."""


def _is_table(text: str) -> bool:
    return Path(text).suffix.lower() in TABLES


@dataclass(frozen=True)
class EvaluatorName:
    """A name of an evaluator, taken apart: ``HEAD[:WORD...][+WRAPPER...]``.

    Attributes:
        head: a name, a file of a table, or ``path/file.py:Class``.
        words: what stands behind it, colon by colon.
        wrappers: what is put around it, innermost first.
    """

    head: str
    words: tuple[str, ...]
    wrappers: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> EvaluatorName:
        """Take a name apart; nothing of it is looked up."""
        inner, *wrappers = text.split("+")
        parts = inner.split(":")
        table = next((at for at in range(1, len(parts) + 1) if _is_table(":".join(parts[:at]))), None)
        if table is not None:
            return cls(":".join(parts[:table]), tuple(parts[table:]), tuple(wrappers))
        count = 2 if parts[0].endswith(".py") or "." in parts[0] else 1
        return cls(":".join(parts[:count]), tuple(parts[count:]), tuple(wrappers))
