"""Twins among chains of nodes that are sums: for each architecture the least that is made of the same terms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Integer, UInt8


def least_twins(
    archs: UInt8[np.ndarray, "n decisions"],
    edges: Sequence[tuple[int, int]],
    stages: Sequence[int],
    identity: Integer[np.ndarray, " decisions"],
    none: Integer[np.ndarray, " decisions"],
) -> UInt8[np.ndarray, "n decisions"]:
    """Return for each row the least of its functional twins.

    The value of a node is a multiset of terms. Node 1 is one term; an edge with an operation adds one term to its
    target; an identity adds all terms of its source, as often as the source has them; no connection adds none. Every
    operation has weights of its own: two that read the same are two terms, while one that comes in over two ways is
    one term counted twice. Two rows are twins if and only if a one-to-one match of their operations, each of the same
    option and between the same stages, turns what every operation of the one reads, and the value of its last node,
    into those of the other; this is the rule ``functional`` of NAS-Bench-201. An input that an operation adds to its
    output makes no difference: how often it comes in follows from the terms, and the terms from that.

    Why the search finds all twins: they differ in where nodes with the *needed* values stand (those that an operation
    reads, of the first and of the last node), and in the other nodes. Along the chain the set of operations that a
    value depends on only grows, and where it stays the same only identities lead on, so that values only grow: needed
    values come in the same order in all twins. A row all of whose nodes are needed and different has no twin: nodes
    stand where they stand, an operation enters the first node that holds its term, and two branches of different
    values add up to what is then missing in one way at most. Any other node repeats the value before it, or goes on
    by identities alone and is therefore a part of the next needed value.

    Time is in proportion to the partial networks that keep to this: in the published space under a millisecond for
    most rows, under a second for the worst found; at worst it is exponential in a stage's nodes that are not needed.

    Args:
        archs: options of the edges.
        edges: (source, target) in the order of the genes: from node i to i + 1, always, and to i + 2 and i + 3.
        stages: stage of every node; identities are between nodes of one stage.
        identity: option that is the identity, for each edge, -1 where there is none; ``none`` likewise for no
            connection, which edges to the next node do not have.
    """
    layout = _lay_out(edges, stages, identity, none)
    result = archs.copy()
    for position in np.flatnonzero(_have_spare_nodes(archs, layout, identity, none)):
        least = _Search(layout, archs[position].tolist()).least()
        result[position] = np.frombuffer(least.to_bytes(archs.shape[1], "big"), dtype=np.uint8)
    return result


class _Way(NamedTuple):
    """An edge as its target sees it: how far back it starts, its gene, and two of its options or -1."""

    back: int
    gene: int
    identity: int
    none: int


@dataclass(frozen=True)
class _Layout:
    """What all rows have in common.

    A value is one integer, with a field of bits for how often it has each term: node 1, then the operations in the
    order of their targets. Counts stay below ``2 ** (nodes - 1)`` and sums of three below the highest bit of a field.

    Attributes:
        ways: by target, the next node's edge first.
        stages: by node; nodes count from 1.
        ends: by stage, its last node.
        terms: the value of each term alone.
        fields: all bits of each term.
        shifts: by gene, where its option stands in a row written as one integer, first gene highest.
    """

    ways: tuple[tuple[_Way, ...], ...]
    stages: tuple[int, ...]
    ends: dict[int, int]
    terms: tuple[int, ...]
    fields: tuple[int, ...]
    shifts: tuple[int, ...]


def _lay_out(
    edges: Sequence[tuple[int, int]],
    stages: Sequence[int],
    identity: Integer[np.ndarray, " decisions"],
    none: Integer[np.ndarray, " decisions"],
) -> _Layout:
    ways: list[list[_Way]] = [[] for _ in range(len(stages) + 1)]
    for gene, (source, target) in enumerate(edges):
        ways[target].append(_Way(target - source, gene, int(identity[gene]), int(none[gene])))
    width = len(stages) + 1
    starts = [width * term for term in range(len(edges) + 1)]
    return _Layout(
        ways=tuple(tuple(sorted(into)) for into in ways),
        stages=(-1, *stages),
        ends={stage: node for node, stage in enumerate(stages, start=1)},
        terms=tuple(1 << start for start in starts),
        fields=tuple((1 << width) - 1 << start for start in starts),
        shifts=tuple(8 * (len(edges) - 1 - gene) for gene in range(len(edges))),
    )


def _have_spare_nodes(
    archs: UInt8[np.ndarray, "n decisions"],
    layout: _Layout,
    identity: Integer[np.ndarray, " decisions"],
    none: Integer[np.ndarray, " decisions"],
) -> Bool[np.ndarray, " n"]:
    """Return which rows have an inner node that no operation reads, or a node equal to the one before it."""
    last = len(layout.ways) - 1
    operation = (archs != identity) & (archs != none)
    read: Bool[np.ndarray, "n nodes"] = np.zeros((len(archs), last), dtype=bool)
    repeats: Bool[np.ndarray, "n nodes_and_one"] = np.ones((len(archs), last + 1), dtype=bool)
    for node in range(2, last + 1):
        for way in layout.ways[node]:
            read[:, node - way.back] |= operation[:, way.gene]
            repeats[:, node] &= archs[:, way.gene] == (way.identity if way.back == 1 else way.none)
    return np.asarray(repeats[:, 2:].any(axis=1) | ~read[:, 2:].all(axis=1))


class _State(NamedTuple):
    """A network up to before ``node``.

    Attributes:
        node: the node to be made next.
        met: how many of the needed values there are.
        window: the values of the last three nodes, fewer at the start.
        waiting: the fields of the operations that are not placed yet.
    """

    node: int
    met: int
    window: tuple[int, ...]
    waiting: int


class _Search:
    """The least twin of one row, by trying all that may stand on the edges into one node after the other.

    The operations are those of the row; any network of the same values is a twin, whichever of the row's edges an
    operation comes from. What is best from a state on does not depend on how it was reached and is remembered.
    """

    def __init__(self, layout: _Layout, row: Sequence[int]) -> None:
        self._layout = layout
        self._last = len(layout.ways) - 1
        values, operations = [0, 1], []
        for node in range(2, self._last + 1):
            value = 0
            for back, gene, identity, none in layout.ways[node]:
                option, source = row[gene], values[node - back]
                if option == identity:
                    value += source
                elif option != none:
                    operations.append((source, layout.stages[node], option))
                    value += layout.terms[len(operations)]
            values.append(value)
        read = {1, values[-1], *(source for source, _, _ in operations)}
        self._needed = list(dict.fromkeys(value for value in values[1:] if value in read))
        self._known = frozenset(self._needed)
        # Each term once, and the highest bit of every field: a difference keeps it where it does not fall below zero.
        self._once = sum(layout.terms[: len(operations) + 1])
        self._guards = self._once << self._last
        self._waiting = sum(layout.fields[1 : len(operations) + 1])
        self._readers = self._group(operations)
        self._reading: dict[int, int] = {}
        for term, (source, _, _) in enumerate(operations, start=1):
            self._reading[source] = self._reading.get(source, 0) | layout.fields[term]
        self._best: dict[_State, int] = {}

    def _group(self, operations: list[tuple[int, int, int]]) -> dict[tuple[int, int], list[tuple[int, list[int]]]]:
        """Return by source value and target stage (option, terms); terms of one list can stand for one another."""
        layout = self._layout
        alike: dict[tuple[int, int, int], list[int]] = {}
        for term, operation in enumerate(operations, start=1):
            alike.setdefault(operation, []).append(term)
        readers: dict[tuple[int, int], list[tuple[int, list[int]]]] = {}
        for (source, stage, option), members in alike.items():
            groups: dict[tuple[int, ...], list[int]] = {}
            for term in members if len(members) > 1 else ():
                # They must also come in everywhere equally often: then exchanging them changes no needed value.
                counts = tuple((value & layout.fields[term]) // layout.terms[term] for value in self._needed)
                groups.setdefault(counts, []).append(term)
            found = readers.setdefault((source, stage), [])
            found.extend((option, group) for group in groups.values() or (members,))
        return readers

    def least(self) -> int:
        """Return the row of the least twin as one integer of a byte for each gene."""
        return self._complete(_State(2, 1, (1,), self._waiting))

    def _complete(self, state: _State) -> int:
        """Return the least options of the edges into ``state.node`` and later ones, -1 where nothing is a twin."""
        if state.node > self._last:
            return 0
        found = self._best.get(state)
        if found is None:
            found = -1
            for genes, after in self._next(state):
                rest = self._complete(after)
                if rest >= 0 and (found < 0 or genes + rest < found):
                    found = genes + rest
            self._best[state] = found
        return found

    def _next(self, state: _State) -> Iterator[tuple[int, _State]]:
        """Yield the options of the edges into the next node and the state after it."""
        node, met, window, waiting = state
        # An operation whose source is out of reach of later nodes is placed now or never.
        expiring = self._reading.get(window[0], 0) if len(window) == 3 and window[0] != window[1] else 0
        spare = self._last - node + 1 - (len(self._needed) - met)
        if spare and not waiting & expiring:
            genes = self._repeat(node)
            if genes is not None:
                yield genes, _State(node + 1, met, (*window[-2:], window[-1]), waiting)
        if met == len(self._needed):
            return
        goal = self._needed[met]
        stage = self._layout.stages[node]
        free = min(spare, self._layout.ends[stage] - node)
        if not self._fits(waiting & expiring & self._once, goal) or not self._in_reach(goal & ~waiting, window, free):
            return
        for genes, value, left in self._sums(state, goal):
            if left & expiring:
                continue
            if value == goal:
                yield genes, _State(node + 1, met + 1, (*window[-2:], value), left)
            elif free and value != window[-1] and value not in self._known and self._fits(value, goal):
                entered = waiting & ~left
                if all(self._fits(value, later) for later in self._needed[met + 1 :] if later & entered):
                    yield genes, _State(node + 1, met, (*window[-2:], value), left)

    def _repeat(self, node: int) -> int | None:
        """Return the options that give a node the value of the one before, if there are such."""
        stem, *branches = self._layout.ways[node]
        if stem.identity < 0:
            return None
        shifts = self._layout.shifts
        return (stem.identity << shifts[stem.gene]) + sum(way.none << shifts[way.gene] for way in branches)

    def _sums(self, state: _State, goal: int) -> list[tuple[int, int, int]]:
        """Return (options, value, what still waits) for all values of the next node made of parts of ``goal``."""
        layout, stage = self._layout, self._layout.stages[state.node]
        sums = [(0, 0, state.waiting)]
        for back, gene, identity, none in layout.ways[state.node]:
            source, shift = state.window[-back], layout.shifts[gene]
            fixed = [(none << shift, 0)] if none >= 0 else []
            if identity >= 0 and self._fits(source, goal):
                fixed.append((identity << shift, source))
            longer = [(genes + code, value + more, left) for genes, value, left in sums for code, more in fixed]
            for option, group in self._readers.get((source, stage), ()):
                if goal & layout.fields[group[0]]:
                    code = option << shift
                    for genes, value, left in sums:
                        for term in group:
                            if left & layout.fields[term]:
                                longer.append((genes + code, value + layout.terms[term], left & ~layout.fields[term]))
                                break
            sums = longer
        return sums

    def _fits(self, part: int, whole: int) -> bool:
        """Return whether ``whole`` has every term as often as ``part``."""
        return (whole | self._guards) - part & self._guards == self._guards

    def _in_reach(self, goal: int, window: tuple[int, ...], free: int) -> bool:
        """Return whether identities alone can bring together as much as ``goal`` in ``free`` nodes and one."""
        a, b, c = (0, 0, *window)[-3:]
        for _ in range(free + 1):
            a, b, c = b, c, a + b + c
        return self._fits(goal, c)
