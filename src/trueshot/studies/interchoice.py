"""What the studies of inter-choice weights on NAS-Bench-201 share: spaces, ways of sharing weights, improvements.

Source: Laube and Zell, "Inter-choice dependent super-network weights", sections 3.3 and 4.1, appendices B to E.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trueshot.core.results import Line, Series
from trueshot.criteria.curves import improvement_curve
from trueshot.studies.analysis import TAU, tau
from trueshot.studies.bases import NB201_SMOKE, TRUTH
from trueshot.studies.panels import Panels, PanelsScored
from trueshot.studies.record import Finding, Prior, Scale
from trueshot.studies.scored import Scored
from trueshot.studies.supernets import Rankings

LEFT = 10
"""Architectures left at the end of the published curves."""

IMPROVEMENT = f"improvement, {LEFT} left"

BASELINE = "baseline"
EPOCHS = 250
"""Published epochs of the supernets."""

Conditions = Mapping[str, Mapping[str, Any]]

SPACES = {"all operations": "full", "no Zero": "no_none", "only convolutions": "only_conv"}
"""The paper's names of the sub-spaces, and ours."""


def sharing(kind: str, **options: Any) -> Mapping[str, Any]:
    """Return a condition that shares weights in some way."""
    return {"supernet.sharing": {"kind": kind, **options}}


BIASES: Conditions = {f"bias D={depth}": sharing("bias", depth=depth, empty="published") for depth in (1, 2, 3)}
SPLITS: Conditions = {f"split at {epoch}": sharing("split", epoch=epoch) for epoch in (125, 175, 200)}
"""Epochs of 250; where a scale trains for fewer, weights are split at the same share of them."""

CELLS = 2
"""Cells in each stage of the paper's supernets."""

PAPER: Mapping[str, Any] = {
    "source": "cifar10",
    "data": {"image_size": 32, "validation_fraction": 0.1},
    "space": {"name": "nasbench201", "arguments": {"cells": CELLS, "affine": False, "skip": "linear_transformer"}},
    "supernet.augmentation": {"crop_padding": 4, "padding": "black", "flip": 0.5},
    "supernet.recipe": {"epochs": EPOCHS, "batch_size": 256, "lr": 0.025, "final_lr": 1e-5, "weight_decay": 3e-4},
    "supernet.sampler": "uniform",
    "evaluation.recalibration": {"mode": "adapt", "batches": 20, "batch_size": 256},
    "truth": TRUTH,
    "seeds": 3,
}
"""Tables 3 and 5 and appendix B of the paper."""

SMOKE: Mapping[str, Any] = {**NB201_SMOKE, "supernet.recipe.epochs": EPOCHS, "share": 2 / EPOCHS, "archs.count": 14}

SPREAD = Prior(0.15, "improvements of two supernets of 153afeb:results/interchoice-fig4-cpu.json")


def panels(conditions: Conditions, spaces: Sequence[str] = tuple(SPACES)) -> Panels:
    """Return supernets of some conditions in several sub-spaces, at the scales ``smoke`` and ``paper``."""
    return Panels(
        panels={
            name: Rankings(
                scales={Scale.SMOKE: SMOKE, Scale.PAPER: {**PAPER, "archs.count": 1000}},
                conditions=conditions,
                base={"scores": {"single": {}}, "space.arguments.sub_space": SPACES[name]},
            )
            for name in spaces
        }
    )


def improvements(scored: Scored, condition: str, left: int = LEFT, way: str = "single") -> tuple[float, ...]:
    """Return the improvement by each supernet with some architectures left: 0 as by chance, 1 the best of all.

    Where all architectures are equally good there is nothing to improve, which counts as 0.
    """
    truth = scored.truth["truth"]
    if np.ptp(truth) == 0:
        return (0.0,) * scored.seeds
    found = (
        improvement_curve(predicted=row, true=truth, smallest=left).improvement[-1]
        for row in scored.scores[condition, way]
    )
    return tuple(float(value) for value in found)


def taus(scored: Scored, condition: str) -> tuple[float, ...]:
    """Return the tau of each supernet."""
    return tuple(tau(row, scored.truth["truth"]) for row in scored.scores[condition, "single"])


def curve(scored: Scored, condition: str, left: int = LEFT) -> Line:
    """Return the improvement by the number of architectures left, mean over supernets."""
    counts = range(len(scored.archs), left - 1, -1)
    y = tuple(float(np.mean(improvements(scored, condition, count))) for count in counts)
    return Line(name=condition, x=tuple(map(float, counts)), y=y)


def curves(scored: Scored, name: str, title: str, left: int = LEFT) -> Series:
    """Return the picture of the curves of all conditions."""
    conditions = [condition for condition, way in scored.scores if way == "single"]
    lines = tuple(curve(scored, condition, left) for condition in conditions)
    return Series(name=name, title=title, x="architectures left", y="improvement", lines=lines)


def findings(scored: Scored, where: str = "", left: Sequence[int] = (LEFT,)) -> list[Finding]:
    """Return improvements and tau of every condition."""
    rows = []
    for condition, way in scored.scores:
        if way == "single":
            what = f"{where}, {condition}" if where else condition
            rows += [
                Finding(what=what, metric=f"improvement, {count} left", values=improvements(scored, condition, count))
                for count in left
            ]
            rows.append(Finding(what=what, metric=TAU, values=taus(scored, condition)))
    return rows


def panel_findings(scored: PanelsScored, left: Sequence[int] = (LEFT,)) -> tuple[Finding, ...]:
    """Return improvements and tau of every condition of every panel."""
    return tuple(one for where, panel in scored.panels.items() for one in findings(panel, where, left))


def panel_curves(scored: PanelsScored, left: int = LEFT) -> tuple[Series, ...]:
    """Return a picture of each panel."""
    return tuple(
        curves(panel, where.replace(" ", "-").lower(), f"Improvement, {where}", left)
        for where, panel in scored.panels.items()
    )
