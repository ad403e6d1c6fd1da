"""Codes of NAS-Bench-201 cells: two cells are twins under a rule if and only if their codes are equal.

A cell is a row of six operations in the order of the edges (0,1) (0,2) (1,2) (0,3) (1,3) (2,3).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int8, Int64, UInt8, UInt64

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP, CONV1, CONV3, POOL = range(5)

_DEPTHS = 4
"""A value was average-pooled 0 to 3 times on its way."""


def live_edges(present: Bool[np.ndarray, "n 6"]) -> Bool[np.ndarray, "n 6"]:
    """Return which edges lie on a path of present edges from the cell's input to its output."""
    reached = np.zeros((len(present), 4), dtype=bool)
    reaching = np.zeros_like(reached)
    reached[:, 0] = reaching[:, 3] = True
    for edge, (source, target) in enumerate(EDGES):
        reached[:, target] |= reached[:, source] & present[:, edge]
    # By descending source, all that leaves a node is settled before what enters it.
    for edge in sorted(range(6), key=lambda edge: -EDGES[edge][0]):
        source, target = EDGES[edge]
        reaching[:, source] |= reaching[:, target] & present[:, edge]
    sources, targets = (list(ends) for ends in zip(*EDGES, strict=True))
    return present & reached[:, sources] & reaching[:, targets]


def nb201_codes(cells: UInt8[np.ndarray, "n 6"]) -> Int64[np.ndarray, " n"]:
    """Return the codes of the literature's rule, which has 6,466 classes.

    A node is the sorted sum of its terms. A term is ``#`` where the operation is ``none`` or the source is exactly
    ``#``; the source itself for a skip connection; else the source in parentheses with the operation. Hashes stay in
    sums, so that some zeros are missed; strings unfold shared convolutions, so that some different networks are merged.

    Source: ``to_unique_str(consider_zero=True)`` of AutoDL-Projects and of the ``nats_bench`` package.
    """
    by_03, by_13, by_23, parts = _nb201_units()
    a, b, c, d, e, f = cells.T.astype(np.int64)
    units = np.sort(np.stack([by_03[d], by_13[a, e], by_23[a, b, c, f]], axis=1), axis=1)
    # A skipped sum shows its two terms in the sum it enters: drop the gaps that units of one term leave.
    terms = parts[units].reshape(len(cells), 6)
    terms = np.take_along_axis(terms, np.argsort(terms < 0, axis=1, kind="stable"), axis=1)[:, :4]
    code: Int64[np.ndarray, " n"] = (terms + 1) @ (parts.max() + 2) ** np.arange(4)
    return code


@functools.cache
def _nb201_units() -> tuple[
    Int64[np.ndarray, "5"], Int64[np.ndarray, "5 5"], Int64[np.ndarray, "5 5 5 5"], Int64[np.ndarray, "units 2"]
]:
    """Number, in the order of their strings, all that an edge into the last node can contribute.

    Returns the numbers by the operations that decide them, and for each number its one or two terms (else -1).
    """

    def term(operation: int, source: str) -> str:
        if operation == NONE or source == "#":
            return "#"
        return source if operation == SKIP else f"({source})@{OPERATIONS[operation]}"

    five = range(5)
    split: dict[str, tuple[str, ...]] = {}

    def unit(operation: int, terms: Sequence[str]) -> str:
        text = term(operation, "+".join(terms))
        split[text] = tuple(terms) if operation == SKIP else (text,)
        return text

    from_0 = [unit(d, ["0"]) for d in five]
    first = [term(a, "0") for a in five]
    from_1 = [unit(e, [first[a]]) for a, e in itertools.product(five, five)]
    from_2 = [unit(f, sorted([term(b, "0"), term(c, first[a])])) for a, b, c, f in itertools.product(five, repeat=4)]
    units = {text: number for number, text in enumerate(sorted(split))}
    terms = {text: number for number, text in enumerate(sorted({t for texts in split.values() for t in texts}))}
    parts = np.full((len(units), 2), -1)
    for text, number in units.items():
        parts[number, : len(split[text])] = [terms[part] for part in split[text]]

    def numbered(texts: list[str], axes: int) -> Int64[np.ndarray, "..."]:
        return np.array([units[text] for text in texts]).reshape((5,) * axes)

    return numbered(from_0, 1), numbered(from_1, 2), numbered(from_2, 4), parts


def functional_codes(cells: UInt8[np.ndarray, "n 6"]) -> UInt64[np.ndarray, " n"]:
    """Return the codes of the functional rule, which has 5,044 classes.

    Two cells are twins if and only if some one-to-one match of their live convolutions' weights makes them the same
    function, whatever norms divide by: up to BatchNorm's epsilon 15 more classes merge, for BatchNorm undoes a factor
    before it, so that conv(2x) is conv(x). Every node is a sum of inputs and convolution outputs, each average-pooled
    some times (pooling is linear, so that it is distributed over sums); every live convolution is of a kind and reads
    one node. The code is the least, over all numberings of the live convolutions, of a 64-bit hash of that description;
    that no two classes of the space collide is checked over the whole space in the tests.
    """
    values = _node_values(cells)
    used = _used(values)
    codes = np.empty(len(cells), dtype=np.uint64)
    for count in range(7):
        rows = np.flatnonzero(used.sum(axis=1) == count)
        if len(rows):
            edges = np.argsort(~used[rows], axis=1, kind="stable")[:, :count]
            codes[rows] = _least_hash(cells[rows], values[:, rows], edges)
    return codes


def _node_values(cells: UInt8[np.ndarray, "n 6"]) -> Int8[np.ndarray, "4 n 7 4"]:
    """Return each node as coefficients by (input or convolution of an edge, times average-pooled)."""
    values = np.zeros((4, len(cells), 7, _DEPTHS), dtype=np.int8)
    values[0, :, 0, 0] = 1
    for edge, (source, target) in enumerate(EDGES):
        operation = cells[:, edge]
        incoming, outgoing = values[source], values[target]
        outgoing += incoming * (operation == SKIP)[:, None, None]
        outgoing[:, :, 1:] += incoming[:, :, :-1] * (operation == POOL)[:, None, None]
        convolved = (operation == CONV1) | (operation == CONV3)
        outgoing[:, 1 + edge, 0] += convolved & incoming.any(axis=(1, 2))
    return values


def _used(values: Int8[np.ndarray, "4 n 7 4"]) -> Bool[np.ndarray, "n 6"]:
    """Return which convolutions the output depends on."""
    holds: Bool[np.ndarray, "4 n 6"] = (values[:, :, 1:] != 0).max(axis=3)
    used: Bool[np.ndarray, "n 6"] = holds[3].copy()
    for edge in reversed(range(6)):
        used |= used[:, edge, None] & holds[EDGES[edge][0]]
    return used


def _mix(x: UInt64[np.ndarray, "..."]) -> UInt64[np.ndarray, "..."]:
    """Scatter the bits (the finaliser of SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: UInt64[np.ndarray, "..."] = x ^ (x >> np.uint64(31))
    return mixed


def _least_hash(
    cells: UInt8[np.ndarray, "n 6"], values: Int8[np.ndarray, "4 n 7 4"], edges: Int64[np.ndarray, "n k"]
) -> UInt64[np.ndarray, " n"]:
    """Return the least hash over all numberings of the ``k`` live convolutions, which stand on ``edges``."""
    n, k = edges.shape
    weights = _mix(np.arange(1, 1 + 8 * _DEPTHS, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)).reshape(8, _DEPTHS)
    numberings = np.array(list(itertools.permutations(range(k))), dtype=np.int64).reshape(math.factorial(k), k)
    names = weights[numberings].reshape(len(numberings), k * _DEPTHS)
    held = np.take_along_axis(values[:, :, 1:], edges[None, :, :, None], axis=2).astype(np.uint64)
    # Nodes by numbering: (4, n, numberings).
    nodes = held.reshape(4, n, k * _DEPTHS) @ names.T + (values[:, :, 0].astype(np.uint64) @ weights[6])[:, :, None]
    hashes = _mix(nodes[3])
    for slot in range(k):
        edge = edges[:, slot]
        source = nodes[np.array(EDGES)[edge, 0], np.arange(n)]
        kind = cells[np.arange(n), edge].astype(np.uint64)
        hashes += _mix(source + weights[7][kind[:, None] % np.uint64(_DEPTHS)]) * weights[numberings[:, slot], 0]
    least: UInt64[np.ndarray, " n"] = _mix(hashes).min(axis=1)
    return least
