"""The figures of the report; each function returns a matplotlib figure, which can be saved as PNG or SVG too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from trueshot.core.records import NetworkRecord
from trueshot.core.results import CostAxis, Series
from trueshot.core.units import format_count
from trueshot.criteria.pareto import pareto_front
from trueshot.reporting.findings import Findings, cell, interval_of
from trueshot.reporting.style import (
    CLOUD,
    FRONT,
    GRID,
    INK,
    MUTED,
    RANDOM,
    SHELF,
    STAGES,
    SURFACE,
    WINNER,
    legend_above,
    look,
    new_figure,
    shorten,
)

ROLES = {"winner": ("found by the search", WINNER, "o"), "random": ("random", RANDOM, "s")}
ROLES["at-bound"] = ("random, just below the bound", RANDOM, "^")
ROLES["off-the-shelf"] = ("off the shelf", SHELF, "D")
ROLES["pretrained"] = ("pretrained", SHELF, "P")
ROLES["recommended"] = ("recommended", WINNER, "*")

_MANY = 2000
"""Points beyond which a cloud is embedded as a picture."""
MOST_BARS = 24
LINES = (WINNER, SHELF, RANDOM, *STAGES[1:4])
"""Colours of the lines of a series, in their order."""
_MOST_NAMED = 6
"""Lines beyond which a legend names no more."""


def front_figure(findings: Findings) -> Figure:
    """Draw what the search saw: score against cost of every architecture evaluated, the Pareto front, the winners."""
    with look():
        figure, axes = new_figure()
        scores, costs = np.array(findings.front.scores), np.array(findings.front.costs)
        if len(scores):
            axes.scatter(costs, scores, s=9, color=CLOUD, linewidth=0, rasterized=len(scores) > _MANY)
            front = pareto_front(cost=costs, score=scores)
            axes.step(costs[front], scores[front], where="post", color=FRONT, linewidth=1.4)
        shown = [role for role in ("winner", "random", "at-bound") if findings.of_role(role)]
        for role in reversed(shown):
            known = [network for network in findings.of_role(role) if network.score is not None]
            _mark(axes, role, [findings.cost_of(n) for n in known], [n.score for n in known if n.score is not None])
        _budgets(axes, findings)
        _cost_axis(axes, findings.axis)
        axes.set_ylabel("score")
        _legend(axes, [("evaluated", CLOUD, "."), ("front", FRONT, "-"), *(ROLES[role] for role in shown)])
    return figure


def tested_figure(findings: Findings) -> Figure:
    """Draw what was reached: test accuracy against cost of every retrained network with 95 % intervals."""
    with look():
        figure, axes = new_figure()
        for role, (_, colour, _) in ROLES.items():
            tested = [(network, network.test) for network in findings.of_role(role) if network.test is not None]
            for network, accuracy in tested:
                interval = interval_of(accuracy)
                ends = [100 * interval.low, 100 * interval.high]
                axes.plot([findings.cost_of(network)] * 2, ends, color=colour, linewidth=1, alpha=0.55)
            places = [findings.cost_of(network) for network, _ in tested]
            _mark(axes, role, places, [100 * accuracy.top1 for _, accuracy in tested])
        _budgets(axes, findings)
        _cost_axis(axes, findings.axis)
        axes.set_ylabel("test top-1 (%)")
        _legend(axes, [ROLES[role] for role in ROLES if findings.of_role(role)])
    return figure


def agreement_figure(findings: Findings) -> Figure:
    """Draw the score against test accuracy of the retrained networks of the space."""
    with look():
        figure, axes = new_figure()
        shown = [role for role in ("winner", "random", "at-bound") if findings.of_role(role)]
        for role in reversed(shown):
            points = [(score, 100 * true) for network, score, true in findings.predicted if network.role == role]
            _mark(axes, role, [score for score, _ in points], [true for _, true in points])
        axes.set(xlabel="score in the search", ylabel="test top-1 (%)")
        axes.margins(0.12)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
        _legend(axes, [ROLES[role] for role in shown])
    return figure


def series_figure(series: Series, roles: Mapping[str, str]) -> Figure:
    """Draw the lines of a section; lines of networks in the colours of their roles.

    Args:
        series: the section.
        roles: of the networks, by name.
    """
    with look():
        figure, axes = new_figure(height=2.9)
        entries: dict[str, tuple[str, str, str]] = {}
        for line in series.lines:
            role = roles.get(line.name)
            text, colour, _ = (line.name, LINES[len(entries) % len(LINES)], "-") if role is None else ROLES[role]
            kept = [(x, y) for x, y in zip(line.x, line.y, strict=True) if y is not None]
            axes.plot([x for x, _ in kept], [y for _, y in kept], color=colour, linewidth=1.4, alpha=0.9)
            entries[text] = (text, colour, "-")
        axes.set(xlabel=series.x, ylabel=series.y)
        whole = all(float(x).is_integer() for line in series.lines for x in line.x)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=whole))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
        _legend(axes, list(entries.values())[:_MOST_NAMED])
    return figure


def classes_figure(network: NetworkRecord, classes: Sequence[str]) -> Figure | None:
    """Draw the recall of each class, worst first; of many classes the worst 24. ``None`` for an untested network."""
    if network.test is None:
        return None
    recalls = 100 * np.array(network.test.per_class)
    order = np.argsort(recalls, kind="stable")[:MOST_BARS]
    with look():
        figure, axes = new_figure(height=0.75 + 0.2 * len(order))
        places = np.arange(len(order))[::-1]
        axes.barh(places, np.full(len(order), 100.0), height=0.62, color=GRID)
        axes.barh(places, recalls[order], height=0.62, color=WINNER)
        for place, index in zip(places, order, strict=True):
            axes.text(102, place, f"{recalls[index]:.1f}", va="center", fontsize=8, color=INK)
        axes.set(xlim=(0, 112), ylim=(-0.7, len(order) - 0.3), xlabel="recall on test images (%)")
        axes.set_yticks(places, [shorten(classes[index]) for index in order])
        axes.set_xticks([0, 25, 50, 75, 100])
        axes.grid(visible=False)
        axes.spines[["left", "bottom"]].set_visible(False)
    return figure


def _mark(axes: Axes, role: str, x: Sequence[float], y: Sequence[float]) -> None:
    _, colour, marker = ROLES[role]
    axes.scatter(x, y, s=34, color=colour, marker=marker, edgecolors=SURFACE, linewidths=0.7, zorder=4)


def _budgets(axes: Axes, findings: Findings) -> None:
    """Draw the bounds given by the user, as far as they lie within the picture."""
    shown = [findings.cost_of(network) for network in findings.networks] + list(findings.front.costs)
    for budget in findings.front.budgets:
        if not np.nanmin(shown) <= budget <= 1.15 * np.nanmax(shown):
            continue
        axes.axvline(budget, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"≤ {cell(findings.axis, budget)}",
            (budget, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-3, -2),
            textcoords="offset points",
            ha="right",
            va="top",
            color=MUTED,
            fontsize=7.5,
        )


def _cost_axis(axes: Axes, cost: CostAxis) -> None:
    axes.set_xlabel(cost.title)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: cell(cost, value)))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.margins(x=0.06, y=0.1)


def _legend(axes: Axes, entries: Sequence[tuple[str, str, str]]) -> None:
    """Put a legend of (text, colour, marker) above the axes."""
    handles = []
    for text, colour, marker in entries:
        line = marker == "-"
        handles += axes.plot(
            [],
            [],
            color=colour,
            linestyle="-" if line else "none",
            marker="none" if line else ("o" if marker == "." else marker),
            markersize=3.5 if marker == "." else 6,
            label=text,
        )
    legend_above(axes, handles)
