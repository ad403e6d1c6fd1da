"""The figures of the report, for its page and as files."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from trueshot.core.mistakes import Confusion
from trueshot.core.results import Series
from trueshot.core.run import RunDirectory
from trueshot.reporting import figures
from trueshot.reporting.drawing import draw_architecture
from trueshot.reporting.findings import Findings, read_findings
from trueshot.reporting.mistakes import confusion_figure
from trueshot.reporting.page import save_pictures
from trueshot.reporting.style import svg


def write_pictures(run: RunDirectory, folder: Path, *, trust_code: bool = False) -> list[Path]:
    """Write the figures of the report and the drawing of the best winner as PNG files and return their paths.

    Raises:
        RunError: when the run is unfinished, or a file cannot be written.
    """
    findings = read_findings(run, trust_code=trust_code)
    pictures = {name: figure for name, (figure, _) in _drawn(findings).items() if figure is not None}
    if findings.trained is not None and findings.space is not None:
        pictures["architecture"] = draw_architecture(findings.space, findings.space.parse(findings.best.arch))
    roles = {network.name: network.role for network in findings.networks}
    series = [section for section in findings.more if isinstance(section, Series)]
    pictures |= {section.name: figures.series_figure(section, roles) for section in series}
    matrices = {one.name: confusion_figure(one) for one in findings.more if isinstance(one, Confusion)}
    pictures |= {name: figure for name, figure in matrices.items() if figure is not None}
    return save_pictures(pictures, folder)


def _drawn(findings: Findings) -> dict[str, tuple[Figure | None, str]]:
    """Return every figure that the report knows by itself, with what it shows."""
    seen = figures.front_figure(findings), f"Score against {findings.axis.title} of every architecture evaluated"
    if findings.trained is None:
        return {"front": seen}
    best, classes = findings.best, (findings.head["dataset"] or {"classes": ()})["classes"]
    return {
        "front": seen,
        "tested": (
            figures.tested_figure(findings),
            f"Test accuracy against {findings.axis.title} of every network trained",
        ),
        "agreement": (figures.agreement_figure(findings), "Score in the search against test accuracy"),
        "classes": (figures.classes_figure(best, classes), f"Recall of each class by {best.name}"),
    }


def shown_figures(findings: Findings) -> dict[str, Markup | None]:
    """Return the figures as they stand in the page, ``None`` for one that there is too little for."""
    drawn = _drawn(findings)
    return {
        name: None if figure is None else Markup(svg(figure, description))
        for name, (figure, description) in drawn.items()
    }
