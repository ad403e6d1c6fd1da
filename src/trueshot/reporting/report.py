"""The report: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from trueshot.core.files import write_text
from trueshot.core.records import NetworkRecord
from trueshot.core.run import RunDirectory
from trueshot.core.units import format_duration
from trueshot.reporting import figures
from trueshot.reporting.decision import balanced_between, between, length_of, percent, shown_decision, title_of
from trueshot.reporting.drawing import draw_architecture
from trueshot.reporting.findings import LEAST_FOR_TAU, Findings, cell, difference_of, interval_of, phrase, read_findings
from trueshot.reporting.mistakes import shown_mistakes
from trueshot.reporting.page import flat, render_page
from trueshot.reporting.pictures import shown_figures
from trueshot.reporting.sections import shown_sections
from trueshot.reporting.style import svg

_WIDE = 380
"""Points beyond which a drawing does not fit a phone."""
_BEST = 10
"""Architectures listed where none was trained."""
_LABELS = {"sgld": "Weight sampling", "retrain": "Training from scratch"}


def write_report(run: RunDirectory, *, trust_code: bool = False) -> Path:
    """Write ``report.html`` of a finished run and return its path.

    The file holds its style and figures and names no other resource; it follows the reader's light or dark theme.
    Architectures of a space whose code is not trusted, or not there, are not drawn.

    Raises:
        RunError: when the run has not finished, a file of it is damaged, or the report cannot be written.
    """
    findings = read_findings(run, trust_code=trust_code)
    page = render_page(
        "report.html.jinja",
        **_headline(findings),
        **_body(findings),
        sections=shown_sections(findings),
        figures=shown_figures(findings),
    )
    write_text(run.report, page)
    return run.report


def _headline(findings: Findings) -> dict[str, Any]:
    head, dataset = findings.head, findings.head["dataset"]
    bounds = [
        phrase(cost, value, side)
        for cost in findings.costs
        for side, value in zip(("at least", "at most"), head["bounds"].get(cost.name, ()), strict=False)
        if value is not None
    ]
    imbalanced = dataset is not None and dataset["imbalanced"]
    return {
        "title": f"{head['space']['name'] if dataset is None else dataset['name']}: networks of "
        f"{' and '.join(bounds) or 'any cost'}",
        "search": {
            "space": head["space"]["name"],
            "evaluated": f"{head['evaluated']:,}",
            "evaluator": head["evaluator"],
            "trains_each": head.get("trains_each", False),
        },
        "facts": _facts(findings, imbalanced=imbalanced),
        "warnings": ["Classes are strongly imbalanced: read the balanced accuracy."] if imbalanced else [],
    }


def _facts(findings: Findings, *, imbalanced: bool) -> list[dict[str, Any]]:
    """Return the cards below the title, the first the largest."""
    if findings.trained is None:
        best = findings.head["found"][0]
        costs = ", ".join(phrase(cost, best["costs"][cost.name]) for cost in findings.costs)
        return [
            {
                "label": "Best score found",
                "value": f"{best['score']:.4g}",
                "lines": [costs, "Nothing was trained from scratch: no images, or no recipe for it, were given."],
            },
            {"label": "Architectures evaluated", "value": f"{findings.head['evaluated']:,}", "lines": []},
        ]
    best = findings.best
    assert best.test is not None
    interval, balanced = interval_of(best.test), balanced_between(findings, best)
    more = f", 95 % interval {balanced}" if balanced else ""
    lines = [
        f"95 % interval {percent(interval.low)} to {percent(interval.high)} on {best.test.n:,} test images",
        ", ".join(phrase(cost, best.costs.get(cost.name)) for cost in findings.costs),
        *([f"Balanced accuracy {percent(best.test.balanced)}{more}"] if imbalanced else []),
    ]
    first = {"label": f"Test top-1 of {best.name}", "value": percent(best.test.top1), "lines": lines}
    return [first, _against_random(findings), _against_shelf(findings), _agreement(findings)]


def _against_random(findings: Findings) -> dict[str, Any]:
    comparison = findings.comparison
    label = "Winners over random networks of like cost"
    notes = [_sentence(note) for note in comparison.get("notes", ())]
    if comparison.get("difference") is None:
        return {"label": label, "value": "not compared", "lines": notes or ["No random networks were trained."]}
    lines = [_verdict(comparison)]
    if second := comparison.get("at_bound"):
        lines.append(f"Over random networks just below the bound {_points(second['difference'])}: {_verdict(second)}")
    return {"label": label, "value": f"{_points(comparison['difference'])} points", "lines": [*lines, *notes]}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _verdict(comparison: Mapping[str, Any]) -> str:
    """Say what the interval of a comparison allows, and the least difference that it could have shown."""
    budgets, random = comparison["n"]
    n = f"n = {random} random networks at {budgets} budget{'s' if budgets > 1 else ''}"
    low, high = comparison["low"], comparison["high"]
    if low is None or high is None:
        return f"{n}: too few for an interval"
    verdict = "better" if low > 0 else "worse" if high < 0 else "no difference shown"
    least = f"{100 * comparison['smallest']:.1f} points is the least that they can show"
    interval = f"{100 * comparison['level']:.0f} % interval {_points(low)} to {_points(high)}"
    return f"{interval}, {n}: {verdict}; {least}"


def _against_shelf(findings: Findings) -> dict[str, Any]:
    best, shelf = findings.compared, findings.shelf
    if shelf is None or shelf.test is None or best.test is None:
        return {"label": "Over an off-the-shelf network", "value": "not compared", "lines": ["None was trained."]}
    if shelf.converged is False or best.converged is False:
        late = shelf if shelf.converged is False else best
        line = f"{late.name} has not converged: half the steps are far worse."
        return {"label": "Over an off-the-shelf network", "value": "not compared", "lines": [line]}
    difference, interval = difference_of(best.test, shelf.test)
    return {
        "label": f"{best.name} over {shelf.name} of like cost",
        "value": f"{_points(difference)} points",
        "lines": [
            f"95 % interval {_points(interval.low)} to {_points(interval.high)} over the test images; "
            f"{phrase(findings.axis, findings.cost_of(shelf))}"
        ],
    }


_TELLING, _FEW = 5, ", too few to tell it from chance"
"""Networks from which on even a perfect order is rarer by chance than one in twenty, and what is said of fewer."""


def _agreement(findings: Findings) -> dict[str, Any]:
    n, tau = len(findings.predicted), findings.tau
    value = "not known" if tau is None else f"τ = {tau:.2f}"
    return {
        "label": "Score against accuracy reached",
        "value": value.replace("-", "−"),
        "lines": [f"Kendall's tau over {n} networks trained from scratch{_FEW if n < _TELLING else ''}"],
    }


def _belief(findings: Findings) -> dict[str, Any]:
    """Return what the numbers allow to be said, which the template says."""
    n, tau, comparison = len(findings.predicted), findings.tau, findings.comparison
    return {
        "n": n,
        "enough": n >= LEAST_FOR_TAU,
        "tau": tau,
        "agree": None if tau is None else 100 * (1 + tau) / 2,
        "low": comparison.get("low"),
        "high": comparison.get("high"),
    }


def _body(findings: Findings) -> dict[str, Any]:
    head, dataset = findings.head, findings.head["dataset"]
    best = findings.best if findings.trained else None
    shown: dict[str, Any] = {
        "trained": best is not None,
        "tests": f"{best.test.n:,}" if best is not None and best.test else "",
        "belief": _belief(findings) if best is not None else None,
        "compared": "" if best is None else findings.compared.name,
        "chosen_by": "" if best is None else findings.chosen_by,
        "table": _table(findings) if best is not None else _found(findings),
        "decision": shown_decision(findings),
        "mistakes": shown_mistakes(findings.more),
        "drawings": [_drawing(findings, network) for network in _drawn_networks(findings)],
        "timings": [
            (_LABELS.get(name, name.capitalize()), format_duration(seconds))
            for name, seconds in head["timings"].items()
            if seconds is not None
        ],
        "best": "" if best is None else best.name,
        "classes_note": "",
        "dataset": [],
        "notes": [],
        "environment": [(str(name), str(value)) for name, value in head["environment"].items() if value is not None],
        "config": list(flat(findings.config)),
    }
    if dataset is not None:
        classes, side = len(dataset["classes"]), dataset["image_size"]
        shown["dataset"] = [
            ("Name", dataset["name"]),
            ("Images", ", ".join(f"{dataset[part]:,} {part}" for part in ("train", "validation", "test"))),
            ("Classes", f"{classes:,}"),
            ("Input", f"{side} × {side} pixels, {dataset['channels']} channels"),
        ]
        shown["notes"] = dataset["notes"]
        if classes > figures.MOST_BARS:
            shown["classes_note"] = f"The {figures.MOST_BARS} classes of lowest recall, of {classes}."
    return shown


def _table(findings: Findings) -> dict[str, Any]:
    dataset = findings.head["dataset"] or {"classes": (), "imbalanced": False}
    top5, balanced = len(dataset["classes"]) > 5, dataset["imbalanced"]
    heads = ["Network", "Role", "Budget", *map(title_of, findings.costs), "Score", "Top-1", "95 % interval"]
    heads += ["Top-5"] * top5 + ["Balanced", "95 % interval"] * balanced + ["Steps", "Epochs", "Time"]
    rows = []
    for network in findings.networks:
        assert network.test is not None
        interval = interval_of(network.test)
        cells = [
            figures.ROLES[network.role][0],
            cell(findings.axis, network.budget),
            *(cell(cost, network.costs.get(cost.name)) for cost in findings.costs),
            "–" if network.score is None else f"{network.score:.4g}",
            percent(network.test.top1),
            between(interval.low, interval.high),
            *([percent(network.test.top5)] if top5 else []),
            *([percent(network.test.balanced), balanced_between(findings, network) or "–"] if balanced else []),
            *length_of(network),
            format_duration(network.seconds),
        ]
        rows.append({"name": network.name, "role": network.role, "cells": cells})
    return {"heads": heads, "texts": {"Network", "Role"}, "rows": rows}


def _found(findings: Findings) -> dict[str, Any]:
    """Return the table of the best of what was evaluated, where nothing was trained."""
    rows = [
        {
            "name": f"{place}.",
            "role": "",
            "cells": [
                found["arch"],
                *(cell(cost, found["costs"][cost.name]) for cost in findings.costs),
                f"{found['score']:.5g}",
            ],
        }
        for place, found in enumerate(findings.head["found"][:_BEST], start=1)
    ]
    heads = ["Place", "Architecture", *map(title_of, findings.costs), "Score"]
    return {"heads": heads, "texts": {"Place", "Architecture"}, "rows": rows}


def _drawn_networks(findings: Findings) -> list[NetworkRecord]:
    """Return the winners, and the recommended network where it is none of them."""
    winners = findings.of_role("winner")
    others = [network for network in findings.of_role("recommended") if findings.compared.role != "winner"]
    return others + winners


def _drawing(findings: Findings, network: NetworkRecord) -> dict[str, Any]:
    assert network.test is not None
    picture, width = None, 0.0
    if findings.space is not None and network.arch:
        figure = draw_architecture(findings.space, findings.space.parse(network.arch))
        width = 72 * float(figure.get_figwidth())
        text = svg(figure, f"Architecture of {network.name}: {network.arch}")
        # Points are drawn at 4/3 of a pixel; a little less keeps wide drawings on a desktop page.
        size = f"width: 100%; max-width: {width * 4 / 3:.0f}px; min-width: {width * 1.18:.0f}px"
        picture = Markup(text.replace("<svg", f'<svg style="{size}"', 1))
    return {
        "name": network.name,
        "detail": ", ".join(phrase(cost, network.costs.get(cost.name)) for cost in findings.costs)
        + f", test top-1 {percent(network.test.top1)}",
        "svg": picture,
        "wide": width > _WIDE / 1.18,
        "arch": network.arch,
    }


def _points(difference: float) -> str:
    return f"{round(100 * difference, 1) + 0.0:+.1f}".replace("-", "−")
