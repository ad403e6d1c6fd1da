"""Skeletons: networks with open sites, which hand their context to whatever was placed there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn


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


def named_parts(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the parts of a skeleton in order: its children, with dictionaries and lists of modules opened."""
    for name, child in network.named_children():
        inside: Iterable[tuple[str, nn.Module]]
        if isinstance(child, nn.ModuleDict | nn.ModuleList):
            inside = child.named_children()
            yield from ((f"{name}.{key}", module) for key, module in inside)
        else:
            yield name, child
