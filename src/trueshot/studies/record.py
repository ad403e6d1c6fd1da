"""The record of a study: a question, the paper's numbers, what must be trained, and what is made of it."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from trueshot.core.results import Estimate, Series
from trueshot.criteria.bootstrap import Interval
from trueshot.criteria.power import LEAST, LEVEL, border_p, minimal_detectable_effect, paired_interval

if TYPE_CHECKING:
    from trueshot.studies.plan import Need
    from trueshot.studies.session import Session


class Scale(enum.StrEnum):
    """How much of a study is run."""

    SMOKE = "smoke"
    """Seconds, on scikit-learn's digits: shows that it runs, its numbers mean nothing."""
    CPU = "cpu"
    """Hours on two cores for all studies together, on small CIFAR-10 images."""
    PAPER = "paper"
    """What was published."""


class Verdict(enum.StrEnum):
    """What an interval says of a claim."""

    SHOWN = "shown"
    CONTRADICTED = "contradicted"
    OPEN = "cannot be told here"


@dataclass(frozen=True)
class Prior:
    """A spread to reckon with before anything is measured: its standard deviation, and where it comes from."""

    std: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a paper says of a paired difference (or another figure with one value a repetition), as a range.

    Attributes:
        name: of the figure, which the analysis returns values of.
        metric: what is measured, with its unit.
        says: the paper's claim in words.
        above: the claim holds where the figure lies above this; ``below``: and below this.
        paper: the published figure, ``None`` where there is none.
        prior: spread of one value where the bank has not measured it.
        over: what the values are repetitions of, which is what the interval resamples.
        each: repetitions that one value takes: 2 for pairs of supernets.
    """

    name: str
    metric: str
    says: str
    above: float = -math.inf
    below: float = math.inf
    paper: float | None = None
    prior: Prior
    over: str = "supernets"
    each: int = 1

    def holds(self, value: float) -> bool:
        """Return whether a figure lies inside the claim."""
        return self.above < value < self.below

    def p_value(self, values: Sequence[float]) -> float | None:
        """Return the error at which the interval of values comes to lie inside the claim, or outside; None below three.

        Inside it must clear both ends of the range, outside the one that the mean is beyond.
        """
        if len(values) < LEAST:
            return None
        column = np.array(values, dtype=np.float64)
        mean = float(column.mean())
        ends = [end for end in (self.above, self.below) if math.isfinite(end)]
        passed = ends if self.holds(mean) else [self.above if mean <= self.above else self.below]
        return max(border_p(column, end) or 0.0 for end in passed)

    def verdict(self, values: Sequence[float], p: float | None) -> Verdict:
        """Judge by values and their p-value, which was adjusted where a study makes several claims."""
        if p is None or p >= 1 - LEVEL:
            return Verdict.OPEN
        return Verdict.SHOWN if self.holds(float(np.mean(values))) else Verdict.CONTRADICTED


@dataclass(frozen=True, kw_only=True)
class Power:
    """The smallest effect that a claim's comparison can see, stated before it runs.

    Attributes:
        effect: the minimal detectable effect, ``None`` for fewer than three repetitions.
        std: of one value; ``source``: where it was measured.
        n: values.
        claims: of the study, judged together.
    """

    effect: float | None
    std: float
    source: str
    n: int
    claims: int = 1

    @classmethod
    def of(cls, claim: Claim, repetitions: int, measured: Sequence[float] = (), *, claims: int = 1) -> Power:
        """State it from values measured before, three at least, else from the claim's prior."""
        n = repetitions // claim.each
        std, source = claim.prior.std, f"assumed: {claim.prior.source}"
        if len(measured) >= 3:
            std, source = float(np.std(measured, ddof=1)), f"measured over {len(measured)} {claim.over} in the bank"
        effect = minimal_detectable_effect(std, n, claims=claims)
        return cls(effect=effect, std=std, source=source, n=n, claims=claims)

    def __str__(self) -> str:
        if self.effect is None:
            return f"{self.n} repetition(s) have no interval"
        several = f", one of {self.claims} claims" if self.claims > 1 else ""
        return f"sees {self.effect:.3g} or more ({self.n} pairs, spread {self.std:.3g}, {self.source}{several})"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One figure of the paper and ours.

    Attributes:
        what: the network, method or group.
        metric: what is measured, with its unit.
        paper: the published figure, ``None`` where there is none.
        values: our repetitions of it, empty where it is a published reference only.
        over: what they are repetitions of.
        interval: 95 % interval of our mean; by default Student's t over three values or more; ``resampled`` says what
            a given one resamples.
        note: anything the reader must know.
        figures: further numbers of ours, such as MAdds.
    """

    what: str
    metric: str
    paper: float | None = None
    values: tuple[float, ...] = ()
    over: str = "supernets"
    interval: Interval | None = None
    resampled: str = ""
    note: str = ""
    figures: Mapping[str, float | int | str | None] = field(default_factory=dict)

    @property
    def ours(self) -> Estimate | None:
        """Mean of our values with its interval, ``None`` without any."""
        if not self.values:
            return None
        interval = self.interval or paired_interval(np.array(self.values))
        return Estimate(
            value=float(np.mean(self.values)),
            low=None if interval is None else interval.low,
            high=None if interval is None else interval.high,
            std=float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None,
            n=len(self.values),
            over=self.resampled if self.interval is not None else self.over,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        ours = None if self.ours is None else dataclasses.asdict(self.ours)
        head = {"what": self.what, "metric": self.metric, "paper": self.paper, "ours": ours}
        return {**head, "values": list(self.values), "note": self.note, **self.figures}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an analysis makes of measurements.

    Attributes:
        findings: rows of the table.
        claims: values of each claim, one a repetition, by its name; claims without values are left open.
        pictures: what to draw where the paper has a figure.
        notes: what the reader must know.
    """

    findings: tuple[Finding, ...] = ()
    claims: Mapping[str, Sequence[float]] = field(default_factory=dict)
    pictures: tuple[Series, ...] = ()
    notes: tuple[str, ...] = ()


class Material(Protocol):
    """What was measured; an analysis is a pure function of it."""

    @property
    def data(self) -> Mapping[str, Any]:
        """Name, sizes and limits of the images, for the result."""

    @property
    def seconds(self) -> float:
        """Seconds of all training that it rests on, earlier runs included."""

    def table(self) -> Any:
        """Return what is known of each architecture as a data frame, ``None`` where that is nothing."""


class Work(Protocol):
    """A kind of study: what it trains and measures."""

    def needs(self, session: Session, scale: Scale) -> list[Need]:
        """Return what must be there, with its cost; nothing is trained."""

    def repetitions(self, session: Session, scale: Scale) -> int:
        """Return how many values a claim has."""

    def gather(self, session: Session, scale: Scale) -> Any:
        """Train and measure what is missing, and return the material.

        Raises:
            DataError: when images or truth are absent, before anything is trained.
        """

    def known(self, session: Session, scale: Scale) -> Any:
        """Return the material of the repetitions that are complete in the bank, ``None`` for fewer than three."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One table or figure of a paper.

    Attributes:
        name: short, for the command line.
        title: the paper, and which table or figure.
        question: in a sentence.
        work: what is trained and measured.
        analyse: material to outcome.
        claims: what the paper says, as ranges.
        needs_more: by scale, what it would take where the scale cannot settle the question, or is left out for it.
    """

    name: str
    title: str
    question: str
    work: Work
    analyse: Callable[[Any], Outcome]
    claims: tuple[Claim, ...] = ()
    needs_more: Mapping[Scale, str] = field(default_factory=dict)

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The scales that it has settings of."""
        return tuple(getattr(self.work, "scales", Scale))
