"""What a network gets wrong, as the report shows it: confusion matrix, or the most confused pairs, and pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from trueshot.core.mistakes import Confusion, Mistake, Mistakes
from trueshot.core.results import Section
from trueshot.core.units import format_count
from trueshot.reporting.style import GRID, INK, SHELF, SURFACE, WINNER, look, new_figure, shorten, svg

MOST_CLASSES = 20
"""Classes up to which the whole matrix is shown."""
MOST_PAIRS = 15
"""Pairs of classes that are shown of more classes."""
_WIDE = 12
"""Classes from which the matrix takes the whole width of the page."""
_PHONE = 340
"""Pixels that a phone has for a figure."""
_CELL, _LETTER = 0.36, 0.068
"""Width of a cell, and of a letter of a class name, in inches."""
_PICTURE = 128
"""Side of a picture on the page, in pixels; of small ones, which are enlarged by a whole factor, at most."""


def shown_mistakes(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Return the sections on mistakes among others, ready to be shown, in their order."""
    shown: list[dict[str, Any]] = []
    for section in sections:
        if isinstance(section, Confusion):
            shown.append(_confusion(section))
        if isinstance(section, Mistakes):
            pictures = [_picture(mistake) for mistake in section.mistakes]
            shown.append({"kind": section.kind, "title": section.title, "pictures": pictures, "note": section.note})
    return shown


def confusion_figure(confusion: Confusion) -> Figure | None:
    """Draw the matrix; ``None`` of more classes than :data:`MOST_CLASSES`, where it would not be readable."""
    return _matrix(confusion) if len(confusion.classes) <= MOST_CLASSES else None


def _confusion(section: Confusion) -> dict[str, Any]:
    """Return the matrix, or of many classes the pairs that are most often confused, and what there is to say."""
    figure, confused, classes = confusion_figure(section), section.confused, len(section.classes)
    wrong, sizes = sum(count for *_, count in confused), section.of_class
    shown: dict[str, Any] = {"kind": section.kind, "title": section.title, "svg": None, "pairs": [], "wide": False}
    if figure is not None:
        width = 72 * float(figure.get_figwidth())
        text = svg(figure, f"{section.title}: {wrong:,} of {section.images:,} test images were given a wrong class")
        # As wide as drawn, so that its numbers stay readable on a phone, which scrolls it.
        size = f"max-width: {width * 4 / 3:.0f}px; min-width: {width * 1.18:.0f}px"
        caption = (
            "Numbers of test images. A row holds the images of one true class, a column those that were given one"
            " class; the stronger the colour, the larger the share of the row. Off the diagonal are the mistakes."
        )
        picture = Markup(text.replace("<svg", f'<svg style="{size}"', 1))
        size_told = {"wide": classes >= _WIDE, "scrolls": width * 1.18 > _PHONE}
        return {**shown, "caption": caption, "svg": picture, **size_told}
    pairs = [
        {"true": section.classes[true], "given": section.classes[given], "count": f"{count:,} of {sizes[true]:,}"}
        for true, given, count in confused[:MOST_PAIRS]
    ]
    caption = f"No two of the {classes:,} classes were confused on {section.images:,} test images."
    if pairs:
        held = sum(count for *_, count in confused[:MOST_PAIRS])
        caption = (
            f"Of {classes:,} classes, the pairs most often confused, and how many images of the true class that were."
            f" They hold {held:,} of {wrong:,} wrong answers; all others are in result.json."
        )
    return {**shown, "title": "Classes most often confused", "caption": caption, "pairs": pairs}


def _matrix(confusion: Confusion) -> Figure:
    n = len(confusion.classes)
    names = [shorten(name, 14 if n > 2 else 18) for name in confusion.classes]
    margin = 0.45 + _LETTER * max(map(len, names))
    cell = max(_CELL, 0.9 - 0.07 * n)
    upright = max(map(len, names)) * _LETTER < cell
    counts = np.zeros((n, n), dtype=np.int64)
    for true, given, count in confusion.counts:
        counts[true, given] += count
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with look():
        figure, axes = new_figure(margin + cell * n, (0.6 if upright else margin) + cell * n)
        for true in range(n):
            for given in range(n):
                place = (given - 0.47, true - 0.47)
                axes.add_patch(Rectangle(place, 0.94, 0.94, facecolor=GRID, alpha=0.45, linewidth=0))
                if not counts[true, given]:
                    continue
                share, colour = shares[true, given], WINNER if true == given else SHELF
                # Even one mistake is seen.
                strength = 0.22 + 0.78 * float(share)
                axes.add_patch(Rectangle(place, 0.94, 0.94, facecolor=colour, alpha=strength, linewidth=0))
                axes.text(
                    *(given, true, _count(counts[true, given])),
                    color=SURFACE if strength > 0.6 else INK,
                    fontsize=8 if n > 4 else 10,
                    ha="center",
                    va="center",
                )
        axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), xlabel="class given", ylabel="true class", aspect="equal")
        axes.xaxis.set_label_position("top")
        axes.xaxis.labelpad = 7
        axes.xaxis.tick_top()
        axes.set_xticks(range(n), names, rotation=0 if upright else 90, color=INK)
        axes.set_yticks(range(n), names, color=INK)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
    return figure


def _count(count: int) -> str:
    return str(count) if count < 10_000 else format_count(float(count))


def _picture(mistake: Mistake) -> dict[str, Any]:
    """Return a picture with what is said of it: enlarged by a whole factor where it is small."""
    pixelated = 2 * mistake.side < _PICTURE
    return {
        "image": mistake.image,
        "side": mistake.side * (_PICTURE // mistake.side) if pixelated else _PICTURE,
        # Enlarged a little they look better smoothed, enlarged much only their pixels can be told.
        "pixelated": pixelated,
        "given": mistake.given,
        "true": mistake.true,
        "sure": _percent(mistake.probability),
        "of_true": _percent(mistake.of_true),
        "name": mistake.name,
        "file": _file(mistake.name),
    }


def _file(name: str) -> str:
    """Return the file of an image without its folders, after its row where a file holds many."""
    row, of, path = name.partition(" of ") if re.match(r"(row|image) \d+ of ", name) else ("", "", name)
    return row + of + path.replace("\\", "/").rpartition("/")[2]


def _percent(share: float) -> str:
    """Write a probability, and no certainty where there is none."""
    if share > 0.999:
        return "over 99.9 %"
    return "under 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"
