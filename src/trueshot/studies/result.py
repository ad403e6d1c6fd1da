"""What a study finds: rows that put a paper's figure beside ours, and what the paper's scale would cost."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueshot.core.files import write_json
from trueshot.core.units import format_duration
from trueshot.criteria.bootstrap import Interval, mean_interval

if TYPE_CHECKING:
    from rich.console import Console


class Scale(enum.StrEnum):
    """How much of a study is run."""

    SMOKE = "smoke"
    """Seconds, on scikit-learn's digits: shows that it runs, its numbers mean nothing."""
    CPU = "cpu"
    """Minutes on two cores, on small CIFAR-10 images: small networks, short trainings, wide intervals."""
    PAPER = "paper"
    """What was published: ImageNet at 224 pixels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of the paper and ours.

    Attributes:
        what: the network, method or group.
        metric: what is measured, with its unit.
        paper: the published figure, ``None`` where there is none.
        values: our repetitions of it, empty where it is a published reference only.
        interval: 95 % interval of our mean; by default Student's t of ``values``, ``None`` for fewer than two.
        note: anything the reader must know of this row.
        figures: further numbers of ours, such as MAdds.
    """

    what: str
    metric: str
    paper: float | None = None
    values: tuple[float, ...] = ()
    interval: Interval | None = None
    note: str = ""
    figures: Mapping[str, float | int | str | None] = dataclasses.field(default_factory=dict)

    @property
    def ours(self) -> float | None:
        """Mean of our values."""
        return float(np.mean(self.values)) if self.values else None

    @property
    def std(self) -> float | None:
        """Sample standard deviation of our values, ``None`` for fewer than two."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    @property
    def spread(self) -> Interval | None:
        """95 % interval of our mean."""
        if self.interval is not None or not self.values:
            return self.interval
        return mean_interval(np.array(self.values))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        spread = self.spread
        return {
            "what": self.what,
            "metric": self.metric,
            "paper": self.paper,
            "ours": self.ours,
            "std": self.std,
            "low": None if spread is None else spread.low,
            "high": None if spread is None else spread.high,
            "n": len(self.values),
            "values": list(self.values),
            "note": self.note,
            **self.figures,
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """Part of an estimate: ``units`` pieces of work of ``seconds`` each, the seconds measured."""

    what: str
    units: float
    unit: str
    seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """How long a scale of a study takes on one device, multiplied out from measured steps.

    Attributes:
        scale: the scale it is for.
        device: what was measured on.
        parts: what adds up to it.
        note: how it was measured.
    """

    scale: Scale
    device: str
    parts: tuple[Part, ...]
    note: str

    @property
    def seconds(self) -> float:
        """Seconds of the whole."""
        return sum(part.units * part.seconds for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        parts = [dataclasses.asdict(part) for part in self.parts]
        return {
            "scale": self.scale.value,
            "device": self.device,
            "seconds": self.seconds,
            "parts": parts,
            "note": self.note,
        }

    def __str__(self) -> str:
        told = ", ".join(f"{part.what} {format_duration(part.units * part.seconds)}" for part in self.parts)
        whole = format_duration(self.seconds)
        return f"scale {self.scale.value} takes about {whole} on one {self.device} ({told}); {self.note}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyResult:
    """The outcome of a study.

    Attributes:
        study: its name; ``title`` what it is about.
        scale: how much of it was run.
        rows: the figures.
        notes: what they say, and what they do not.
        data: name, sizes and limits of the images.
        seed: of everything random; repetitions derive theirs from it.
        seconds: wall time of this command; ``trained_seconds`` of all training the rows rest on, earlier runs included.
        environment: hardware and versions.
        estimate: what the paper's scale would cost here, where it was measured.
        details: further figures, such as those a picture is drawn from.
    """

    study: str
    title: str
    scale: Scale
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    data: Mapping[str, Any]
    seed: int
    seconds: float
    trained_seconds: float
    environment: Mapping[str, Any]
    estimate: Estimate | None = None
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "study": self.study,
            "title": self.title,
            "scale": self.scale.value,
            "rows": [row.to_json() for row in self.rows],
            "notes": list(self.notes),
            "data": dict(self.data),
            "seed": self.seed,
            "seconds": self.seconds,
            "trained_seconds": self.trained_seconds,
            "environment": dict(self.environment),
            "estimate": None if self.estimate is None else self.estimate.to_json(),
            "details": dict(self.details),
        }

    def save(self, folder: Path) -> Path:
        """Write ``STUDY-SCALE.json`` into ``folder`` atomically and return its path."""
        path = folder / f"{self.study}-{self.scale.value}.json"
        write_json(path, self.to_json())
        return path

    def show(self, console: Console) -> None:
        """Print paper and ours side by side."""
        from rich.table import Table

        table = Table("what", "metric", "paper", "ours", "95 % interval", "std", "n", "note", title=self.title)
        for row in self.rows:
            spread = row.spread
            table.add_row(
                row.what,
                row.metric,
                _number(row.paper),
                _number(row.ours),
                "" if spread is None else f"{spread.low:.4g} to {spread.high:.4g}",
                _number(row.std),
                str(len(row.values) or ""),
                row.note,
            )
        console.print(table)
        for note in self.notes:
            console.print(f"- {note}", markup=False)
        if self.estimate is not None:
            console.print(f"- {self.estimate}", markup=False)


def percent(values: Sequence[float]) -> tuple[float, ...]:
    """Return fractions in percent."""
    return tuple(100.0 * value for value in values)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
