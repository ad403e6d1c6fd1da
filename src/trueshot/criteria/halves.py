"""One split of a space in two, so that what is chosen on one half is judged on the other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

LARGEST = 20
"""Classes that are dealt out in turn: they hold a quarter of NAS-Bench-201, which chance might put on one side."""


def halves(canonical: Sequence[str], *, largest: int = LARGEST) -> Bool[np.ndarray, "_"]:
    """Return for each architecture whether it is in half B, ``(n,)``: choose on A, judge on B.

    Whole classes of twins are on one side. The largest are dealt out in turn, the largest of all to A; each other goes
    by a hash of its string, so that it is on the same side whatever else there is.

    Args:
        canonical: the string of the canonical member of each architecture's class.
        largest: how many classes are dealt out; of classes of one size the first in alphabetical order.
    """
    names, class_of, sizes = np.unique(np.array(list(canonical)), return_inverse=True, return_counts=True)
    in_b = np.array([_digest(name) % 2 == 1 for name in names.tolist()], dtype=bool)
    by_size = np.lexsort((np.arange(len(names)), -sizes))[:largest]
    in_b[by_size] = np.arange(len(by_size)) % 2 == 1
    found: Bool[np.ndarray, "_"] = in_b[class_of.reshape(-1)]
    return found


def _digest(text: str) -> int:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()[-1]
