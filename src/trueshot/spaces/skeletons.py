"""Skeletons: networks with open sites, which hand their context to whatever was placed there.

What a skeleton computes is data, a list of steps; running a network and sharing the work of many networks
(:mod:`trueshot.evaluation.sweep`) read the same list.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from trueshot.spaces.site import MayBeAbsent

Edge = tuple[int, int]
"""Source and target node."""


class Step(NamedTuple):
    """Apply ``module`` to the value of node ``source`` and add the result to that of node ``target``.

    A node that nothing was added to yet takes the result itself; a module that returns ``None`` adds nothing.
    ``placed`` modules are handed the context.
    """

    module: nn.Module
    source: int
    target: int
    placed: bool = False


@runtime_checkable
class Stepwise(Protocol):
    """A skeleton whose computation is a list of steps."""

    def steps(self, *context: Any) -> Sequence[Step]:
        """Return the steps of a call with ``context``, sources first; node 0 holds the images, the last target logits.

        Whether a step is there may depend on the context; what it computes depends on its module, on what a placed
        module makes of the context, and on the value of its source.
        """


def run(steps: Iterable[Step], x: Tensor, context: tuple[Any, ...]) -> Tensor:
    """Run the steps on images ``(n, c, h, w)`` and return the value of the last target."""
    values, target = {0: x}, 0
    for module, source, target, placed in steps:
        message = module(values[source], *context) if placed else module(values[source])
        if message is not None:
            values[target] = values[target] + message if target in values else message
    return values[target]


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
        inner = [Step(block, node, node + 1, True) for node, block in enumerate(self.blocks.values(), start=1)]
        end = len(inner) + 1
        self._steps = (Step(stem, 0, 1), *inner, Step(head, end, end + 1))

    def steps(self, *context: Any) -> Sequence[Step]:
        """Return all blocks in order."""
        return self._steps

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        """Map images ``(n, c, h, w)`` to logits ``(n, classes)``."""
        return run(self._steps, x, context)


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
        last = max(target for _, target in edges)
        order = sorted((target, source) for (source, target), edge in edges.items() if edge is not None)
        inner = [Step(self.edges[f"{source}-{target}"], source, target, True) for target, source in order]
        self._steps = (Step(stem, 0, 1), *inner, Step(head, last, last + 1))

    def steps(self, *context: Any) -> Sequence[Step]:
        """Return all edges, those into a node after those into its sources."""
        return self._steps

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        """Map images ``(n, c, h, w)`` to logits ``(n, classes)``."""
        return run(self._steps, x, context)


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

    def steps(self, *context: Any, first: int = 0) -> Sequence[Step]:
        """Return the live edges in order; the cell's nodes are numbered from ``first`` on."""
        live = self._live(context)
        if not live:
            return (Step(_ZERO, first, first + self._sink),)
        return [
            Step(self.edges[name], first + source, first + target, True)
            for source, target, name in self._order
            if (source, target) in live
        ]

    @property
    def nodes(self) -> int:
        """Number of nodes after the input."""
        return self._sink

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape."""
        return run(self.steps(*context), x, context)

    def idle(self, *context: Any) -> Collection[nn.Module]:
        """Return the edges that are placed but not run."""
        live = self._live(context)
        return [self.edges[name] for source, target, name in self._order if (source, target) not in live]


class _Zero(nn.Module):
    """The output of a cell without a live path."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros of the shape of ``x``."""
        return torch.zeros_like(x)


_ZERO = _Zero()


class CellStack(nn.Module):
    """Stem, layers one after another of which only the cells are given the context, head."""

    def __init__(self, stem: nn.Module, layers: Mapping[str, nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.layers = nn.ModuleDict(layers)
        self.head = head

    def steps(self, *context: Any) -> Sequence[Step]:
        """Return the steps of all layers, cells opened."""
        steps, node = [Step(self.stem, 0, 1)], 1
        for layer in self.layers.values():
            if isinstance(layer, Cell):
                steps.extend(layer.steps(*context, first=node))
                node += layer.nodes
            else:
                steps.append(Step(layer, node, node + 1))
                node += 1
        steps.append(Step(self.head, node, node + 1))
        return steps

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        """Map images ``(n, c, h, w)`` to logits ``(n, classes)``."""
        return run(self.steps(*context), x, context)


def named_parts(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the parts of a skeleton in order: its children, with dictionaries and lists of modules opened."""
    for name, child in network.named_children():
        inside: Iterable[tuple[str, nn.Module]]
        if isinstance(child, nn.ModuleDict | nn.ModuleList):
            inside = child.named_children()
            yield from ((f"{name}.{key}", module) for key, module in inside)
        else:
            yield name, child
