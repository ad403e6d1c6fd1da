"""What several figures of a ranking draw alike: clouds of places, levels with labels that do not overlap, legends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Int64
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from trueshot.reporting.style import FRONT, MUTED, SURFACE, legend_above

Places = Int64[np.ndarray, " n"]

Dashes: TypeAlias = str | tuple[int, tuple[float, ...]]
"""A style of line of matplotlib: its name, or an offset and lengths of dashes and gaps."""

_MANY = 800
"""Points beyond which a cloud is drawn as a density, which stays small and can still be read."""

_CELLS = 56
_CLOUD = (0.25, 0.52, 0.80)
"""Colour of a density, to be seen on a light and on a dark page; its transparency tells how many."""


def cloud(axes: Axes, x: Places, y: Places) -> None:
    """Draw places against places, the best at the top right: points where they are few, a density where many."""
    count = len(x)
    if count <= _MANY:
        axes.scatter(x, y, s=9, color=FRONT, alpha=0.55, linewidth=0)
    else:
        edges = np.linspace(0.5, count + 0.5, _CELLS + 1)
        density = np.histogram2d(y, x, bins=(edges, edges))[0]
        picture = np.empty((_CELLS, _CELLS, 4))
        picture[..., :3] = _CLOUD
        picture[..., 3] = np.clip(density / np.quantile(density, 0.995), 0, 1) ** 0.8
        axes.imshow(
            picture, extent=(0.5, count + 0.5, 0.5, count + 0.5), origin="lower", interpolation="nearest", aspect="auto"
        )
    axes.plot([1, count], [1, count], color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)), zorder=3)
    axes.set(xlim=(count + 0.5, 0.5), ylim=(count + 0.5, 0.5))
    # No tick close to 1, whose label would touch it.
    ticks = [1, *(int(tick) for tick in MaxNLocator(4).tick_values(1, count) if 0.1 * count < tick <= count)]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.grid(visible=False)


def spread(places: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Move ascending places apart, as little as need be, so that things of these sizes centred there do not overlap."""
    groups: list[tuple[list[float], list[float]]] = []
    for place, size in zip(places, sizes, strict=True):
        groups.append(([place], [size]))
        while len(groups) > 1 and _top(groups[-2]) > _bottom(groups[-1]):
            last = groups.pop()
            groups[-1] = (groups[-1][0] + last[0], groups[-1][1] + last[1])
    found: list[float] = []
    for group in groups:
        ends = _bottom(group) + np.cumsum([0.0, *group[1]])
        found += ((ends[:-1] + ends[1:]) / 2).tolist()
    return found


def _bottom(group: tuple[list[float], list[float]]) -> float:
    """Return where a stack of labels begins that is centred on the places of its members."""
    return float(np.mean(group[0])) - sum(group[1]) / 2


def _top(group: tuple[list[float], list[float]]) -> float:
    return _bottom(group) + sum(group[1])


def note(axes: Axes, y: float, text: str) -> None:
    """Write above a horizontal line at its left end."""
    axes.annotate(
        text,
        (0, y),
        xycoords=("axes fraction", "data"),
        xytext=(3, 2),
        textcoords="offset points",
        color=MUTED,
        fontsize=7.5,
    )


def legend(axes: Axes, entries: Sequence[tuple[str, str, Dashes, str]]) -> None:
    """Put a legend of (text, colour, line, marker) above the axes."""
    handles = []
    for text, colour, line, marker in entries:
        style: dict[str, Any] = {"linestyle": (0, (4, 3)) if line == "--" else line or "none"}
        if marker:
            style |= {"marker": "o", "markersize": 5.5, "markerfacecolor": SURFACE if marker == "hollow" else colour}
        handles.append(Line2D([], [], color=colour, label=text, **style))
    legend_above(axes, handles)
