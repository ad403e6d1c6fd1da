"""The report of a ranking: can it be trusted, and where does it break?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from trueshot.core.files import write_text
from trueshot.core.run import RunDirectory
from trueshot.core.units import format_duration
from trueshot.reporting import ranking_figures as figures
from trueshot.reporting.page import flat, render_page, save_pictures
from trueshot.reporting.ranking_findings import FREE, Ranking, Value, read_ranking
from trueshot.reporting.ranking_words import (
    between_seeds,
    between_twins,
    by_cost,
    good_ones,
    label_k,
    number,
    pairs,
    percent,
    shown,
    span,
    top,
    verdict,
)
from trueshot.reporting.style import svg

_PLAIN = ("kendall_tau", "spearman", "pearson", "pairwise_accuracy")


def write_ranking_report(run: RunDirectory) -> Path:
    """Write ``report.html`` of a finished ranking and return its path.

    The file holds its style and figures and names no other resource; it follows the reader's light or dark theme.

    Raises:
        RunError: when the run has not finished, a file of it is damaged, or the report cannot be written.
    """
    ranking = read_ranking(run)
    drawn = {
        name: None if figure is None else Markup(svg(figure, description))
        for name, (figure, description) in _drawn(ranking).items()
    }
    write_text(run.report, render_page("ranking.html.jinja", **_headline(ranking), **_body(ranking), figures=drawn))
    return run.report


def write_ranking_pictures(run: RunDirectory, folder: Path) -> list[Path]:
    """Write the figures of the report as ``ranking-NAME.png`` and return their paths.

    Raises:
        RunError: when the run is unfinished, or a file cannot be written.
    """
    drawn = _drawn(read_ranking(run))
    named = {f"ranking-{name}": figure for name, (figure, _) in drawn.items() if figure is not None}
    return save_pictures(named, folder)


def _drawn(ranking: Ranking) -> dict[str, tuple[Figure | None, str]]:
    """Return every figure with what it shows."""
    return {
        "order": (figures.order_figure(ranking), "True place against place by score of every architecture"),
        "tau": (figures.tau_figure(ranking), "Kendall's tau of every evaluator and baseline"),
        "minutes": (figures.minutes_figure(ranking), "Kendall's tau against minutes of training"),
        "pruning": (figures.pruning_figure(ranking), "Kendall's tau after removing the truly worst"),
        "improvement": (figures.improvement_figure(ranking), "Improvement after removing those of the lowest scores"),
        "found": (figures.found_figure(ranking), "Truth of the best found against the number of look-ups"),
        "costs": (figures.costs_figure(ranking), "Over-estimation and Kendall's tau in groups of like MAdds"),
        "agreement": (figures.agreement_figure(ranking), "Places by one supernet against places by another"),
    }


def _headline(ranking: Ranking) -> dict[str, Any]:
    result, tau = ranking.result, ranking.value(ranking.main, "kendall_tau")
    trained = len(result["seconds"]["training"])
    column = ranking.config["truth"]["column"]
    between = None if tau is None else span(tau, 3)
    by = shown(ranking.main)
    if trained:
        by = "one supernet" if trained == 1 else f"{trained} supernets, their scores averaged"
    return {
        "title": f"{result['dataset']['name']}: can this ranking of {result['space']['name']} be trusted?",
        "lead": f"{result['architectures']:,} architectures, scored by "
        f"{by} without training any of them, and compared with the truth ({column}).",
        "best": {
            "label": f"Kendall's τ of {shown(ranking.main)} with the truth",
            "value": "undefined" if tau is None else number(tau.value, 3),
            "between": between,
        },
        "pairs": pairs(ranking),
        "verdict": verdict(ranking),
        "facts": [_against_free(ranking), _among_good(ranking), _time(ranking)],
        "breaks": (good_ones(ranking), top(ranking), by_cost(ranking), between_seeds(ranking), between_twins(ranking)),
    }


def _against_free(ranking: Ranking) -> dict[str, str]:
    free, lead = ranking.free, ranking.lead
    label = "τ above what costs nothing"
    if free is None:
        return {"label": label, "value": "not compared", "detail": "Neither parameter count nor MAdds was a baseline."}
    theirs = ranking.value(free, "kendall_tau")
    has = f"the {shown(free)} has {'no τ' if theirs is None else number(theirs.value, 3)}"
    if lead is None:
        return {"label": label, "value": "undefined", "detail": f"No difference can be computed; {has}."}
    between = span(lead, 3)
    detail = (
        f"95 % interval {between}, over the same architectures; {has}" if between else f"no interval asked for; {has}"
    )
    return {"label": label, "value": ("+" if lead.value > 0 else "") + number(lead.value, 3), "detail": detail}


def _among_good(ranking: Ranking) -> dict[str, str]:
    if ranking.above is None:
        return {"label": "τ among the good ones", "value": "not asked", "detail": "Rank with --good to see it."}
    label = f"τ among the {ranking.result['good']['architectures']:,} above {ranking.above:g}"
    tau = ranking.value(ranking.main, "kendall_tau", "good")
    theirs = None if ranking.free is None else ranking.value(ranking.free, "kendall_tau", "good")
    parts = [] if tau is None or span(tau) is None else [f"95 % interval {span(tau, 3)}"]
    parts += [] if theirs is None or ranking.free is None else [f"{shown(ranking.free)} {number(theirs.value, 3)}"]
    value = "undefined" if tau is None else number(tau.value, 3)
    return {"label": label, "value": value, "detail": "; ".join(parts)}


def _time(ranking: Ranking) -> dict[str, str]:
    seconds = ranking.result["seconds"]
    training, scoring = sum(seconds["training"]), ranking.evaluator(ranking.main)["seconds"]
    if not seconds["training"]:
        spent = float(ranking.result["proxies"]["seconds"])
        how = "of processors for zero-cost proxies" if spent else "of scoring"
        return {"label": "Time", "value": format_duration(spent or scoring), "detail": f"{how}; nothing was trained"}
    rate = ranking.result["architectures"] * len(seconds["training"]) / scoring if scoring else 0
    detail = f"training {format_duration(training)}, scoring {format_duration(scoring)}"
    detail += f" ({rate:,.0f} architectures per second)" if rate else ""
    return {"label": "Time of all supernets together", "value": format_duration(training + scoring), "detail": detail}


def _body(ranking: Ranking) -> dict[str, Any]:
    result = ranking.result
    dataset = result["dataset"]
    parts = [("all", f"All {result['architectures']:,} architectures")]
    if result["good"] is not None:
        parts.append(("good", f"The {result['good']['architectures']:,} architectures above {ranking.above:g}"))
    return {
        "tables": [{"title": title, **_table(ranking, part)} for part, title in parts],
        "proxies": _partial(ranking),
        "main": shown(ranking.main),
        "free": None if ranking.free is None else shown(ranking.free),
        "found": _found(ranking),
        "short": _short(ranking),
        "curve_n": f"{result['curve'][-1]['n']:,}" if result["curve"] else "",
        "supernets": len(result["seconds"]["training"]),
        "twins": _twins(ranking),
        "setting": [
            ("Space", f"{result['space']['name']}, truth {ranking.config['truth']['column']} of "
             f"{ranking.config['truth']['file']}"),
            ("Images", f"{dataset['name']}: {dataset['train']:,} to train, {dataset['validation']:,} to score, "
             f"{dataset['image_size']} × {dataset['image_size']} pixels, {dataset['classes']:,} classes"),
            *(_of_supernets(result) if result["seconds"]["training"] else []),
        ],
        "environment": [(str(name), str(value)) for name, value in result["environment"].items() if value is not None],
        "config": list(flat(ranking.config)),
    }  # fmt: skip


_LOOKS = (1, 3, 10, 30, 100)


def _found(ranking: Ranking) -> dict[str, Any] | None:
    """Return the best found after a few numbers of look-ups, a row for each ranking."""
    found = ranking.found
    if found is None:
        return None
    at = [index for index, looks in enumerate(found["looks"]) if looks in _LOOKS]
    rows = []
    for name, curve in found["curves"].items():
        cells = []
        for index in at:
            if index >= len(curve["median"]):
                cells.append(("–", ""))
                continue
            low, high = (number(curve[end][index], 2) for end in ("low", "high"))
            cells.append((number(curve["median"][index], 2), "" if low == high else f"{low} to {high}"))
        rows.append({"name": shown(name), "n": f"{curve['n']:,}", "cells": cells})
    return {
        "column": found["column"],
        "draws": found["draws"],
        "heads": [f"after {found['looks'][index]}" for index in at],
        "rows": rows,
    }


def _short(ranking: Ranking) -> dict[str, Any] | None:
    """Return the top as short trainings order it."""
    short = ranking.short
    if short is None:
        return None
    heads = [f"after {epochs} epoch{'' if epochs == 1 else 's'} (%)" for epochs in short["epochs"]]
    factor = 100 if heads else 1
    places = {one["arch"]: place for place, one in enumerate(sorted(short["top"], key=lambda one: -one["score"]), 1)}
    rows = [
        (
            one["arch"],
            str(places[one["arch"]]),
            *(_told(value, factor) for value in one["short"]),
            number(one["truth"], 2),
        )
        for one in short["top"]
    ]
    first = short["first"]
    return {
        "evaluator": shown(short["evaluator"]),
        "heads": ["architecture", "place by score", *(heads or [short["column"]]), "truth"],
        "rows": rows,
        "by_score": number(first["by_score"], 2),
        "by_short": number(first["by_short"], 2),
    }


def _told(value: float | None, factor: float) -> str:
    return "–" if value is None else number(factor * value, 2)


def _of_supernets(result: dict[str, Any]) -> list[tuple[str, str]]:
    seconds = result["seconds"]
    return [
        ("Sampler", str(result["sampler"])),
        ("Sharing", str(result["sharing"])),
        ("Training", _durations(seconds["training"])),
        ("Weight samples", _durations(seconds["sampling"])),
        ("Scoring, all ways", _durations(seconds["scoring"])),
    ]


def _durations(seconds: list[float]) -> str:
    each = ", ".join(format_duration(value) for value in seconds)
    return each if len(seconds) == 1 else f"{each} (each supernet)"


def _table(ranking: Ranking, part: str) -> dict[str, Any]:
    names = [*ranking.result["evaluators"], *ranking.result["baselines"]]
    found = {
        criterion: sorted({k for name in names for k in ranking.evaluator(name)[part].get(criterion, {})}, key=float)
        for criterion in ("p_at_k", "br_at_k")
    }
    heads = ["n", "Kendall τ", "Spearman", "Pearson", "Right pairs"]
    heads += [f"P@{label_k(k)}" for k in found["p_at_k"]] + [f"BR@{label_k(k)}" for k in found["br_at_k"]]
    rows = []
    for name in names:
        summary, n = ranking.evaluator(name)[part], _count(ranking, name, part)
        cells = [_cell(ranking.value(name, criterion, part), criterion, n) for criterion in _PLAIN]
        for criterion, ks in found.items():
            cells += [_cell(ranking.value(name, criterion, part, k), criterion, n) for k in ks]
        rows.append(
            {
                "name": shown(name),
                "kind": kind(ranking, name),
                "n": f"{n:,}",
                "cells": cells,
                "undefined": summary.get("undefined"),
                "seconds": _seconds(ranking, name),
            }
        )
    return {"heads": heads, "rows": rows, "width": len(heads) - 1}


def kind(ranking: Ranking, name: str) -> str:
    """Return what a row is: ``supernet``, ``free`` or ``baseline``."""
    return "supernet" if name in ranking.result["evaluators"] else "free" if name in FREE else "baseline"


def _count(ranking: Ranking, name: str, part: str) -> int:
    n = int(ranking.evaluator(name)["n"])
    if part == "all" or ranking.above is None:
        return n
    known = ranking.scores[name] == ranking.scores[name]
    return int((known & (ranking.truth > ranking.above)).sum())


def _seconds(ranking: Ranking, name: str) -> str:
    seconds = float(ranking.evaluator(name)["seconds"])
    return "read from the truth" if seconds == 0 else f"scored in {format_duration(seconds)}"


def _cell(value: Value | None, criterion: str, n: int) -> tuple[str, str]:
    """Return a value and its interval as text; best ranks, which are divided by n, as places."""
    if value is None:
        return "–", ""
    if criterion == "br_at_k":
        places = value.times(n)
        ends = [f"{round(end):,}" for end in (places.low, places.high) if end is not None]
        return f"{round(places.value):,}", " to ".join(ends)
    if criterion in ("p_at_k", "pairwise_accuracy"):
        return percent(value.value), "" if span(value) is None else f"{span(value.times(100), 0)} %"
    return number(value.value, 3), span(value, 3) or ""


def _partial(ranking: Ranking) -> list[str]:
    """Name the rows that were computed on fewer architectures than the rest."""
    total = int(ranking.result["architectures"])
    return [f"{shown(name)} ({ranking.evaluator(name)['n']:,})" for name in ranking.result["baselines"]
            if ranking.evaluator(name)["n"] < total]  # fmt: skip


def _twins(ranking: Ranking) -> dict[str, Any] | None:
    twins = ranking.result["twins"]
    if twins is None:
        return None
    rows = [
        (shown(name), f"{twins['rank_std'][name]:,.1f}", f"{value:.3g}" if value > 1e-12 else "0")
        for name, value in twins["std"].items()
    ]
    return {"rule": twins["rule"], "classes": f"{twins['classes']:,}", "rows": rows}
