"""Rankings in several spaces at once, as figures of several panels have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from trueshot.studies.plan import Need
from trueshot.studies.record import Scale
from trueshot.studies.scored import Scored
from trueshot.studies.session import Session
from trueshot.studies.supernets import Rankings


@dataclass(frozen=True, kw_only=True, eq=False)
class PanelsScored:
    """The material of each panel, by its name."""

    panels: Mapping[str, Scored]

    @property
    def data(self) -> Mapping[str, Any]:
        """Of the images, which all panels share."""
        return next(iter(self.panels.values())).data

    @property
    def seconds(self) -> float:
        """Of all panels."""
        return sum(scored.seconds for scored in self.panels.values())

    def table(self) -> pd.DataFrame:
        """Return the tables of all panels, one below the other."""
        return pd.concat({name: scored.table() for name, scored in self.panels.items()}, names=["panel"]).reset_index(0)


@dataclass(frozen=True, kw_only=True)
class Panels:
    """Rankings by the name of their panel; all have the same scales and number of supernets."""

    panels: Mapping[str, Rankings]

    @property
    def scales(self) -> Mapping[Scale, Mapping[str, Any]]:
        """Settings of each scale, of the first panel."""
        return next(iter(self.panels.values())).scales

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the panels and of their conditions."""
        return tuple(f"{panel}: {name}" for panel, work in self.panels.items() for name in work.conditions)

    def repetitions(self, session: Session, scale: Scale) -> int:
        """Return the number of supernets of each condition."""
        return next(iter(self.panels.values())).repetitions(session, scale)

    def needs(self, session: Session, scale: Scale) -> list[Need]:
        """Return the needs of all panels."""
        return [need for work in self.panels.values() for need in work.needs(session, scale)]

    def known(self, session: Session, scale: Scale) -> PanelsScored | None:
        """Return what is complete in the bank, ``None`` where a panel has fewer than three supernets."""
        found = {name: work.known(session, scale) for name, work in self.panels.items()}
        known = {name: scored for name, scored in found.items() if scored is not None}
        return PanelsScored(panels=known) if len(known) == len(found) else None

    def gather(self, session: Session, scale: Scale) -> PanelsScored:
        """Train and score what is missing in each panel."""
        return PanelsScored(panels={name: work.gather(session, scale) for name, work in self.panels.items()})
