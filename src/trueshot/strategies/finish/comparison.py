"""Found networks against random ones: paired by budget, and never pooled over budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trueshot.core.records import NetworkRecord, Role
from trueshot.criteria.bootstrap import paired_difference

_SPACE: tuple[Role, ...] = ("winner", "random", "at-bound")
LEVEL = 0.95
"""Confidence level of the intervals in the result."""


def compare(records: Sequence[NetworkRecord], notes: Sequence[str] = ()) -> dict[str, Any] | None:
    """Compare the winners' test accuracy with that of random networks of like cost.

    ``None`` where there are no such networks, and nothing to say of it.

    Networks that have not converged have no headline. Else it is the difference to networks within 2 % of the winner's
    cost; ``at_bound`` compares with the second group, within 5 % below the bound. Both have the keys of
    :func:`_difference`.

    Args:
        records: all networks, tested.
        notes: why a comparison is not there, a sentence each.
    """
    found = _means(records, "winner")
    unfinished = [record.name for record in records if record.role in _SPACE and record.converged is False]
    first, second = (_difference(found, _means(records, role)) for role in ("random", "at-bound"))
    if not first["pairs"] and not second["pairs"] and not notes:
        return None
    notes = list(notes)
    if unfinished and first["pairs"]:
        # The pairs stay, for whoever wants to look.
        first |= dict.fromkeys(("difference", "low", "high", "smallest"))
        notes.append("the networks have not converged, half the steps are far worse: their difference may yet change")
    return {**first, "at_bound": second if second["pairs"] and not unfinished else None, "notes": notes}


Means = Mapping[float | None, Mapping[str, list[float]]]


def _difference(found: Means, others: Means) -> dict[str, Any]:
    """Return the mean over budgets of the winner's top-1 less the mean of its random networks, in fractions.

    ``low`` and ``high`` are the interval, ``None`` where it is unknown; ``smallest`` is the least difference whose
    interval would not have contained zero. ``n`` are budgets and random architectures, ``trainings`` all networks of
    either side; ``pairs`` the budgets one by one.
    """
    pairs = [
        (budget, arch, float(np.mean(values)), np.array([np.mean(trainings) for trainings in others[budget].values()]))
        for budget, winners in found.items()
        for arch, values in winners.items()
        if others.get(budget)
    ]
    told: dict[str, Any] = {
        "metric": "top1",
        "level": LEVEL,
        "pairs": [
            {"budget": b, "arch": a, "winner": w, "random": r.tolist(), "difference": w - float(r.mean())}
            for b, a, w, r in pairs
        ],
    }
    told |= {"difference": None, "low": None, "high": None, "smallest": None, "n": [0, 0], "trainings": [0, 0]}
    if not pairs:
        return told
    difference, interval = paired_difference([(winner, random) for _, _, winner, random in pairs], level=LEVEL)
    compared = {budget for budget, *_ in pairs}
    told |= {
        "difference": difference,
        "n": [len(pairs), sum(len(random) for *_, random in pairs)],
        "trainings": [sum(len(v) for b in compared for v in side[b].values()) for side in (found, others)],
    }
    if interval is not None:
        told |= {"low": interval.low, "high": interval.high, "smallest": interval.high - difference}
    return told


def _means(records: Sequence[NetworkRecord], role: Role) -> dict[float | None, dict[str, list[float]]]:
    """Return the top-1 of all trainings by budget and architecture, in the order of the first trainings."""
    found: dict[float | None, dict[str, list[float]]] = {}
    for record in records:
        if record.role == role and record.test is not None:
            found.setdefault(record.budget, {}).setdefault(record.arch, []).append(record.test.top1)
    return found
