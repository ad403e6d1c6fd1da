"""The figures of the report; each function returns a matplotlib figure, which can be saved as PNG or SVG too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from trueshot.core.records import NetworkRecord
from trueshot.core.units import format_count
from trueshot.criteria.pareto import pareto_front
from trueshot.reporting.findings import Findings, interval_of
from trueshot.reporting.style import (
    CLOUD,
    FRONT,
    GRID,
    INK,
    MUTED,
    RANDOM,
    SHELF,
    SURFACE,
    WINNER,
    legend_above,
    look,
    new_figure,
)

ROLES = {"winner": ("found by the search", WINNER, "o"), "random": ("random", RANDOM, "s")}
ROLES["off-the-shelf"] = ("off the shelf", SHELF, "D")

_MANY = 2000
"""Points beyond which a cloud is embedded as a picture."""
MOST_BARS = 24


def front_figure(findings: Findings) -> Figure:
    """Draw what the search saw: score against MAdds of every architecture evaluated, the Pareto front, the winners."""
    with look():
        figure, axes = new_figure()
        scores, madds = findings.scores, findings.madds
        if len(scores):
            axes.scatter(madds, scores, s=9, color=CLOUD, linewidth=0, rasterized=len(scores) > _MANY)
            front = pareto_front(cost=madds, score=scores)
            axes.step(madds[front], scores[front], where="post", color=FRONT, linewidth=1.4)
        for role in ("random", "winner"):
            known = [network for network in findings.of_role(role) if network.score is not None]
            _mark(axes, role, [n.madds for n in known], [n.score for n in known if n.score is not None])
        _budgets(axes, findings)
        _cost_axis(axes)
        axes.set_ylabel("predicted score")
        _legend(axes, [("evaluated", CLOUD, "."), ("front", FRONT, "-"), ROLES["winner"], ROLES["random"]])
    return figure


def tested_figure(findings: Findings) -> Figure:
    """Draw what was reached: test accuracy against MAdds of every retrained network with 95 % intervals."""
    with look():
        figure, axes = new_figure()
        for role, (_, colour, _) in ROLES.items():
            tested = [(network, network.test) for network in findings.of_role(role) if network.test is not None]
            for network, accuracy in tested:
                interval = interval_of(accuracy)
                ends = [100 * interval.low, 100 * interval.high]
                axes.plot([network.madds] * 2, ends, color=colour, linewidth=1, alpha=0.55)
            _mark(axes, role, [n.madds for n, _ in tested], [100 * accuracy.top1 for _, accuracy in tested])
        _budgets(axes, findings)
        _cost_axis(axes)
        axes.set_ylabel("test top-1 (%)")
        _legend(axes, [ROLES[role] for role in ROLES if findings.of_role(role)])
    return figure


def agreement_figure(findings: Findings) -> Figure:
    """Draw predicted score against test accuracy of the retrained networks of the space."""
    with look():
        figure, axes = new_figure()
        for role in ("random", "winner"):
            points = [(score, 100 * true) for network, score, true in findings.predicted if network.role == role]
            _mark(axes, role, [score for score, _ in points], [true for _, true in points])
        axes.set(xlabel="predicted score", ylabel="test top-1 (%)")
        axes.margins(0.12)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
        _legend(axes, [ROLES[role] for role in ("winner", "random") if findings.of_role(role)])
    return figure


def supernet_figure(findings: Findings) -> Figure | None:
    """Draw the loss of the supernet, and of SGLD that goes on from it; ``None`` without a log."""
    supernet, sgld = _losses(findings.logs["supernet"]), _losses(findings.logs["sgld"])
    if not supernet and not sgld:
        return None
    with look():
        figure, axes = new_figure(height=2.9)
        axes.plot(range(1, len(supernet) + 1), supernet, color=WINNER, linewidth=1.5)
        start = len(supernet)
        if sgld:
            before = supernet[-1:]
            axes.plot(range(start + 1 - len(before), start + len(sgld) + 1), before + sgld, color=SHELF, linewidth=1.5)
        axes.set(xlabel="epoch", ylabel="training loss")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        _legend(axes, [("supernet", WINNER, "-")] + ([("SGLD", SHELF, "-")] if sgld else []))
    return figure


def retraining_figure(findings: Findings) -> Figure | None:
    """Draw the training loss of each network trained from scratch; ``None`` without logs."""
    with look():
        figure, axes = new_figure(height=2.9)
        drawn = set()
        for role in ("random", "off-the-shelf", "winner"):
            for network in findings.of_role(role):
                losses = _losses(findings.logs[f"network-{network.name}"])
                if losses:
                    axes.plot(range(1, len(losses) + 1), losses, color=ROLES[role][1], linewidth=1.2, alpha=0.85)
                    drawn.add(role)
        axes.set(xlabel="epoch", ylabel="training loss")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        _legend(axes, [(text, colour, "-") for role, (text, colour, _) in ROLES.items() if role in drawn])
    return figure if drawn else None


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
        axes.set_yticks(places, [_shorten(classes[index]) for index in order])
        axes.set_xticks([0, 25, 50, 75, 100])
        axes.grid(visible=False)
        axes.spines[["left", "bottom"]].set_visible(False)
    return figure


def _mark(axes: Axes, role: str, x: Sequence[float], y: Sequence[float]) -> None:
    _, colour, marker = ROLES[role]
    axes.scatter(x, y, s=34, color=colour, marker=marker, edgecolors=SURFACE, linewidths=0.7, zorder=4)


def _budgets(axes: Axes, findings: Findings) -> None:
    """Draw the bounds given by the user, as far as they lie within the picture."""
    shown = [network.madds for network in findings.networks] + findings.madds.tolist()
    for budget in findings.result["budgets"]:
        if budget is None or budget > 1.15 * max(shown):
            continue
        axes.axvline(budget, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"≤ {format_count(budget)}",
            (budget, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-3, -2),
            textcoords="offset points",
            ha="right",
            va="top",
            color=MUTED,
            fontsize=7.5,
        )


def _cost_axis(axes: Axes) -> None:
    axes.set_xlabel("MAdds")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
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


def _losses(rows: Sequence[dict[str, Any]]) -> list[float]:
    return [float(row["loss"]) for row in rows if row.get("loss") is not None]


def _shorten(name: str, length: int = 18) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
