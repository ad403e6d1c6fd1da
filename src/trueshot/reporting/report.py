"""The report: one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from trueshot.core.files import write_text
from trueshot.core.records import NetworkRecord
from trueshot.core.run import RunDirectory
from trueshot.core.units import format_count, format_duration
from trueshot.reporting import figures
from trueshot.reporting.drawing import draw_architecture
from trueshot.reporting.findings import LEAST_FOR_TAU, Findings, difference_of, interval_of, read_findings
from trueshot.reporting.page import flat, render_page, save_pictures
from trueshot.reporting.style import svg

_WIDE = 380
"""Points beyond which a drawing does not fit a phone."""


def write_report(run: RunDirectory) -> Path:
    """Write ``report.html`` of a finished run and return its path.

    The file holds its style and figures and names no other resource; it follows the reader's light or dark theme.

    Raises:
        RunError: when the run has not finished, a file of it is damaged, or the report cannot be written.
    """
    findings = read_findings(run)
    page = render_page("report.html.jinja", **_headline(findings), **_body(findings), figures=_figures(findings))
    write_text(run.report, page)
    return run.report


def _headline(findings: Findings) -> dict[str, Any]:
    result, best = findings.result, findings.best
    assert best.test is not None
    budgets = [budget for budget in result["budgets"] if budget is not None]
    bound = " and ".join(format_count(budget) for budget in budgets)
    interval = interval_of(best.test)
    return {
        "title": f"{result['dataset']['name']}: networks of {f'at most {bound} MAdds' if bound else 'any cost'}",
        "lead": f"Searched in the {result['space']['name']} space: {result['evaluated']:,} architectures evaluated by "
        f"{result['evaluator']}, the best trained from scratch and compared with random and off-the-shelf networks.",
        "best": {
            "name": best.name,
            "top1": _percent(best.test.top1),
            "lines": [
                f"95 % interval {_percent(interval.low)} to {_percent(interval.high)} on {best.test.n:,} test images",
                f"{format_count(best.madds)} MAdds, {format_count(best.params)} parameters",
                *([f"Balanced accuracy {_percent(best.test.balanced)}"] if result["dataset"]["imbalanced"] else []),
            ],
        },
        "facts": [_against_random(findings), _against_shelf(findings), _agreement(findings)],
        "warnings": [
            *(
                ["Classes are strongly imbalanced: read the balanced accuracy."]
                if result["dataset"]["imbalanced"]
                else []
            )
        ],
    }


def _against_random(findings: Findings) -> dict[str, str]:
    comparison = findings.result["comparison"]
    label = "Winners over random networks of like cost"
    if comparison.get("difference") is None:
        return {"label": label, "value": "not compared", "detail": "No random networks were trained."}
    winners, others = comparison["n"]
    low, high = comparison["low"], comparison["high"]
    if low is None or high is None:
        detail = f"n = {winners} and {others}: too few for an interval"
    else:
        level = f"{100 * comparison['level']:.0f} %"
        verdict = "better" if low > 0 else "worse" if high < 0 else "no difference shown"
        detail = f"{level} interval {_points(low)} to {_points(high)}, n = {winners} and {others}: {verdict}"
    return {"label": label, "value": f"{_points(comparison['difference'])} points", "detail": detail}


def _against_shelf(findings: Findings) -> dict[str, str]:
    best, shelf = findings.best, findings.shelf
    if shelf is None or shelf.test is None or best.test is None:
        return {"label": "Over an off-the-shelf network", "value": "not compared", "detail": "None was trained."}
    difference, interval = difference_of(best.test, shelf.test)
    return {
        "label": f"{best.name} over {shelf.name} of like cost",
        "value": f"{_points(difference)} points",
        "detail": f"95 % interval {_points(interval.low)} to {_points(interval.high)} over the test images; "
        f"{format_count(shelf.madds)} MAdds",
    }


def _agreement(findings: Findings) -> dict[str, str]:
    n, tau = len(findings.predicted), findings.tau
    value = "not known" if tau is None else f"τ = {tau:.2f}"
    return {
        "label": "Predicted against reached accuracy",
        "value": value.replace("-", "−"),
        "detail": f"Kendall's tau over {n} networks trained from scratch",
    }


def _belief(findings: Findings) -> list[str]:
    """Say what the numbers allow to be said, and no more."""
    n, tau = len(findings.predicted), findings.tau
    comparison = findings.result["comparison"]
    paragraphs = [
        "The search never trained a network: it ranked architectures by a score. Here those that were trained from "
        "scratch afterwards show whether a better score meant a better network.",
    ]
    if n < LEAST_FOR_TAU:
        paragraphs.append(f"Only {n} such networks were trained, too few for a rank correlation.")
    elif tau is None:
        paragraphs.append(f"All {n} networks have the same score or accuracy, so that no rank correlation exists.")
    else:
        caution = "; so few networks tell a strong relation from none, not more" if n < 10 else ""
        agree = f"{100 * (1 + tau) / 2:.0f} %"
        paragraphs.append(
            f"Kendall's tau is {tau:.2f} over n = {n} networks{caution}. Without ties it means that {agree} of all "
            "pairs are in the right order. The winners were picked for their scores and lie close together, which "
            "makes their order harder to predict than that of random networks."
        )
    low, high = comparison.get("low"), comparison.get("high")
    if low is not None and high is not None:
        if low > 0:
            text = "The winners are better than random networks of like cost by more than chance explains."
        elif high < 0:
            text = "The winners are worse than random networks of like cost: the search was not worth its time here."
        else:
            text = (
                "The interval of the difference to random networks of like cost contains zero: this run does not show "
                "that the search was worth its time. More networks (seeds) would narrow it."
            )
        paragraphs.append(text)
    return paragraphs


def _body(findings: Findings) -> dict[str, Any]:
    result, best = findings.result, findings.best
    dataset = result["dataset"]
    return {
        "tests": f"{best.test.n:,}" if best.test else "",
        "belief": _belief(findings),
        "picked": f"{best.name} leads by {findings.chosen_by}; test accuracy had no say in it.",
        "table": _table(findings),
        "drawings": [_drawing(findings, network) for network in findings.of_role("winner")],
        "timings": [
            (name.capitalize() if name != "sgld" else "SGLD", format_duration(seconds))
            for name, seconds in result["timings"].items()
            if seconds is not None
        ],
        "classes_note": f"The {figures.MOST_BARS} classes of lowest recall, of {len(dataset['classes'])}."
        if len(dataset["classes"]) > figures.MOST_BARS
        else "",
        "dataset": [
            ("Name", dataset["name"]),
            ("Images", ", ".join(f"{dataset[part]:,} {part}" for part in ("train", "validation", "test"))),
            ("Classes", f"{len(dataset['classes']):,}"),
            ("Input", f"{dataset['image_size']} × {dataset['image_size']} pixels, {dataset['channels']} channels"),
        ],
        "notes": dataset["notes"],
        "environment": [(str(name), str(value)) for name, value in result["environment"].items() if value is not None],
        "config": list(flat(findings.config)),
    }


def _table(findings: Findings) -> dict[str, Any]:
    dataset = findings.result["dataset"]
    top5, balanced = len(dataset["classes"]) > 5, dataset["imbalanced"]
    heads = ["Network", "Role", "Budget", "MAdds", "Parameters", "Score", "Top-1", "95 % interval"]
    heads += ["Top-5"] * top5 + ["Balanced"] * balanced + ["Time"]
    rows = []
    for network in findings.networks:
        assert network.test is not None
        interval = interval_of(network.test)
        cells = [
            figures.ROLES[network.role][0],
            "–" if network.budget is None else format_count(network.budget),
            format_count(network.madds),
            format_count(network.params),
            "–" if network.score is None else f"{network.score:.4g}",
            _percent(network.test.top1),
            f"{100 * interval.low:.1f} to {100 * interval.high:.1f}",
            *([_percent(network.test.top5)] if top5 else []),
            *([_percent(network.test.balanced)] if balanced else []),
            format_duration(network.seconds),
        ]
        rows.append({"name": network.name, "role": network.role, "cells": cells})
    return {"heads": heads, "texts": {"Network", "Role"}, "rows": rows}


def _drawing(findings: Findings, network: NetworkRecord) -> dict[str, Any]:
    assert network.test is not None
    picture, width = None, 0.0
    if findings.space is not None and network.arch is not None:
        figure = draw_architecture(findings.space, findings.space.parse(network.arch))
        width = 72 * float(figure.get_figwidth())
        text = svg(figure, f"Architecture of {network.name}: {network.arch}")
        # Points are drawn at 4/3 of a pixel; a little less keeps wide drawings on a desktop page.
        size = f"width: 100%; max-width: {width * 4 / 3:.0f}px; min-width: {width * 1.18:.0f}px"
        picture = Markup(text.replace("<svg", f'<svg style="{size}"', 1))
    return {
        "name": network.name,
        "detail": f"{format_count(network.madds)} MAdds, {format_count(network.params)} parameters, "
        f"test top-1 {_percent(network.test.top1)}",
        "svg": picture,
        "wide": width > _WIDE / 1.18,
        "arch": network.arch or "",
    }


def write_pictures(run: RunDirectory, folder: Path) -> list[Path]:
    """Write the figures of the report and the drawing of the best winner as PNG files and return their paths.

    Raises:
        RunError: when the run is unfinished, or a file cannot be written.
    """
    findings = read_findings(run)
    pictures = {name: figure for name, (figure, _) in _drawn(findings).items() if figure is not None}
    best = findings.best
    if findings.space is not None and best.arch is not None:
        pictures["architecture"] = draw_architecture(findings.space, findings.space.parse(best.arch))
    return save_pictures(pictures, folder)


def _drawn(findings: Findings) -> dict[str, tuple[Figure | None, str]]:
    """Return every figure with what it shows."""
    best = findings.best
    return {
        "front": (figures.front_figure(findings), "Score against MAdds of every architecture evaluated"),
        "tested": (figures.tested_figure(findings), "Test accuracy against MAdds of every network trained"),
        "agreement": (figures.agreement_figure(findings), "Predicted score against test accuracy"),
        "supernet": (figures.supernet_figure(findings), "Training loss of the supernet by epoch"),
        "retraining": (figures.retraining_figure(findings), "Training loss of each network by epoch"),
        "classes": (
            figures.classes_figure(best, findings.result["dataset"]["classes"]),
            f"Recall of each class by {best.name}",
        ),
    }


def _figures(findings: Findings) -> dict[str, Markup | None]:
    drawn = _drawn(findings)
    return {
        name: None if figure is None else Markup(svg(figure, description))
        for name, (figure, description) in drawn.items()
    }


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(difference: float) -> str:
    return f"{round(100 * difference, 1) + 0.0:+.1f}".replace("-", "−")
