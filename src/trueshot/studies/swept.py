"""Rankings whose conditions each take the best of some values, found by supernets of seeds of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trueshot.studies.analysis import tau
from trueshot.studies.plan import Need
from trueshot.studies.record import Scale
from trueshot.studies.scored import Scored
from trueshot.studies.session import Session
from trueshot.studies.supernets import Rankings


@dataclass(frozen=True, kw_only=True, eq=False)
class SweptScored:
    """The material of both parts.

    Attributes:
        main: of the conditions, each at its best value.
        chosen: that value, by condition.
        taus: mean tau of the sweep, by condition and value.
    """

    main: Scored
    chosen: Mapping[str, float]
    taus: Mapping[str, Mapping[float, float]]
    seconds: float

    @property
    def data(self) -> Mapping[str, Any]:
        """Of the images."""
        return self.main.data

    def table(self) -> Any:
        """Return that of the main part."""
        return self.main.table()


@dataclass(frozen=True, kw_only=True)
class Swept:
    """Rankings, each condition at the value of a setting that ranks best in short trainings of two extra seeds.

    Attributes:
        main: the rankings; every way of scoring but ``single`` is theirs alone.
        key: of the setting; ``values``: that are tried, by scale.
        share: length of the trainings of the sweep.
    """

    main: Rankings
    key: str
    values: Mapping[Scale, tuple[float, ...]]
    share: float = 0.25

    @property
    def scales(self) -> Mapping[Scale, Mapping[str, Any]]:
        """Settings of each scale."""
        return self.main.scales

    @property
    def conditions(self) -> Mapping[str, Mapping[str, Any]]:
        """What differs between the conditions."""
        return self.main.conditions

    def sweep(self, scale: Scale) -> Rankings:
        """Return the rankings of every condition at every value."""
        conditions = {
            _name(name, value): {**changes, self.key: value, "share": self.share}
            for name, changes in self.conditions.items()
            for value in self.values[scale]
        }
        settings = {**self.main.scales[scale], "seeds": min(2, self.main.scales[scale].get("seeds", 1))}
        only = {"stream": "bank/sweep", "scores": {"single": {}}}
        base = {key: value for key, value in self.main.base.items() if key != "scores"}
        return Rankings(scales={scale: {**settings, **only}}, conditions=conditions, base=base)

    def at(self, chosen: Mapping[str, float]) -> Rankings:
        """Return the rankings at some values."""
        conditions = {name: {**changes, self.key: chosen[name]} for name, changes in self.conditions.items()}
        return dataclasses.replace(self.main, conditions=conditions)

    def repetitions(self, session: Session, scale: Scale) -> int:
        """Return the number of supernets of each condition."""
        return self.main.repetitions(session, scale)

    def needs(self, session: Session, scale: Scale) -> list[Need]:
        """Return the needs of the sweep, and of the rankings at a middling value, as which one is not known yet."""
        middle = sorted(self.values[scale])[len(self.values[scale]) // 2]
        at = self.at(dict.fromkeys(self.conditions, middle))
        return [*self.sweep(scale).needs(session, scale), *at.needs(session, scale)]

    def known(self, session: Session, scale: Scale) -> None:
        """What was chosen is known only by running."""

    def kept(self, session: Session, scale: Scale) -> dict[str, frozenset[int]]:
        """Return the epochs whose weights are asked for: none before the sweep has chosen."""
        return {}

    def gather(self, session: Session, scale: Scale) -> SweptScored:
        """Train the sweep, choose, and train the conditions."""
        found = self.sweep(scale).gather(session, scale)
        truth = found.truth["truth"]
        taus = {
            name: {
                value: float(np.mean([tau(row, truth) for row in found.scores[_name(name, value), "single"]]))
                for value in self.values[scale]
            }
            for name in self.conditions
        }
        chosen = {name: max(by_value, key=lambda value: by_value[value]) for name, by_value in taus.items()}
        main = self.at(chosen).gather(session, scale)
        return SweptScored(main=main, chosen=chosen, taus=taus, seconds=found.seconds + main.seconds)


def _name(condition: str, value: float) -> str:
    return f"{condition} at {value:g}"
