"""Skeletons: networks with open sites, which hand their context to whatever was placed there."""

from __future__ import annotations

import abc
import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from trueshot.core.errors import ConfigError
from trueshot.spaces.levels import Level, measured, pyramid
from trueshot.spaces.site import Fills, MayBeAbsent
from trueshot.spaces.steps import AnyStep, Step, node_values, run

Edge = tuple[int, int]
"""Source and target node."""


@runtime_checkable
class Skips(Protocol):
    """A skeleton, or a part of one, that does not run every module in it under every context."""

    def idle(self, *context: Any) -> Collection[nn.Module]:
        """Return the modules, placed ones and others, that a call with ``context`` does not run."""


class Skeleton(nn.Module, abc.ABC):
    """A network whose computation is a list of steps, of which the last applies ``head``; build your own on it.

    What comes before the head is the backbone, whose feature maps at named nodes are its levels. Levels are asked for
    of a network that stands alone, which is called without a context.

    Args:
        in_channels: channels of the images.

    Attributes:
        head: maps the features to logits; a subclass sets it.
    """

    head: nn.Module

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.in_channels = in_channels

    @abc.abstractmethod
    def steps(self, *context: Any) -> Sequence[AnyStep]:
        """Return the steps of a call with ``context`` (:class:`~trueshot.spaces.steps.Stepwise`)."""

    def node_names(self) -> Mapping[int, str]:
        """Return the names of the nodes that are levels: of all before the head, their numbers."""
        return {step.target: str(step.target) for step in self.steps()[:-1]}

    def features(self, x: Tensor, *context: Any) -> Tensor:
        """Map images ``(n, c, h, w)`` to the input of the head."""
        *backbone, head = self.steps(*context)
        return node_values(backbone, x, context)[cast(Step, head).source]

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        """Map images ``(n, c, h, w)`` to logits ``(n, classes)``: ``head(features(x))``."""
        return run(self.steps(*context), x, context)

    @functools.cached_property
    def levels(self) -> tuple[Level, ...]:
        """The feature maps of the backbone, in the order of their nodes.

        Raises:
            ConfigError: when the backbone does not take images of ``in_channels``.
        """
        return measured(self, self.in_channels, self.node_names())

    @property
    def pyramid(self) -> tuple[Level, ...]:
        """The last level of each resolution, finest first."""
        return pyramid(self.levels)

    def intermediates(self, x: Tensor, levels: Sequence[Level] | None = None) -> list[Tensor]:
        """Map images ``(n, c, h, w)`` to the feature maps of ``levels``, by default the pyramid, in their order.

        Steps that none of them needs because they come later are not run.
        """
        nodes = [level.node for level in (self.pyramid if levels is None else levels)]
        steps = self.steps()
        last = max((number for number, step in enumerate(steps) if step.target in nodes), default=-1)
        values = node_values(steps[: last + 1], x, ())
        return [values[node] for node in nodes]


def backbone(network: nn.Module) -> Skeleton:
    """Return a network that has levels, as it is.

    Raises:
        ConfigError: when it has none, since it is not built on :class:`Skeleton`.
    """
    if not isinstance(network, Skeleton):
        raise ConfigError(
            f"{type(network).__name__} has no levels: let the space assemble a trueshot.spaces.skeletons.Skeleton"
        )
    return network


class Chain(Skeleton):
    """Stem, placed blocks one after another, head; the stem and each block are levels."""

    def __init__(
        self, stem: nn.Module, blocks: Mapping[str, nn.Module | None], head: nn.Module, *, in_channels: int = 3
    ) -> None:
        super().__init__(in_channels)
        self.stem = stem
        self.blocks = nn.ModuleDict({name: block for name, block in blocks.items() if block is not None})
        self.head = head
        inner = [Step(block, node, node + 1, True) for node, block in enumerate(self.blocks.values(), start=1)]
        end = len(inner) + 1
        self._steps = (Step(stem, 0, 1), *inner, Step(head, end, end + 1))

    def steps(self, *context: Any) -> Sequence[AnyStep]:
        """Return all blocks in order."""
        return self._steps

    def node_names(self) -> Mapping[int, str]:
        """Return ``stem`` and the names of the blocks."""
        return dict(enumerate(("stem", *self.blocks), start=1))


class Graph(Skeleton):
    """Stem, a directed acyclic graph whose node is the sum of its incoming edges, head.

    Nodes are numbered from 1, the output of the stem, in the order of computation; the head reads the last. An edge
    that returns ``None`` contributes nothing to the sum. Each node is a level, named by its number.
    """

    def __init__(
        self, stem: nn.Module, edges: Mapping[Edge, nn.Module | None], head: nn.Module, *, in_channels: int = 3
    ) -> None:
        super().__init__(in_channels)
        self.stem = stem
        self.edges = nn.ModuleDict({f"{i}-{j}": edge for (i, j), edge in edges.items() if edge is not None})
        self.head = head
        last = max(target for _, target in edges)
        order = sorted((target, source) for (source, target), edge in edges.items() if edge is not None)
        inner = [Step(self.edges[f"{source}-{target}"], source, target, True) for target, source in order]
        self._steps = (Step(stem, 0, 1), *inner, Step(head, last, last + 1))

    def steps(self, *context: Any) -> Sequence[AnyStep]:
        """Return all edges, those into a node after those into its sources."""
        return self._steps


@functools.lru_cache(maxsize=4096)
def live_edges(
    present: tuple[Edge, ...], source: int, sink: int, filling: frozenset[Edge] = frozenset()
) -> frozenset[Edge]:
    """Return the edges on a path of present edges from ``source`` to ``sink``; nodes are in topological order.

    A path may begin at an empty node too, by one of the edges ``filling``, which make something of it.
    """
    reached, reaching = {source}, {sink}
    for i, j in sorted(present):
        if i in reached or (i, j) in filling:
            reached.add(j)
    for i, j in sorted(present, reverse=True):
        if j in reaching:
            reaching.add(i)
    return frozenset((i, j) for i, j in present if (i in reached or (i, j) in filling) and j in reaching)


class Cell(nn.Module):
    """A directed acyclic graph from node 0, the input, to the last node; a node is the sum of its incoming edges.

    Only edges on a live path from input to output are run; without one the output is zero. An edge is absent when
    nothing was placed, or when what was placed says so (:class:`~trueshot.spaces.site.MayBeAbsent`). A live path may
    begin at an empty node, which is zero, where what was placed fills it (:class:`~trueshot.spaces.site.Fills`).
    """

    def __init__(self, edges: Mapping[Edge, nn.Module | None]) -> None:
        super().__init__()
        self.edges = nn.ModuleDict({f"{i}-{j}": edge for (i, j), edge in edges.items() if edge is not None})
        self._sink = max(target for _, target in edges)
        placed = sorted(((i, j) for (i, j), edge in edges.items() if edge is not None), key=lambda edge: edge[::-1])
        self._order = [(i, j, f"{i}-{j}") for i, j in placed]
        self._always = tuple(edge for edge in placed if not isinstance(edges[edge], MayBeAbsent))
        self._asked = [(edge, f"{edge[0]}-{edge[1]}") for edge in placed if edge not in self._always]
        self._filling = frozenset(edge for edge in placed if isinstance(module := edges[edge], Fills) and module.fills)
        self._live_always = live_edges(self._always, 0, self._sink, self._filling)

    def _live(self, context: tuple[Any, ...]) -> frozenset[Edge]:
        if not self._asked:
            return self._live_always
        there = tuple(edge for edge, name in self._asked if not self.edges[name].absent(*context))  # type: ignore[operator]
        return live_edges(self._always + there, 0, self._sink, self._filling)

    def steps(self, *context: Any, first: int = 0) -> Sequence[Step]:
        """Return the live edges in order; the cell's nodes are numbered from ``first`` on."""
        live = self._live(context)
        if not live:
            return (Step(_ZERO, first, first + self._sink),)
        empty = self._empty(live) if self._filling else ()
        return [Step(_ZERO, first, first + node) for node in empty] + [
            Step(self.edges[name], first + source, first + target, True)
            for source, target, name in self._order
            if (source, target) in live
        ]

    @staticmethod
    def _empty(live: frozenset[Edge]) -> list[int]:
        """Return the nodes that live edges leave and none reaches."""
        return sorted({source for source, _ in live} - {target for _, target in live} - {0})

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


class CellStack(Skeleton):
    """Stem, layers one after another of which only the cells are given the context, head.

    The stem and each layer are levels; the nodes inside a cell are not.
    """

    def __init__(
        self, stem: nn.Module, layers: Mapping[str, nn.Module], head: nn.Module, *, in_channels: int = 3
    ) -> None:
        super().__init__(in_channels)
        self.stem = stem
        self.layers = nn.ModuleDict(layers)
        self.head = head

    def node_names(self) -> Mapping[int, str]:
        """Return ``stem`` and the names of the layers."""
        names, node = {1: "stem"}, 1
        for name, layer in self.layers.items():
            node += layer.nodes if isinstance(layer, Cell) else 1
            names[node] = name
        return names

    def steps(self, *context: Any) -> Sequence[AnyStep]:
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


class FeatureStack(Skeleton):
    """Layers ``features`` one after another, each a level, then their mean over the image and a ``classifier``.

    Parts are named as in torchvision's networks, and so are the keys of their weights.
    """

    def __init__(self, features: nn.Sequential, classifier: nn.Module, *, in_channels: int = 3) -> None:
        super().__init__(in_channels)
        self._modules |= {"features": features, "classifier": classifier}
        # Not a child: its weights are those of the classifier.
        vars(self)["head"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier)

    @property
    def features(self) -> nn.Sequential:
        """The layers, which map images to the input of the head."""
        return cast(nn.Sequential, self._modules["features"])

    def node_names(self) -> Mapping[int, str]:
        """Return the numbers of the layers, from 0."""
        return {node: str(node - 1) for node in range(1, len(self.features) + 1)}

    def steps(self, *context: Any) -> Sequence[AnyStep]:
        """Return all layers in order."""
        layers = (*self.features, self.head)
        return [Step(layer, node, node + 1) for node, layer in enumerate(layers)]


def named_parts(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the parts of a skeleton in order: its children, with dictionaries and lists of modules opened."""
    for name, child in network.named_children():
        inside: Iterable[tuple[str, nn.Module]]
        if isinstance(child, nn.ModuleDict | nn.ModuleList):
            inside = child.named_children()
            yield from ((f"{name}.{key}", module) for key, module in inside)
        else:
            yield name, child
