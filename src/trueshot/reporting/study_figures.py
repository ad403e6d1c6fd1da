"""The pictures of the page of study results."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trueshot.core.results import Series
from trueshot.reporting.figures import LINES
from trueshot.reporting.style import look, new_figure

_STYLES = ("-", "--", ":")


def study_figure(series: Series) -> Figure:
    """Draw the lines of a series, with their names beside them; each line marks its points."""
    with look():
        figure, axes = new_figure(width=6.4, height=3.0)
        for number, line in enumerate(series.lines):
            kept = [(x, y) for x, y in zip(line.x, line.y, strict=True) if y is not None]
            axes.plot(
                [x for x, _ in kept],
                [y for _, y in kept],
                color=LINES[number % len(LINES)],
                linestyle=_STYLES[number // len(LINES) % len(_STYLES)],
                linewidth=1.4,
                marker="o",
                markersize=3,
                label=line.name,
            )
        axes.set(xlabel=series.x, ylabel=series.y)
        whole = all(float(x).is_integer() for line in series.lines for x in line.x)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=whole))
        if len(series.lines) > 1:
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
