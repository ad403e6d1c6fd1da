"""What the studies of the Surgery paper share: its supernet at each scale, its groups and its criteria.

Source: "A Surgery of the Neural Architecture Evaluators" (under review at ICLR 2021), section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64

from trueshot.core.results import Line, Series
from trueshot.criteria.groups import group_means
from trueshot.studies.analysis import TAU, by_class, criterion_findings, each, tau, tau_interval
from trueshot.studies.bases import NB201_CPU, NB201_SMOKE, TRUTH
from trueshot.studies.record import Finding, Prior, Scale
from trueshot.studies.scored import Scored
from trueshot.studies.supernets import Rankings

SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Epochs of the paper's tables, of 1,000."""

_DRAWS: Mapping[str, Any] = {"within": "lab", "archs": {"draw": "classes", "rule": "nb201", "stream": "groups"}}

SCALES: Mapping[Scale, Mapping[str, Any]] = {
    Scale.SMOKE: {
        **NB201_SMOKE,
        **_DRAWS,
        "archs.count": 12,
        "supernet.recipe.dropout": 0.1,
        "stream": "lab/supernet",
    },
    Scale.CPU: {**NB201_CPU, **_DRAWS, "archs.count": 1000, "seeds": 6},
    Scale.PAPER: {
        **_DRAWS,
        "source": "cifar10",
        "data": {"image_size": 32, "validation_fraction": 0.2},
        "space": {"name": "nasbench201", "arguments": {"channels": 16, "cells": 5, "affine": False}},
        "supernet.augmentation": {"crop_padding": 4, "padding": "black", "flip": 0.5},
        "supernet.recipe": {
            "epochs": 1000,
            "batch_size": 512,
            "lr": 0.05,
            "weight_decay": 5e-4,
            "clip": 5.0,
            "dropout": 0.1,
            "plateau": {},
        },
        "supernet.sampler": "uniform",
        "evaluation": {"recalibration": {"mode": "running"}, "metric": "accuracy"},
        "truth": TRUTH,
        "seeds": 3,
    },
}
"""At its own scale Table 1 of the paper, with running statistics and accuracy as its code has it."""

SAMPLING: Mapping[str, Mapping[str, Any]] = {
    "no de-isomorphism": {},
    "de-isomorphic": {"supernet.sampler": {"kind": "deisomorphic", "rule": "nb201"}},
}

SPREAD = Prior(0.03, "tau of two supernets of one kind differs by 0.02 to 0.06 in results/rank-cifar10-cpu")


def rankings(conditions: Mapping[str, Mapping[str, Any]], scores: Mapping[str, Any], **cpu: Any) -> Rankings:
    """Return supernets of the paper's kinds; ``cpu`` changes settings of that scale."""
    scales = {**SCALES, Scale.CPU: {**SCALES[Scale.CPU], **cpu}}
    return Rankings(scales=scales, conditions=conditions, base={"scores": scores})


def groups(scored: Scored, condition: str, column: str) -> Float64[np.ndarray, "s k"]:
    """Return the mean score of each isomorphic group (post de-isomorphism)."""
    return by_class(scored.scores[condition, column], scored.labels)


def group_truth(scored: Scored) -> Float64[np.ndarray, " k"]:
    """Return the mean truth of each isomorphic group."""
    return group_means(values=scored.truth["truth"], labels=scored.labels)


def group_findings(
    scored: Scored, what: str, condition: str, column: str, paper: Mapping[str, float | None], note: str
) -> list[Finding]:
    """Return a finding for each criterion over isomorphic groups."""
    return criterion_findings(
        what,
        groups(scored, condition, column),
        group_truth(scored),
        paper,
        note=note,
        streams=scored.streams,
        resamples=scored.resamples,
    )


def group_taus(scored: Scored, condition: str, column: str = "single") -> tuple[float, ...]:
    """Return the tau of each supernet over isomorphic groups; scores that rank nothing count as 0."""
    truth = group_truth(scored)
    return tuple(tau(row, truth) for row in groups(scored, condition, column))


def free_findings(scored: Scored) -> list[Finding]:
    """Return the tau of what is to be had without a supernet, over the first member of each group."""
    first = np.unique(scored.labels, return_index=True)[1]
    truth = scored.truth["truth"][first]
    free = {
        "parameters": scored.costs["params"],
        "MAdds": scored.costs["madds"],
        "12 epochs of training": scored.truth["12 epochs of training"],
    }
    return [
        Finding(
            what=name,
            metric=TAU,
            values=(tau(values[first], truth),),
            over="tables",
            interval=tau_interval(values[first], truth, scored.streams, resamples=scored.resamples),
            resampled="classes of architectures",
            note="no supernet",
        )
        for name, values in free.items()
    ]


def circumstances(scored: Scored) -> str:
    """Say in a sentence what was ranked and how, and how that differs from the paper."""
    return (
        f"{scored.labels.max() + 1} isomorphic groups with {len(scored.archs)} architectures (the paper: 6,466 with"
        f" 15,625); {scored.seeds} supernet(s) of each kind, {max(scored.epochs.values())} epochs (the paper: one,"
        f" 1,000), {scored.data['image_size']} pixels (32). Intervals of three supernets or more are Student's t over"
        " supernets; of fewer, the bootstrap over groups."
    )


def curves(scored: Scored, criterion: str, *, condition: str, post: bool) -> Line:
    """Return a criterion along the training, mean over supernets; ``post`` averages scores over groups."""
    x, y = [], []
    for epoch, scores in scored.columns(condition, "curve"):
        if post:
            values = each(criterion, by_class(scores, scored.labels), group_truth(scored))
        else:
            values = each(criterion, scores, scored.truth["truth"])
        x.append(float(epoch))
        y.append(float(np.mean(values)) if values else None)
    return Line(name=criterion, x=tuple(x), y=tuple(y))


def picture(name: str, title: str, y: str, lines: list[Line], x: str = "epoch") -> Series:
    """Return a picture of lines."""
    return Series(name=name, title=title, x=x, y=y, lines=tuple(lines))
