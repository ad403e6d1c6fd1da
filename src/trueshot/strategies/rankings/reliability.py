"""How reliable a table of truth is: what its columns hold, and how far trainings of one architecture agree."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.errors import CriteriaError
from trueshot.criteria.correlation import kendall_tau
from trueshot.criteria.groups import mean_group_std
from trueshot.evaluation.truth import MEAN, TruthTable
from trueshot.spaces import Space

Values = Float64[np.ndarray, " n"]


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """How far trainings of one architecture under several seeds agree.

    Attributes:
        kendall_tau: between the values of two seeds, mean over the pairs of seeds; ``None`` where it is undefined.
        pairs: how many pairs of seeds have two architectures or more in common.
        architectures: how many have two seeds or more.
        std: standard deviation between the seeds of one architecture, mean over these architectures (divisor k - 1).
    """

    kendall_tau: float | None
    pairs: int
    architectures: int
    std: float


@dataclass(frozen=True, kw_only=True)
class Twins:
    """How far architectures agree that are one function, so that nothing but the training tells them apart.

    Attributes:
        rule: canonical rule of the space.
        groups: of two measured architectures or more; ``architectures`` in them.
        std: standard deviation inside a group, mean over these groups (divisor k - 1).
    """

    rule: str
    groups: int
    architectures: int
    std: float


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the wide view; values in the unit of the table, percent for accuracies.

    Attributes:
        name: of the column.
        n: architectures with a value.
        mean: over them; ``std`` with divisor n.
        best: the first architecture of the greatest value.
        seeds: of the trainings; empty where the table holds means only.
        between_seeds: ``None`` unless some architecture has several.
        twins: ``None`` without a space, without its rules or without twins in the table.
        params_tau: Kendall tau of the parameter count, ``None`` without a space or where it is undefined.
        madds_tau: likewise of the multiply-adds.
    """

    name: str
    n: int
    mean: float
    std: float
    min: float
    max: float
    best: str
    seeds: tuple[int, ...]
    between_seeds: Seeds | None
    twins: Twins | None = None
    params_tau: float | None = None
    madds_tau: float | None = None


def describe_column(table: TruthTable, name: str, space: Space | None = None) -> Column:
    """Describe one column of the wide view.

    Raises:
        DataError: when there is no such column, or an architecture with a value in it is none of ``space``.
    """
    values = table.column(name)
    measured = np.flatnonzero(~np.isnan(values))
    known = values[measured]
    seeds = tuple(seed for seed in table.seeds(name) if seed != MEAN)
    twins, params_tau, madds_tau = None, None, None
    if space is not None:
        rows, _ = table.on(space, name)
        cost = space.cost(rows)
        twins = _twins(space, rows, known)
        params_tau, madds_tau = (_tau(costs.astype(np.float64), known) for costs in (cost.params, cost.madds))
    return Column(
        name=name,
        n=len(known),
        mean=float(known.mean()),
        std=float(known.std()),
        min=float(known.min()),
        max=float(known.max()),
        best=table.architectures[int(measured[known.argmax()])],
        seeds=seeds,
        between_seeds=_between_seeds([table.column(name, seed) for seed in seeds]),
        twins=twins,
        params_tau=params_tau,
        madds_tau=madds_tau,
    )


def _between_seeds(columns: Sequence[Values]) -> Seeds | None:
    """Compare columns of one value an architecture, NaN where a seed was not trained."""
    if len(columns) < 2:
        return None
    values = np.stack(columns)
    several = (~np.isnan(values)).sum(axis=0) >= 2
    if not several.any():
        return None
    taus = []
    for first, second in itertools.combinations(values, 2):
        both = ~np.isnan(first) & ~np.isnan(second)
        if both.sum() >= 2:
            taus.append(_tau(first[both], second[both]))
    defined = [tau for tau in taus if tau is not None]
    return Seeds(
        kendall_tau=float(np.mean(defined)) if defined else None,
        pairs=len(taus),
        architectures=int(several.sum()),
        std=float(np.nanstd(values[:, several], axis=0, ddof=1).mean()),
    )


def _twins(space: Space, rows: UInt8[np.ndarray, "n decisions"], values: Values) -> Twins | None:
    rule = space.rules[0]
    labels, counts = np.unique(space.canonical(rows, rule), axis=0, return_inverse=True, return_counts=True)[1:]
    labels = labels.reshape(-1)
    shared = counts[labels] > 1
    if not shared.any():
        return None
    return Twins(
        rule=rule,
        groups=int((counts > 1).sum()),
        architectures=int(shared.sum()),
        std=mean_group_std(values=values[shared], labels=labels[shared], ddof=1),
    )


def _tau(predicted: Values, true: Values) -> float | None:
    try:
        return kendall_tau(predicted=predicted, true=true)
    except CriteriaError:
        return None
