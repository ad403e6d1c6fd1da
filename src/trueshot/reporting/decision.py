"""The table that the report opens with: which network to take, and what it was chosen from."""

from __future__ import annotations

from typing import Any

from trueshot.core.decision import Row
from trueshot.core.records import NetworkRecord
from trueshot.core.results import CostAxis
from trueshot.reporting.findings import Findings, cell

_KINDS = {
    "recommended": "take this one",
    "found": "found",
    "random": "random",
    "off-the-shelf": "off the shelf",
    "pretrained": "pretrained",
}


def shown_decision(findings: Findings) -> dict[str, Any] | None:
    """Return what the report opens with: one sentence and one table."""
    decision = findings.decision
    if decision is None:
        return None
    balanced = findings.head["dataset"]["imbalanced"]
    heads = ["Network", "Test top-1", *(["Balanced"] if balanced else [])]
    # The exported file says what a network takes up; what its weights alone take up matters where that is bounded.
    costs = [cost for cost in findings.costs if cost.name != "size" or cost.name in findings.head["bounds"]]
    heads += [*map(title_of, costs), "ONNX, KB", "ms", "Steps", "Epochs"]
    rows, named = [], {network.name: network for network in findings.networks}
    for row in decision.rows:
        several = f"mean of {len(row.names)}, " if len(row.names) > 1 else ""
        alone = named.get(row.names[0]) if len(row.names) == 1 else None
        cells = [
            (percent(row.test.value), between(row.test.low, row.test.high)),
            *([(percent(row.balanced), balanced_between(findings, alone))] if balanced else []),
            *((cell(cost, row.costs.get(cost.name)), "") for cost in costs),
            ("–" if row.size is None else f"{row.size / 1000:,.0f}", ""),
            ("–" if row.milliseconds is None else f"{row.milliseconds:.3g}", ""),
            *((told, "") for told in length_of(row)),
        ]
        name = row.names[0] if len(row.names) == 1 else "random networks"
        detail, remarks = f"{several}{_KINDS[row.kind]}", ", ".join(row.remarks)
        rows.append({"name": name, "detail": detail, "remarks": remarks, "cells": cells})
    return {"sentence": decision.sentence, "heads": heads, "rows": rows, "notes": decision.notes}


def between(low: float | None, high: float | None) -> str:
    """Write an interval of a share in percent, as far as shares go; nothing where there is none."""
    return "" if low is None or high is None else f"{100 * max(low, 0):.1f} to {100 * min(high, 1):.1f}"


def balanced_between(findings: Findings, network: NetworkRecord | None) -> str:
    """Write the interval of a network's balanced accuracy; nothing where it is not known."""
    interval = None if network is None or network.test is None else findings.balanced_interval(network.test)
    return "" if interval is None else between(interval.low, interval.high)


def length_of(trained: NetworkRecord | Row) -> tuple[str, str]:
    """Return steps and epochs of a training."""
    steps, epochs = trained.steps, trained.epochs
    # Short trainings may end within an epoch.
    digits = 1 if epochs is not None and epochs < 10 and not float(epochs).is_integer() else 0
    return "–" if steps is None else f"{steps:,.0f}", "–" if epochs is None else f"{epochs:,.{digits}f}"


def title_of(cost: CostAxis) -> str:
    """Return the head of a column of costs."""
    return cost.title if cost.title[:1].isupper() else cost.title.capitalize()


def percent(share: float) -> str:
    """Write a share in percent."""
    return f"{100 * share:.1f} %"
