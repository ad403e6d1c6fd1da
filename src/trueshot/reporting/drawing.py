"""Drawings of architectures, in the manner of Fig. 6 of the ST-NAS paper."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np
from jaxtyping import Integer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch
from matplotlib.path import Path

from trueshot.reporting.style import GRID, INK, KERNELS, MUTED, STAGES, SURFACE, look, shorten
from trueshot.spaces import NONE, Chain, Space, Topology

_UNIT = 0.62
"""Inches between two neighbours."""

_BEND = {1: 0.0, 2: 0.95, 3: -1.25}
"""Height of the label of an edge by how many nodes it advances; branch edges of 2 above, of 3 below."""


def draw_architecture(space: Space, arch: Integer[np.ndarray, " decisions"], *, figure: Figure | None = None) -> Figure:
    """Draw one architecture.

    Topology: nodes in a row, coloured by stage; stem edges straight, branch edges as arcs, those over one node above
    and those over two below, each labelled with its operation (E6K5, id); dropped edges are not drawn. Chain: blocks
    in a row, coloured by stage, as high as their expansion. Any other space: a table of decisions and their options.

    Args:
        space: the space of the architecture.
        arch: one choice per decision.
        figure: drawn into it and resized; a new one otherwise.

    Raises:
        ArchitectureError: when ``arch`` is no architecture of the space.
    """
    (row,) = space.check(np.asarray(arch)[None])
    options = {d.name: d.options[int(choice)] for d, choice in zip(space.decisions, row, strict=True)}
    with look():
        figure = Figure() if figure is None else figure
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        if isinstance(space, Topology):
            limits = _draw_topology(axes, space, options)
        elif isinstance(space, Chain):
            limits = _draw_chain(axes, space, options)
        else:
            limits = _draw_table(axes, options)
        left, right, bottom, top = limits
        axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
        figure.set_size_inches((right - left) * _UNIT, (top - bottom) * _UNIT)
    return figure


def _draw_topology(axes: Axes, space: Topology, options: dict[str, str]) -> tuple[float, float, float, float]:
    last = sum(space.nodes)
    ends = list(accumulate(space.nodes))
    for stage, (end, count) in enumerate(zip(ends, space.nodes, strict=True)):
        _stage(axes, end - count + 1, end, stage, f"{space.widths[stage]} × {_side(space, stage)}²")
    present = [(edge, options[f"{edge[0]}-{edge[1]}"]) for edge in space.edges()]
    for (i, j), option in present:
        if option != NONE:
            _edge(axes, i, j, option, space)
    for node in range(1, last + 1):
        axes.add_patch(Circle((node, 0), 0.2, facecolor=_stage_colour(space.stage(node)), edgecolor="none", zorder=5))
        axes.text(node, -0.012, str(node), color="white", ha="center", va="center", fontsize=8, weight="bold", zorder=6)
    right, bottom = _key(axes, 0.6, -2.1, last + 0.6, space)
    return 0.4, max(last + 0.6, right), bottom - 0.25, 1.8


def _edge(axes: Axes, i: int, j: int, option: str, space: Topology) -> None:
    colour, width, dashes = _line(option, space.expansions, space.kernels)
    height = _BEND[j - i]
    # The curve passes the height of its label in the middle: a quadratic does at half the height of its control.
    path = Path([(i, 0), ((i + j) / 2, 2 * height), (j, 0)], [Path.MOVETO, Path.CURVE3, Path.CURVE3])
    if j - i == 3:
        path = Path(
            [(i, 0), (i + 0.55, 4 / 3 * height), (j - 0.55, 4 / 3 * height), (j, 0)], [Path.MOVETO] + 3 * [Path.CURVE4]
        )
    patch = PathPatch(path, facecolor="none", edgecolor=colour, linewidth=width, linestyle=dashes, zorder=2)
    patch.set_gid(f"edge-{i}-{j}")
    axes.add_patch(patch)
    stem = j - i == 1
    axes.text(
        (i + j) / 2,
        height + 0.16 * stem,
        "id" if option == "identity" else option,
        fontsize=7.5,
        ha="center",
        va="center",
        zorder=4,
        bbox=None if stem else {"boxstyle": "round,pad=0.12", "facecolor": SURFACE, "edgecolor": "none"},
    )


def _draw_chain(axes: Axes, space: Chain, options: dict[str, str]) -> tuple[float, float, float, float]:
    strides = [stride for _, stride in space.layers]
    stages = list(accumulate((stride > 1 for stride in strides), initial=0))[1:]
    stages = [stage - stages[0] for stage in stages]
    sides, side = [], -(-space.image_size // space.stem_stride)
    for stride in strides:
        side = -(-side // stride)
        sides.append(side)
    for stage in sorted(set(stages)):
        members = [index for index, of in enumerate(stages) if of == stage]
        _stage(axes, members[0] + 1, members[-1] + 1, stage, f"{sides[members[0]]}²", bottom=-0.95, top=0.95)
    axes.plot([0.4, len(strides) + 0.6], [0, 0], color=MUTED, linewidth=1, zorder=1)
    for index, (width, _) in enumerate(space.layers):
        option = options[str(index)]
        expansion, _ = _numbers(option) or (0, 0)
        height = 0.42 + 0.78 * expansion / max(space.expansions)
        block = FancyBboxPatch(
            (index + 0.58, -height / 2),
            0.84,
            height,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=_stage_colour(stages[index]),
            edgecolor="none",
            zorder=3,
        )
        block.set_gid(f"block-{index}")
        axes.add_patch(block)
        axes.text(index + 1, 0, option, color="white", fontsize=8, ha="center", va="center", zorder=4)
        axes.text(index + 1, -0.78, str(width), color=MUTED, fontsize=7, ha="center", va="center", zorder=4)
    note = "block: expansion (E, also its height) and kernel (K); below it: output channels"
    axes.text(0.58, -1.25, note, color=MUTED, fontsize=7.5, va="center")
    return 0.3, max(len(strides) + 0.7, 7.6), -1.5, 1.4


def _draw_table(axes: Axes, options: dict[str, str]) -> tuple[float, float, float, float]:
    """Decisions in rows of cells, the option below the name of the decision."""
    columns = min(8, len(options))
    for index, (name, option) in enumerate(options.items()):
        x, y = 2.0 * (index % columns), -1.1 * (index // columns)
        cell = FancyBboxPatch(
            (x + 0.05, y - 0.95), 1.9, 0.95, boxstyle="round,pad=0,rounding_size=0.1", facecolor="none", edgecolor=GRID
        )
        cell.set_gid(f"decision-{index}")
        axes.add_patch(cell)
        axes.text(x + 1, y - 0.28, shorten(name, 16), color=MUTED, fontsize=7, ha="center", va="center")
        axes.text(x + 1, y - 0.64, shorten(option, 17), color=INK, fontsize=8, ha="center", va="center")
    return -0.1, 2.0 * columns + 0.1, -1.1 * (-(-len(options) // columns)) - 0.1, 0.2


def _stage(
    axes: Axes, first: int, last: int, stage: int, text: str, *, bottom: float = -1.75, top: float = 1.4
) -> None:
    """Mark the columns of one stage with a band and its width and resolution above."""
    colour = _stage_colour(stage)
    band = FancyBboxPatch(
        (first - 0.46, bottom),
        last - first + 0.92,
        top - bottom,
        boxstyle="round,pad=0,rounding_size=0.12",
        facecolor=colour,
        alpha=0.09,
        edgecolor="none",
        zorder=0,
    )
    axes.add_patch(band)
    axes.text((first + last) / 2, top + 0.2, text, color=MUTED, fontsize=7.5, weight="bold", ha="center", va="center")


def _key(axes: Axes, x: float, y: float, right: float, space: Topology) -> tuple[float, float]:
    """Explain the drawing from ``x``, in two rows if one does not fit; return where it ends, right and below."""
    low, high = min(space.expansions), max(space.expansions)
    entries: list[tuple[str, str, str | None]] = [
        (f"K{kernel}", f"E{high}K{kernel}", None) for kernel in sorted(space.kernels)
    ]
    entries += [(f"E{e}", f"E{e}K{min(space.kernels)}", MUTED) for e in sorted({low, high})]
    end: float = x
    for text, option, given in [*entries, ("id", "identity", None)]:
        colour, width, dashes = _line(option, space.expansions, space.kernels)
        axes.plot([end, end + 0.4], [y, y], color=given or colour, linewidth=width, linestyle=dashes)
        axes.text(end + 0.5, y, text, color=MUTED, fontsize=7.5, va="center")
        end += 1.0
    note, length = "above a stage: channels × side²", 3.6
    start, below = (end + 0.2, y) if end + 0.2 + length <= right else (x, y - 0.4)
    axes.text(start, below, note, color=MUTED, fontsize=7.5, va="center")
    return max(end, start + length), below


def _line(
    option: str, expansions: Sequence[int], kernels: Sequence[int]
) -> tuple[str, float, str | tuple[float, Iterable[float]]]:
    """Colour by kernel, width by expansion; anything else is a dashed line."""
    numbers = _numbers(option)
    if not numbers:
        return MUTED, 1.1, (0, (3, 2))
    expansion, kernel = numbers
    rank = sorted(kernels).index(kernel) * (len(KERNELS) - 1) / max(1, len(kernels) - 1)
    return KERNELS[round(rank)], 0.9 + 2.0 * expansion / max(expansions), "solid"


def _numbers(option: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"E(\d+)K(\d+)", option)
    return None if found is None else (int(found[1]), int(found[2]))


def _side(space: Topology, stage: int) -> int:
    side = -(-space.image_size // space.stem_stride)
    for _ in range(stage):
        side = -(-side // 2)
    return side


def _stage_colour(stage: int) -> str:
    return STAGES[stage % len(STAGES)]
