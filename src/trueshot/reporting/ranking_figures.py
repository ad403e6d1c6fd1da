"""The figures of a ranking's report; each function returns a matplotlib figure, or ``None`` where it has no data."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from trueshot.core.errors import CriteriaError
from trueshot.core.units import format_count
from trueshot.criteria.columns import ranks
from trueshot.reporting.ranking_findings import FREE, Ranking
from trueshot.reporting.ranking_marks import Dashes, cloud, legend, note, spread
from trueshot.reporting.ranking_words import number, shown
from trueshot.reporting.style import INK, MUTED, RANDOM, SHELF, SURFACE, WINNER, look, new_figure


def order_figure(ranking: Ranking) -> Figure:
    """Draw the true place against the place by score of every architecture."""
    by_score, true = ranking.places(ranking.main), ranks(ranking.truth)
    with look():
        figure, axes = new_figure(height=4.1)
        cloud(axes, by_score, true)
        count = len(true)
        bins = np.array_split(true[np.argsort(by_score)], max(3, min(24, count // 25)))
        ends = np.cumsum([0, *(len(members) for members in bins)])
        axes.plot((ends[:-1] + ends[1:]) / 2, [np.median(m) for m in bins], color=INK, linewidth=1.6, zorder=4)
        good = ranking.result["good"]
        if good is not None and 0 < good["architectures"] < count:
            axes.axhline(good["architectures"] + 0.5, color=MUTED, linewidth=0.9, zorder=3)
            note(axes, good["architectures"], f"above {good['above']:g}")
        axes.set(xlabel="place by score (1 is the best)", ylabel="true place")
        legend(axes, [("median", INK, "-", ""), ("a perfect ranking", MUTED, "--", "")])
    return figure


def tau_figure(ranking: Ranking) -> Figure:
    """Draw Kendall's tau of every evaluator and baseline with intervals, among all and among the good."""
    names = [*ranking.result["evaluators"], *ranking.result["baselines"]]
    parts = [("all", 0.0)] if ranking.above is None else [("all", 0.15), ("good", -0.15)]
    with look():
        figure, axes = new_figure(height=0.95 + 0.4 * len(names))
        for place, name in enumerate(reversed(names)):
            for part, shift in parts:
                value, colour = ranking.value(name, "kendall_tau", part), colour_of(ranking, name)
                if value is None:
                    axes.annotate(
                        "undefined", (0, place + shift), xytext=(4, 0), textcoords="offset points", va="center",
                        color=MUTED, fontsize=7.5,
                    )  # fmt: skip
                    continue
                if value.low is not None and value.high is not None:
                    axes.plot([value.low, value.high], [place + shift] * 2, color=colour, linewidth=1.3, alpha=0.6)
                face = colour if part == "all" else SURFACE
                axes.scatter(
                    [value.value], [place + shift], s=30, color=face, edgecolors=colour, linewidths=1.3, zorder=4
                )
        axes.axvline(0, color=MUTED, linewidth=0.9, zorder=1)
        axes.set_yticks(range(len(names)), [shown(name) for name in reversed(names)], color=INK)
        axes.set(xlabel="Kendall's τ", ylim=(-0.6, len(names) - 0.4))
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
        entries = [("all", MUTED, "", "o")]
        legend(
            axes, entries if ranking.above is None else [*entries, (f"above {ranking.above:g}", MUTED, "", "hollow")]
        )
    return figure


def minutes_figure(ranking: Ranking) -> Figure | None:
    """Draw Kendall's tau against the minutes of training, the baselines as levels; ``None`` without a curve."""
    curve = ranking.result["curve"]
    if not curve:
        return None
    parts = [("all", "all architectures")]
    if ranking.above is not None:
        parts.append(("good", f"above {ranking.above:g}"))
    with look():
        figure = Figure(figsize=(5.0, 1.0 + 2.5 * len(parts)), layout="constrained")
        panels = figure.subplots(len(parts), sharex=True, squeeze=False)[:, 0]
        minutes = [row["minutes"] for row in curve]
        for axes, (part, title) in zip(panels, parts, strict=True):
            for index in range(len(curve[0]["supernets"])):
                if len(curve[0]["supernets"]) > 1:
                    alone = [_nan(row["supernets"][index][part]) for row in curve]
                    axes.plot(minutes, alone, color=WINNER, linewidth=0.8, alpha=0.5)
            together = [_nan(row["together"][part]) for row in curve]
            axes.plot(minutes, together, color=WINNER, linewidth=1.8, marker="o", markersize=4)
            _levels(axes, ranking, part, together[-1])
            axes.set(ylabel="Kendall's τ", title=title)
            axes.yaxis.set_major_locator(MaxNLocator(6))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
            axes.set_xlim(0, 1.03 * max(minutes))
        panels[-1].set_xlabel("minutes of training")
    return figure


def pruning_figure(ranking: Ranking) -> Figure:
    """Draw Kendall's tau among those left when the truly worst are removed."""
    stored, total = ranking.result["pruning"], len(ranking.truth)
    with look():
        figure, axes = new_figure()
        entries = [(shown(ranking.main), WINNER, "-", "")]
        if ranking.free is not None:
            remaining, values = ranking.pruning_of(ranking.free)
            axes.plot(100 * (1 - remaining / total), values, color=SHELF, linewidth=1.4)
            entries.append((shown(ranking.free), SHELF, "-", ""))
        left = np.array(stored["remaining"])
        axes.plot(100 * (1 - left / total), [_nan(v) for v in stored["kendall_tau"]], color=WINNER, linewidth=1.8)
        axes.axhline(0, color=MUTED, linewidth=0.9, zorder=1)
        good = ranking.result["good"]
        if good is not None:
            axes.axvline(100 * (1 - good["architectures"] / total), color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
            share = 1 - good["architectures"] / total
            axes.annotate(
                f"above {good['above']:g}", (100 * share, 1), xycoords=("data", "axes fraction"), xytext=(3, -2),
                textcoords="offset points", va="top", color=MUTED, fontsize=7.5,
            )  # fmt: skip
        axes.set(xlabel="truly worst architectures removed (%)", ylabel="Kendall's τ of the rest", xlim=(0, 100))
        legend(axes, entries)
    return figure


def improvement_figure(ranking: Ranking) -> Figure | None:
    """Draw the improvement when those of the lowest scores are removed; ``None`` where the truth is constant."""
    stored = ranking.result["improvement"]
    if "undefined" in stored:
        return None
    with look():
        figure, axes = new_figure()
        entries = [(shown(ranking.main), WINNER, "-", "")]
        if ranking.free is not None:
            try:
                axes.plot(*ranking.improvement_of(ranking.free), color=SHELF, linewidth=1.4)
                entries.append((shown(ranking.free), SHELF, "-", ""))
            except CriteriaError:
                pass
        axes.plot(stored["remaining"], stored["improvement"], color=WINNER, linewidth=1.8)
        axes.axhline(0, color=MUTED, linewidth=0.9, zorder=1)
        start, best = stored["mean"][0], float(ranking.truth.max())
        right = axes.secondary_yaxis(
            "right", functions=(lambda y: start + y * (best - start), lambda t: (t - start) / (best - start))
        )
        right.set_ylabel("mean truth")
        axes.set(xscale="log", xlabel="architectures left", ylabel="improvement")
        axes.invert_xaxis()
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.tick_params(which="minor", bottom=False, labelbottom=False)
        legend(axes, entries)
    return figure


def found_figure(ranking: Ranking) -> Figure | None:
    """Draw the truth of the best found against the number of look-ups; ``None`` without a column to look up."""
    found = ranking.found
    if found is None:
        return None
    with look():
        figure, axes = new_figure(height=4.1)
        entries: list[tuple[str, str, Dashes, str]] = []
        for name, curve in found["curves"].items():
            main, own = name == ranking.main, name in ranking.result["evaluators"]
            colour = colour_of(ranking, name) if name in ranking.rankings else MUTED
            alike = sum(entry[1] == colour for entry in entries)
            style: Dashes = "-" if main else _STYLES[alike % len(_STYLES)]
            width = 1.8 if main else 1.3 if own else 1.0
            looks = found["looks"][: len(curve["median"])]
            axes.plot(looks, curve["median"], color=colour, linewidth=width, linestyle=style)
            if main or name not in ranking.rankings:
                axes.fill_between(looks, curve["low"], curve["high"], color=colour, alpha=0.12, linewidth=0)
            entries.append((shown(name), colour, style, ""))
        axes.set(xscale="log", xlabel="look-ups in the order of the ranking", ylabel="truth of the best found")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        lows = [value for curve in found["curves"].values() for value in curve["median"][2:]]
        if lows and min(lows) < max(lows):
            # What a single look-up finds at random may be far below, and would flatten all else.
            margin = 0.05 * (max(lows) - min(lows))
            axes.set_ylim(min(lows) - margin, max(lows) + margin)
        legend(axes, entries)
    return figure


_STYLES: tuple[Dashes, ...] = (
    (0, (5, 2)),
    (0, (1.5, 1.5)),
    (0, (6, 2, 1, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (10, 3)),
)


def costs_figure(ranking: Ranking) -> Figure | None:
    """Draw over- and under-estimation by groups of like MAdds, and Kendall's tau inside them."""
    groups, total = ranking.result["cost_groups"], len(ranking.truth)
    if len(groups) < 2:
        return None
    places = np.arange(len(groups))
    shift = np.array([100 * group["rank_difference"] / total for group in groups])
    with look():
        figure = Figure(figsize=(5.0, 4.6), layout="constrained")
        above, below = figure.subplots(2, sharex=True, height_ratios=(1.2, 1))
        above.bar(places, shift, width=0.66, color=np.where(shift >= 0, SHELF, WINNER))
        above.axhline(0, color=MUTED, linewidth=0.9)
        above.set_ylabel("places (%)")
        above.set_title(
            "over-estimated above zero, under-estimated below", color=MUTED, fontweight="normal", fontsize=8.5
        )
        below.plot(
            places, [_nan(group["value"]) for group in groups], color=INK, marker="o", markersize=4.5, linewidth=0.9
        )
        below.axhline(0, color=MUTED, linewidth=0.9)
        below.set(ylabel="Kendall's τ inside", xlabel="MAdds of the group (least)")
        below.set_xticks(places, [format_count(group["cost_low"]) for group in groups], rotation=35, ha="right")
        for axes in (above, below):
            axes.grid(visible=False, axis="x")
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    return figure


def agreement_figure(ranking: Ranking) -> Figure | None:
    """Draw places by the first supernet against places by the second; ``None`` for a single one."""
    supernets = ranking.supernets
    if len(supernets) < 2:
        return None
    with look():
        figure, axes = new_figure(height=4.1)
        cloud(axes, ranks(supernets[0]), ranks(supernets[1]))
        axes.set(xlabel="place by supernet 0 (1 is the best)", ylabel="place by supernet 1")
        legend(axes, [("full agreement", MUTED, "--", "")])
    return figure


def colour_of(ranking: Ranking, name: str) -> str:
    """Return the colour of an evaluator, of what costs nothing, or of another baseline."""
    return WINNER if name in ranking.result["evaluators"] else SHELF if name in FREE else RANDOM


def _levels(axes: Axes, ranking: Ranking, part: str, end: float) -> None:
    """Draw the baselines' tau as levels; name these and the curve, which ends at ``end``, to the right of the axes."""
    labels = [] if np.isnan(end) else [(end, shown(ranking.main), WINNER)]
    levels: dict[float, list[str]] = {}
    for name in ranking.result["baselines"]:
        value = ranking.value(name, "kendall_tau", part)
        if value is not None:
            levels.setdefault(round(value.value, 2), []).append(name)
    for names in levels.values():
        values = [ranking.value(name, "kendall_tau", part) for name in names]
        level, colour = float(np.mean([value.value for value in values if value])), colour_of(ranking, names[0])
        axes.axhline(level, color=colour, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1)
        labels.append((level, "\n".join(shown(name) for name in names), colour))
    low, high = axes.get_ylim()
    line = 0.062 * (high - low)
    labels.sort(key=lambda label: label[0])
    sizes = [line * (1 + text.count("\n")) for _, text, _ in labels]
    for (level, text, colour), place in zip(labels, spread([label[0] for label in labels], sizes), strict=True):
        axes.annotate(
            text,
            (1, level),
            xycoords=("axes fraction", "data"),
            xytext=(1.05, place),
            textcoords=("axes fraction", "data"),
            va="center",
            color=colour,
            fontsize=7.5,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 0},
        )


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value
