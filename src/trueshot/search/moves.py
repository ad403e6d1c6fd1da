"""Small changes of architectures."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Integer

from trueshot.spaces import Space


def change_one_gene(
    archs: Integer[np.ndarray, "n decisions"], options: Integer[np.ndarray, " decisions"], rng: Any
) -> Integer[np.ndarray, "n decisions"]:
    """Return each architecture with one random gene at another option, each other option equally likely.

    Args:
        archs: one row each; a copy is changed.
        options: number of options of each decision; those with one option stay.
        rng: a generator of NumPy.
    """
    free = np.flatnonzero(options > 1)
    if not len(free):
        return archs
    changed, each = archs.copy(), np.arange(len(archs))
    gene = free[rng.integers(0, len(free), size=len(archs))]
    step = rng.integers(1, options[gene])
    changed[each, gene] = (changed[each, gene] + step) % options[gene]
    return changed


def options_of_gene(
    row: Integer[np.ndarray, " decisions"], gene: int, options: int
) -> Integer[np.ndarray, "_ decisions"]:
    """Return the architecture with each option of one gene, in order."""
    rows = np.repeat(row[None], options, axis=0)
    rows[:, gene] = np.arange(options)
    return rows


def valid_rows(space: Space, archs: Integer[np.ndarray, "n decisions"]) -> Bool[np.ndarray, " n"]:
    """Return which rows are architectures of the space."""
    valid = getattr(space, "valid", None)
    return np.ones(len(archs), dtype=bool) if valid is None else valid(archs)
