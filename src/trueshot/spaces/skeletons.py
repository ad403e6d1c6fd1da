"""Skeletons: networks with open sites, which hand their context to whatever was placed there."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from trueshot.spaces.site import MayBeAbsent

Edge = tuple[int, int]
"""Source and target node."""


@runtime_checkable
class Skips(Protocol):
    """A skeleton, or a part of one, that does not run every module placed in it under every context."""

    def idle(self, *context: Any) -> Collection[nn.Module]:
        """Return the placed modules that a call with ``context`` does not run."""


class Chain(nn.Module):
    """Stem, placed blocks one after another, head."""

    def __init__(self, stem: nn.Module, blocks: Mapping[str, nn.Module | None], head: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = nn.ModuleDict({name: block for name, block in blocks.items() if block is not None})
        self.head = head

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        """Map images ``(n, c, h, w)`` to logits ``(n, classes)``."""
        x = self.stem(x)
        for block in self.blocks.values():
            x = block(x, *context)
        logits: Tensor = self.head(x)
        return logits


class Graph(nn.Module):
    """Stem, a directed acyclic graph whose node is the sum of its incoming edges, head.

    Nodes are numbered from 1, the output of the stem, in the order of computation; the head reads the last. An edge
    that returns ``None`` contributes nothing to the sum.
    """

    def __init__(self, stem: nn.Module, edges: Mapping[tuple[int, int], nn.Module | None], head: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.edges = nn.ModuleDict({f"{i}-{j}": edge for (i, j), edge in edges.items() if edge is not None})
        self.head = head
        self._last = max(target for _, target in edges)
        placed = sorted((target, source) for (source, target), edge in edges.items() if edge is not None)
        self._order = [(source, target, f"{source}-{target}") for target, source in placed]

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        """Map images ``(n, c, h, w)`` to logits ``(n, classes)``."""
        nodes: dict[int, Tensor] = {1: self.stem(x)}
        for source, target, name in self._order:
            message = self.edges[name](nodes[source], *context)
            if message is not None:
                nodes[target] = nodes[target] + message if target in nodes else message
        logits: Tensor = self.head(nodes[self._last])
        return logits


@functools.lru_cache(maxsize=4096)
def live_edges(present: tuple[Edge, ...], source: int, sink: int) -> frozenset[Edge]:
    """Return the edges on a path of present edges from ``source`` to ``sink``; nodes are in topological order."""
    reached, reaching = {source}, {sink}
    for i, j in sorted(present):
        if i in reached:
            reached.add(j)
    for i, j in sorted(present, reverse=True):
        if j in reaching:
            reaching.add(i)
    return frozenset((i, j) for i, j in present if i in reached and j in reaching)


class Cell(nn.Module):
    """A directed acyclic graph from node 0, the input, to the last node; a node is the sum of its incoming edges.

    Only edges on a live path from input to output are run; without one the output is zero. An edge is absent when
    nothing was placed, or when what was placed says so (:class:`~trueshot.spaces.site.MayBeAbsent`).
    """

    def __init__(self, edges: Mapping[Edge, nn.Module | None]) -> None:
        super().__init__()
        self.edges = nn.ModuleDict({f"{i}-{j}": edge for (i, j), edge in edges.items() if edge is not None})
        self._sink = max(target for _, target in edges)
        placed = sorted(((i, j) for (i, j), edge in edges.items() if edge is not None), key=lambda edge: edge[::-1])
        self._order = [(i, j, f"{i}-{j}") for i, j in placed]
        self._always = tuple(edge for edge in placed if not isinstance(edges[edge], MayBeAbsent))
        self._asked = [(edge, f"{edge[0]}-{edge[1]}") for edge in placed if edge not in self._always]
        self._live_always = live_edges(self._always, 0, self._sink)

    def _live(self, context: tuple[Any, ...]) -> frozenset[Edge]:
        if not self._asked:
            return self._live_always
        there = tuple(edge for edge, name in self._asked if not self.edges[name].absent(*context))  # type: ignore[operator]
        return live_edges(self._always + there, 0, self._sink)

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape."""
        live = self._live(context)
        nodes: dict[int, Tensor] = {0: x}
        for source, target, name in self._order:
            if (source, target) in live:
                message = self.edges[name](nodes[source], *context)
                nodes[target] = nodes[target] + message if target in nodes else message
        return nodes[self._sink] if self._sink in nodes else torch.zeros_like(x)

    def idle(self, *context: Any) -> Collection[nn.Module]:
        """Return the edges that are placed but not run."""
        live = self._live(context)
        return [self.edges[name] for source, target, name in self._order if (source, target) not in live]


class CellStack(nn.Module):
    """Stem, layers one after another of which only the cells are given the context, head."""

    def __init__(self, stem: nn.Module, layers: Mapping[str, nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.layers = nn.ModuleDict(layers)
        self.head = head

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        """Map images ``(n, c, h, w)`` to logits ``(n, classes)``."""
        x = self.stem(x)
        for layer in self.layers.values():
            x = layer(x, *context) if isinstance(layer, Cell) else layer(x)
        logits: Tensor = self.head(x)
        return logits


def named_parts(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the parts of a skeleton in order: its children, with dictionaries and lists of modules opened."""
    for name, child in network.named_children():
        inside: Iterable[tuple[str, nn.Module]]
        if isinstance(child, nn.ModuleDict | nn.ModuleList):
            inside = child.named_children()
            yield from ((f"{name}.{key}", module) for key, module in inside)
        else:
            yield name, child
