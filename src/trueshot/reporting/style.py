"""The one look of all pictures: colours that follow the page's light or dark theme, and figures as SVG."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Sequence

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, GRID, SURFACE = "#1d2733", "#66717f", "#e3e7ec", "#fefefe"
CLOUD, FRONT = "#b9c6d4", "#2b6cb1"
WINNER, RANDOM, SHELF = "#1f6fb9", "#8a6fa8", "#d07a22"
KERNELS = ("#8fb0d2", "#4a8ac6", "#15508e")

THEMED = {
    "page": ("#f4f6f8", "#0e131a"),
    "ink": (INK, "#e6eaf0"),
    "muted": (MUTED, "#9aa6b5"),
    "grid": (GRID, "#2c3644"),
    "surface": (SURFACE, "#171d26"),
    "cloud": (CLOUD, "#4a5a6d"),
    "front": (FRONT, "#66aaea"),
    "winner": (WINNER, "#58a3e8"),
    "random": (RANDOM, "#b49ad6"),
    "shelf": (SHELF, "#eda152"),
    "remark": ("#9a5410", "#eda152"),
    "kernel-1": (KERNELS[0], "#45648a"),
    "kernel-2": (KERNELS[1], "#5c9cdc"),
    "kernel-3": (KERNELS[2], "#b5d8fb"),
}
"""CSS variable of each colour: its value in a light and in a dark page. Figures are drawn in the light ones."""

STAGES = ("#46719f", "#3f8678", "#74803a", "#a8702a", "#a4566a", "#705f9e")
"""Fill of the nodes of each stage, the same in both themes; white text stands on them."""

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    # Names of classes and networks are texts, whatever characters they have.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "trueshot",
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "figure.facecolor": SURFACE,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


@contextlib.contextmanager
def look() -> Iterator[None]:
    """Draw in the house style inside the block."""
    with matplotlib.rc_context(_SETTINGS):  # type: ignore[arg-type]
        yield


def new_figure(width: float = 5.0, height: float = 3.4) -> tuple[Figure, Axes]:
    """Return an empty figure of ``width`` x ``height`` inches with one pair of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def svg(figure: Figure, description: str) -> str:
    """Return a figure as an ``<svg>`` element for an HTML page that defines the variables of :data:`THEMED`.

    Its text is text in the font of the page; it names no address and scales with its container. ``description`` is
    what a screen reader says.
    """
    buffer = io.StringIO()
    with look():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r"font: ([^;\"]*?)'DejaVu Sans'[^;\"]*", r"font: \1var(--font)", text)
    text = re.sub(r"font-family: [^;\"]*", "font-family: var(--font)", text)
    for name, (light, _) in THEMED.items():
        text = text.replace(light, f"var(--{name})")
    width = float(re.search(r'width="([\d.]+)pt"', text)[1])  # type: ignore[index]
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    escaped = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return text.replace("<svg", f'<svg role="img" aria-label="{escaped}" data-width="{width:.0f}"', 1).strip()


def variables(theme: int) -> str:
    """Return the declarations of :data:`THEMED` for the light (0) or the dark (1) page."""
    return " ".join(f"--{name}: {values[theme]};" for name, values in THEMED.items())


def shorten(name: str, length: int = 18) -> str:
    """Return a name, cut off where it is longer than so many letters."""
    return name if len(name) <= length else name[: length - 1] + "…"


_ROW, _MARKER = 62, 6
"""Letters that fit a row of a legend, and how many a marker is as wide as."""


def legend_above(axes: Axes, handles: Sequence[Artist]) -> None:
    """Put the legend above the axes, where it covers nothing: in one row, or in two where one would be cut off."""
    wide = sum(len(str(handle.get_label())) + _MARKER for handle in handles) > _ROW
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=-(-len(handles) // 2) if wide else len(handles),
        columnspacing=1.2,
        handletextpad=0.4,
        handlelength=1.6,
        borderpad=0.2,
    )
