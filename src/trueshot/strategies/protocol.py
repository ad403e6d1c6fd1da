"""What a strategy is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.units import format_duration
from trueshot.evaluation.protocol import Evaluator
from trueshot.sampling import Sampler


@dataclass(frozen=True)
class Phase:
    """One phase of a forecast: its name, and the seconds that it is expected to take."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Forecast:
    """What a run is expected to take, phase by phase; measured, hence different each time.

    Attributes:
        phases: in their order.
        partial: whether there are phases of which nobody tells how long they take.
    """

    phases: tuple[Phase, ...]
    partial: bool = False

    @property
    def total(self) -> float:
        """Seconds of the whole."""
        return sum(phase.seconds for phase in self.phases)

    def __iter__(self) -> Iterator[Phase]:
        return iter(self.phases)

    def __add__(self, other: Forecast) -> Forecast:
        return Forecast(self.phases + other.phases, self.partial or other.partial)

    def __str__(self) -> str:
        told = ", ".join(f"{phase.name} {format_duration(phase.seconds)}" for phase in self)
        more = " besides the time of the strategy, which it does not tell" if self.partial else " in all"
        return f"forecast: {format_duration(self.total)}{more}{f' ({told})' if told else ''}"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a strategy found.

    Attributes:
        archs: what was evaluated ``(n, decisions)``, in order.
        scores: of each, higher is better.
        evaluator: what scored them; it can score more.
        scored_by: what that is, for people.
        told: how they were found, for people: pairs of a label and a text.
        more: sections that the strategy adds to the result (:mod:`trueshot.core.results`).
        values: further JSON values of the result.
        sampler: the distribution of the first proposals, from which random networks are drawn that the found ones are
            compared with; ``None`` for a uniform one.
        standing: by which winners are picked, ``(n,)``, higher is better; ``None`` where that is the score. Short
            trainings give it.
    """

    archs: UInt8[np.ndarray, "n decisions"]
    scores: Float64[np.ndarray, " n"]
    evaluator: Evaluator
    scored_by: str
    told: tuple[tuple[str, str], ...] = ()
    more: tuple[Any, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    sampler: Sampler | None = None
    standing: Float64[np.ndarray, " n"] | None = None

    @property
    def best_first(self) -> np.ndarray:
        """Positions of all architectures, best first; of equals the earlier first."""
        return np.argsort(-(self.scores if self.standing is None else self.standing), kind="stable")


@runtime_checkable
class Strategy(Protocol):
    """A way to find architectures, made as ``Strategy(config, context)``.

    It knows nothing of what follows: training, baselines, test and report are one finish for all strategies. One that
    hands jobs to ``context.executor`` says ``side_by_side = True`` in its class; ``--workers`` are refused without it.
    One whose trainings all learn from the teacher of the run (``context.loss``, ``train_shared``) says
    ``learns_from_teacher = True``; ``--teacher`` is refused without it.
    One of a user's own may leave out ``check`` and ``forecast``.
    """

    @property
    def cost(self) -> str:
        """Name of the cost under shares of whose bound winners are picked."""

    def check(self) -> None:
        """Find what would stop the run only later.

        Raises:
            TrueshotError: naming it.
        """

    def forecast(self) -> Forecast:
        """Return what the phases are expected to take, from a few measured steps."""

    def run(self) -> Found:
        """Find architectures, or finish what an earlier attempt left; the same result after any kill."""
