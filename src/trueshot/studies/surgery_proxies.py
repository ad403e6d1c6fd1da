"""What the studies of proxy models share (Surgery, section 4.4): supernets shallower and thinner than the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch

from trueshot.core.run import read_log
from trueshot.studies import surgery as shared
from trueshot.studies.lab import Condition, Lab, Setting, scoring_part, supernet_part
from trueshot.studies.result import Part, Row, Scale

CELLS: Mapping[Scale, tuple[int, ...]] = MappingProxyType(
    {Scale.SMOKE: (1, 2), Scale.CPU: (1, 2, 3), Scale.PAPER: (1, 2, 3, 4, 5)}
)
"""Cells in each stage, the deepest last; the paper prints layers, which are three times as many and two."""

CHANNELS: Mapping[Scale, tuple[int, ...]] = MappingProxyType(
    {Scale.SMOKE: (2, 4), Scale.CPU: (4, 8, 16), Scale.PAPER: (4, 8, 12, 16)}
)
"""Channels of the first stage, the widest last; those of the paper stand in its figure alone."""

CRITERIA = ("linear correlation", "Kendall tau", "Spearman correlation", "P@5%", "BR@5%")
"""The lines of Fig. 3a and 3b."""


def by_depth(scale: Scale) -> dict[str, Condition]:
    """Return the conditions of Fig. 3a by name, the shallowest first."""
    return {
        f"{3 * cells + 2} layers": _proxy(f"cells-{cells}", shared.SETTINGS[scale], cells=cells)
        for cells in CELLS[scale]
    }


def by_width(scale: Scale) -> dict[str, Condition]:
    """Return the conditions of Fig. 3b by name, the thinnest first."""
    return {
        f"{channels} channels": _proxy(f"channels-{channels}", shared.SETTINGS[scale], channels=channels)
        for channels in CHANNELS[scale]
    }


def _proxy(name: str, setting: Setting, *, cells: int | None = None, channels: int | None = None) -> Condition:
    """Return the de-isomorphic condition of a size; where that is the setting's own, the one of the other studies."""
    if setting.space.cells == cells or setting.space.channels == channels:
        return shared.DEISOMORPHIC
    sampler = shared.DEISOMORPHIC.sampler
    return Condition(name=f"{shared.DEISOMORPHIC.name}-{name}", sampler=sampler, cells=cells, channels=channels)


def compare(
    lab: Lab, groups: shared.Groups, conditions: Mapping[str, Condition]
) -> tuple[list[Row], dict[str, list[float]]]:
    """Return the criteria of each condition's final weights, and Kendall's tau of each supernet by condition."""
    rows, taus = [], {}
    for name, condition in conditions.items():
        pairs = shared.ranking(lab, condition, groups, "representatives", lab.setting.recipe.epochs)
        note = f"trained in {_minutes(lab, condition):.1f} min"
        rows += shared.criterion_rows(lab, name, pairs, CRITERIA, note=note, certain=True)
        taus[name] = [shared.measured("Kendall tau", *pair) or 0.0 for pair in pairs]
    return rows, taus


def verdict(taus: Mapping[str, Sequence[float]]) -> str:
    """Say what the smallest proxy loses against the largest supernet."""
    names = list(taus)
    small, large = (float(np.mean(taus[name])) for name in (names[0], names[-1]))
    return (
        f"Kendall tau of {names[0]} less that of {names[-1]}: {small - large:+.3f} ({small:.3f} and {large:.3f};"
        f" supernets of one kind differ by up to {max(max(values) - min(values) for values in taus.values()):.3f})."
    )


def parts(scale: Scale, conditions: Mapping[str, Condition], device: torch.device) -> list[Part]:
    """Return what :func:`compare` costs."""
    setting, found = shared.SETTINGS[scale], []
    for condition in conditions.values():
        scores = setting.repeats * shared.scored(scale, "representatives")
        found += [
            supernet_part(setting, device, setting.repeats, condition),
            scoring_part(setting, device, scores, condition),
        ]
    return found


def _minutes(lab: Lab, condition: Condition) -> float:
    """Return the minutes that one supernet of a condition was trained for, on average."""
    seconds = [
        read_log(lab.trained(condition, repeat).setup.run.log("supernet"))[-1]["seconds"]
        for repeat in range(lab.setting.repeats)
    ]
    return float(np.mean(seconds)) / 60
