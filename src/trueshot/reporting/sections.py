"""Sections of a result that no part of the report is about, shown by their kind."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from trueshot.core.mistakes import Confusion, Mistakes
from trueshot.core.results import Series, Table, Text
from trueshot.reporting import figures
from trueshot.reporting.findings import Findings
from trueshot.reporting.style import svg


def shown_sections(findings: Findings) -> list[dict[str, Any]]:
    """Return every section that the report has no place of its own for, ready to be shown by its kind."""
    roles = {network.name: network.role for network in findings.networks}
    shown = []
    for section in findings.more:
        if isinstance(section, Confusion | Mistakes):
            continue
        one: dict[str, Any] = {"kind": section.kind, "title": section.title}
        if isinstance(section, Series):
            one["svg"] = Markup(svg(figures.series_figure(section, roles), f"{section.title}: {section.y}"))
        if isinstance(section, Table):
            one |= {"heads": section.heads, "note": section.note}
            one["rows"] = [[_cell(value) for value in row] for row in section.rows]
        if isinstance(section, Text):
            one["rows"] = section.rows
        shown.append(one)
    return shown


def _cell(value: str | float | None) -> str:
    return "–" if value is None else value if isinstance(value, str) else f"{value:.4g}".replace("-", "−")
