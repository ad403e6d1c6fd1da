"""All combinations of options, in spaces small enough to be listed whole."""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer, UInt8

LARGEST = 2**22
"""Combinations of options of the largest space that is listed whole."""


def combinations(options: Integer[np.ndarray, " decisions"]) -> UInt8[np.ndarray, "n decisions"]:
    """Return all rows of as many options as these, in lexicographic order."""
    grid = np.indices(tuple(map(int, options)), dtype=np.uint8)
    return np.ascontiguousarray(grid.reshape(len(options), -1).T)
