"""Pareto fronts and the hypervolume of two objectives."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int64, Real

from trueshot.core.errors import CriteriaError
from trueshot.criteria.columns import Column, finite


def non_dominated(objectives: Real[np.ndarray, "n m"]) -> Bool[np.ndarray, "n"]:
    """Return which points no other point dominates; every objective is minimised.

    A point dominates another when it is at least as small in every objective and smaller in one, so equal points do
    not dominate each other and are kept together. O(n log n) for two objectives, at most O(n^2 m) for others.

    Args:
        objectives: ``(n, m)``, m at least 1.

    Raises:
        CriteriaError: when there is no objective, or a value is NaN or infinite.
    """
    if objectives.shape[1] == 0:
        raise CriteriaError("a Pareto front needs at least one objective")
    for objective in range(objectives.shape[1]):
        finite(objectives[:, objective], f"objective {objective}", least=0)
    points = objectives.astype(np.float64)
    if len(points) == 0:
        return np.zeros(0, dtype=bool)
    if points.shape[1] == 2:
        return _non_dominated_two(points)
    return _non_dominated_many(points)


def pareto_front(*, cost: Column, score: Column) -> Int64[np.ndarray, "_"]:
    """Return the positions of the Pareto front, cheapest first: cost is minimised, score maximised.

    Architectures equal in both are all in the front, in order of position.

    Args:
        cost: ``(n,)``, lower is better.
        score: ``(n,)``, higher is better.

    Raises:
        CriteriaError: when lengths differ or a value is NaN or infinite.
    """
    costs, scores = _costs_and_scores(cost, score)
    front = np.flatnonzero(non_dominated(np.stack([costs, -scores], axis=1)))
    return front[np.argsort(costs[front], kind="stable")].astype(np.int64)


def hypervolume(*, cost: Column, score: Column, reference: tuple[float, float]) -> float:
    """Return the area between the front and a reference point, in units of cost times score; larger is better.

    It is the area of all (cost, score) that some architecture beats in both and that are themselves better than the
    reference. Architectures that are not better than the reference in both add nothing.

    Args:
        cost: ``(n,)``, lower is better.
        score: ``(n,)``, higher is better.
        reference: (highest cost, lowest score) that count, both finite.

    Raises:
        CriteriaError: when lengths differ, or a value of a column or of the reference is NaN or infinite.
    """
    costs, scores = _costs_and_scores(cost, score)
    highest, lowest = finite(np.array(reference, dtype=np.float64), "reference")
    inside = (costs < highest) & (scores > lowest)
    costs, scores = costs[inside], scores[inside]
    front = pareto_front(cost=costs, score=scores)
    costs, scores = costs[front], scores[front]
    # From one point of the front to the next dearer one, everything up to the score of the former is beaten.
    widths = np.append(costs[1:], highest) - costs
    return float((widths * (scores - lowest)).sum())


def _costs_and_scores(cost: Column, score: Column) -> tuple[Float64[np.ndarray, "n"], Float64[np.ndarray, "n"]]:
    if cost.size != score.size:
        raise CriteriaError(f"{cost.size} costs and {score.size} scores: give one of each for every architecture")
    return finite(cost, "cost", least=0), finite(score, "score", least=0)


def _non_dominated_two(points: Float64[np.ndarray, "n 2"]) -> Bool[np.ndarray, "n"]:
    """Sort by both objectives; a point stays if it beats all of smaller first objective and is least among equals."""
    order = np.lexsort((points[:, 1], points[:, 0]))
    first, second = points[order].T
    start = np.searchsorted(first, first, side="left")
    least_before = np.append(np.inf, np.minimum.accumulate(second))[start]
    result = np.empty(len(points), dtype=bool)
    result[order] = (second < least_before) & (second == second[start])
    return result


def _non_dominated_many(points: Float64[np.ndarray, "n m"]) -> Bool[np.ndarray, "n"]:
    """Drop what each surviving point dominates; in lexicographic order no point is dominated by a later one."""
    alive = np.lexsort(points.T[::-1])
    position = 0
    while position < len(alive):
        pivot, later = points[alive[position]], points[alive[position + 1 :]]
        dominated = (later >= pivot).all(axis=1) & (later > pivot).any(axis=1)
        alive = np.append(alive[: position + 1], alive[position + 1 :][~dominated])
        position += 1
    result = np.zeros(len(points), dtype=bool)
    result[alive] = True
    return result
