"""Twins among chains of nodes with branches: edges that leave nodes of equal value can change places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Integer, UInt8


def sort_equal_sources(
    archs: UInt8[np.ndarray, "n decisions"],
    edges: Sequence[tuple[int, int]],
    identity: Integer[np.ndarray, " decisions"],
    none: Integer[np.ndarray, " decisions"],
) -> UInt8[np.ndarray, "n decisions"]:
    """Return for each row the least of those that differ only in which of several equal nodes an edge leaves.

    Node i + 1 equals node i when its one incoming edge is the identity from i. Equal nodes are of one stage, so that
    edges from them to one target have the same options: every permutation of what stands on those edges is the same
    network, its weights moved along. None of them makes or ends an equality of nodes, hence the class is the product
    of the permutations, and sorting gives its least row.

    Args:
        archs: options of the edges.
        edges: (source, target) in the order of the genes; all (i, i + 1) first, then all others by source.
        identity: option that is the identity, for each edge, -1 where there is none; ``none`` likewise for no
            connection, which is the last option.
    """
    genes = {edge: gene for gene, edge in enumerate(edges)}
    last = max(target for _, target in edges)
    sole = np.ones((len(archs), last + 1), dtype=bool)
    for (source, target), gene in genes.items():
        sole[:, target] &= archs[:, gene] == (identity if source + 1 == target else none)[gene]
    result = archs.copy()
    for target in range(3, last + 1):
        sources = [source for source in range(1, target) if (source, target) in genes]
        # Runs of equal nodes are intervals: sort within each interval, the longest first so that it counts once.
        pending = np.ones((len(archs), len(sources)), dtype=bool)
        for length in range(len(sources), 1, -1):
            for start in range(len(sources) - length + 1):
                run = sources[start : start + length]
                chosen = sole[:, run[1:]].all(axis=1) & pending[:, start : start + length].all(axis=1)
                columns = sorted(genes[source, target] for source in run)
                cells = np.flatnonzero(chosen)[:, None], np.array(columns)
                result[cells] = np.sort(archs[cells], axis=1)
                pending[chosen, start : start + length] = False
    return result
