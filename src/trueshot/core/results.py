"""What a run found: a common head, and sections of a few kinds that the report shows as they come.

A new strategy adds sections of these kinds; nothing in the report need know of it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pydantic

from trueshot.core.errors import ConfigError, RunError
from trueshot.core.files import read_json, write_json
from trueshot.core.mistakes import Confusion, Mistake, Mistakes
from trueshot.core.records import NetworkRecord

VERSION = 2
"""Version of ``result.json``."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure with its uncertainty.

    Attributes:
        value: the figure.
        low: lower end of its interval; ``high``: the upper end; ``None`` where there is none.
        std: standard deviation over what it was computed from, ``None`` for one.
        n: how many values it was computed from.
        over: what was resampled, or varies: ``architectures``, ``seeds``, ``test images``.
    """

    value: float
    low: float | None = None
    high: float | None = None
    std: float | None = None
    n: int = 1
    over: str = ""


@dataclass(frozen=True)
class CostAxis:
    """A cost that a section shows: its ``name``, what people call it, and its unit."""

    name: str
    title: str
    unit: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a series: its name, and points; a missing value is ``None``."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]


@dataclass(frozen=True, kw_only=True)
class Series:
    """Figures over time: ``lines`` that share their axes.

    Attributes:
        name: short name, unique in the result.
        title: for people.
        x: what the x axis counts; ``y``: the y axis.
        lines: the lines.
    """

    kind: ClassVar[str] = "series"
    name: str
    title: str
    x: str
    y: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of texts and numbers under heads.

    Attributes:
        name: short name, unique in the result.
        title: for people.
        heads: of the columns.
        rows: as many cells each.
        note: a sentence below it.
    """

    kind: ClassVar[str] = "table"
    name: str
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Front:
    """Score against one cost of everything that was evaluated.

    Attributes:
        name: short name, unique in the result.
        title: for people.
        cost: the axis.
        costs: of each architecture evaluated; ``scores``: higher is better.
        budgets: bounds on the cost under which winners were picked.
    """

    kind: ClassVar[str] = "front"
    name: str
    title: str
    cost: CostAxis
    costs: Sequence[float]
    scores: Sequence[float]
    budgets: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Networks trained from scratch, and the comparison between found and random ones.

    Attributes:
        name: short name, unique in the result.
        title: for people.
        cost: that the budgets bound.
        records: the networks.
        comparison: mean of the found less mean of the random ones, with its interval; ``None`` without either.
    """

    kind: ClassVar[str] = "networks"
    name: str
    title: str
    cost: CostAxis
    records: tuple[NetworkRecord, ...]
    comparison: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Text:
    """Labels and texts, or paragraphs (with an empty label).

    Attributes:
        name: short name, unique in the result.
        title: for people.
        rows: label and text.
    """

    kind: ClassVar[str] = "text"
    name: str
    title: str
    rows: tuple[tuple[str, str], ...]


Section = Series | Table | Front | Networks | Text | Confusion | Mistakes

KINDS: Mapping[str, type[Section]] = {
    kind.kind: kind for kind in (Series, Table, Front, Networks, Text, Confusion, Mistakes)
}


def check_section(section: Any, told: str) -> None:
    """Check a section that a strategy of a user's adds.

    Args:
        section: what it added.
        told: what the strategy is, for the message.

    Raises:
        ConfigError: when it is no section, or holds what cannot be written or does not belong together.
    """
    if type(section) not in KINDS.values():
        names = ", ".join(kind.__name__ for kind in KINDS.values())
        raise ConfigError(f"{told} adds {type(section).__name__} to the result: give sections, of {names}")
    told = f"section '{section.name}' that {told} adds"
    values = dataclasses.asdict(section)
    checked_json(values, told)
    try:
        pydantic.TypeAdapter(type(section)).validate_python(values)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{told}: '{where}' is {str(first['input'])[:60]}: {first['msg']}") from None
    lengths: list[tuple[int, int]] = []
    if isinstance(section, Table):
        lengths = [(len(row), len(section.heads)) for row in section.rows]
    if isinstance(section, Series):
        lengths = [(len(line.x), len(line.y)) for line in section.lines]
    if isinstance(section, Front):
        lengths = [(len(section.costs), len(section.scores))]
    if isinstance(section, Confusion | Mistakes) and (wrong := section.check()):
        raise ConfigError(f"{told} {wrong}")
    if unequal := [pair for pair in lengths if pair[0] != pair[1]]:
        raise ConfigError(f"{told} holds {unequal[0][0]} values where it needs {unequal[0][1]}: give as many of both")


def checked_json(value: Any, told: str) -> str:
    """Return a value as JSON.

    Raises:
        ConfigError: when it cannot be written as such.
    """
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{told} cannot be written ({error}): give numbers that are finite, texts, lists") from None


@dataclass(frozen=True, kw_only=True)
class Result:
    """The content of ``result.json``.

    Attributes:
        command: that made it: ``search``, ``rank``.
        head: plain values that all results of a command have.
        sections: in the order in which they are shown.
    """

    command: str
    head: Mapping[str, Any]
    sections: tuple[Section, ...] = field(default=())

    def of_kind(self, kind: type[Any]) -> list[Any]:
        """Return the sections of one kind."""
        return [section for section in self.sections if isinstance(section, kind)]

    def named(self, name: str) -> Section | None:
        """Return the section of a name, ``None`` where there is none."""
        return next((section for section in self.sections if section.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"command": self.command, **self.head, "sections": [section_to_json(one) for one in self.sections]}

    def write(self, path: Path) -> None:
        """Write it atomically."""
        write_json(path, self.to_json(), version=VERSION)

    @classmethod
    def read(cls, path: Path) -> Result:
        """Read what :meth:`write` wrote.

        Raises:
            RunError: when the file is absent, damaged, or of another version.
        """
        content = read_json(path, version=VERSION)
        try:
            sections = tuple(section_from_json(section) for section in content.pop("sections"))
            content.pop("version")
            return cls(command=content.pop("command"), head=content, sections=sections)
        except (KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{path} is incomplete ({error}): repeat the command that made it with --resume") from error


def section_to_json(section: Section) -> dict[str, Any]:
    """Return plain JSON values of a section."""
    return {"kind": section.kind, **dataclasses.asdict(section)}


def section_from_json(content: Mapping[str, Any]) -> Section:
    """Read what :func:`section_to_json` returned; anything else raises ``KeyError`` or ``TypeError``."""
    content = dict(content)
    kind = KINDS[content.pop("kind")]
    if kind is Series:
        content["lines"] = tuple(Line(**line) for line in content["lines"])
    if kind is Table:
        content["heads"], content["rows"] = tuple(content["heads"]), tuple(map(tuple, content["rows"]))
    if kind in (Front, Networks):
        content["cost"] = CostAxis(**content["cost"])
    if kind is Networks:
        content["records"] = tuple(NetworkRecord.from_json(record) for record in content["records"])
    if kind is Text:
        content["rows"] = tuple((label, text) for label, text in content["rows"])
    if kind is Confusion:
        content["classes"], content["counts"] = tuple(content["classes"]), tuple(map(tuple, content["counts"]))
    if kind is Mistakes:
        content["mistakes"] = tuple(Mistake(**mistake) for mistake in content["mistakes"])
    return kind(**content)
