"""The topology-augmented space of ST-NAS (section 3.1): a chain of nodes with optional edges that skip one or two."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Integer, UInt8

from trueshot.core.errors import ConfigError
from trueshot.spaces.canonical.graphs import sort_equal_sources
from trueshot.spaces.canonical.sums import least_twins
from trueshot.spaces.checks import check_bottlenecks
from trueshot.spaces.site import NONE, Candidate, Place, Site
from trueshot.spaces.space import Rule, Space, literal

if TYPE_CHECKING:
    import torch


def _options(space: Topology, name: str) -> Integer[np.ndarray, " decisions"]:
    """Return the index of an option in every decision, -1 where it is not on offer."""
    return np.array([d.options.index(name) if name in d.options else -1 for d in space.decisions])


def _equal_nodes(space: Topology, archs: UInt8[np.ndarray, "n decisions"]) -> UInt8[np.ndarray, "n decisions"]:
    return sort_equal_sources(archs, space.edges(), _options(space, "identity"), _options(space, NONE))


def _functional(space: Topology, archs: UInt8[np.ndarray, "n decisions"]) -> UInt8[np.ndarray, "n decisions"]:
    stages = [space.stage(node) for node in range(1, sum(space.nodes) + 1)]
    return least_twins(archs, space.edges(), stages, _options(space, "identity"), _options(space, NONE))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Topology(Space):
    """Nodes 1 to n in stages; stem edges (i, i+1) always present, branch edges (i, i+2) and (i, i+3) optional.

    Every edge is a linear bottleneck, an identity where both ends have one resolution, or, on a branch, nothing; a node
    is the sum of its incoming edges. Genes: stem edges by source, then branch edges by (source, target). Without
    arguments it is the published space: 20 nodes, 19 + 35 edges, 2^35 topologies.

    Canonical rules: ``literal``; ``functional``, under which those architectures are twins that are the same function
    for matched weights (:func:`~trueshot.spaces.canonical.sums.least_twins`); and ``equal_nodes``, which finds fast
    some of these: those that differ in which of several nodes an edge leaves that an identity makes equal.

    Attributes:
        nodes: nodes in each stage.
        widths: channels in each stage.
        stem_stride: stride of the first convolution; each later stage halves the resolution.
        head_width: channels before the classifier.
        expansions: expansion ratios on offer.
        kernels: kernel sizes on offer.
        residual: whether a bottleneck of stride 1 and equal width adds its input.
        dropout: before the classifier.
    """

    name: ClassVar[str] = "topology"
    canonical_rules: ClassVar[Mapping[str, Rule]] = {
        "literal": literal,
        "equal_nodes": _equal_nodes,
        "functional": _functional,
    }
    plans: ClassVar[Mapping[str, Mapping[str, Any]]] = {"wide": {"widths": (16, 16, 24, 64, 320)}}
    nodes: tuple[int, ...] = (2, 2, 4, 8, 4)
    widths: tuple[int, ...] = (16, 24, 40, 80, 160)
    stem_stride: int = 2
    head_width: int = 1280
    expansions: tuple[int, ...] = (1, 3, 6)
    kernels: tuple[int, ...] = (3, 5, 7)
    residual: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Check the plan."""
        super().__post_init__()
        if len(self.nodes) != len(self.widths) or not self.nodes or min(self.nodes) < 1 or sum(self.nodes) < 2:
            raise ConfigError(
                f"topology needs a width for each stage and two nodes or more, not nodes {self.nodes} and widths"
                f" {self.widths}"
            )
        check_bottlenecks(
            self.name, (*self.widths, self.head_width, self.stem_stride), self.expansions, self.kernels, self.dropout
        )

    def stage(self, node: int) -> int:
        """Return the stage, from 0, of a node, from 1."""
        return next(index for index, last in enumerate(accumulate(self.nodes)) if node <= last)

    def edges(self) -> list[tuple[int, int]]:
        """Return all edges (source, target) in the order of the genes."""
        last = sum(self.nodes)
        stem = [(i, i + 1) for i in range(1, last)]
        return stem + [(i, j) for i in range(1, last) for j in (i + 2, i + 3) if j <= last]

    def assemble(self, place: Place) -> torch.nn.Module:
        """Build stem, edges and head."""
        from torch import nn

        from trueshot.operations import classifier_head, conv_bn, initialise
        from trueshot.spaces import skeletons

        stem = nn.Sequential(*conv_bn(self.in_channels, self.widths[0], 3, stride=self.stem_stride))
        edges = {(i, j): place(self._site(i, j)) for i, j in self.edges()}
        head = classifier_head(self.widths[-1], self.head_width, self.classes, self.dropout)
        skeleton = skeletons.Graph(stem, edges, head, in_channels=self.in_channels)
        initialise(skeleton)
        return skeleton

    def scaled(self, multiplier: float, divisor: int = 8) -> Topology:
        """Return the space with the widths of its stages multiplied, the head's where they grow."""
        from trueshot.operations.mobilenetv2 import make_divisible

        return dataclasses.replace(
            self,
            widths=tuple(make_divisible(width * multiplier, divisor) for width in self.widths),
            head_width=make_divisible(self.head_width * max(1.0, multiplier), divisor),
        )

    def _site(self, i: int, j: int) -> Site:
        from torch import nn

        from trueshot.operations import LinearBottleneck

        first, last = self.stage(i), self.stage(j)
        width, out, stride = self.widths[first], self.widths[last], 2 ** (last - first)
        candidates: dict[str, Candidate | None] = {
            f"E{e}K{k}": partial(
                LinearBottleneck, width, out, expansion=e, kernel=k, stride=stride, residual=self.residual
            )
            for e in self.expansions
            for k in self.kernels
        }
        if first == last:
            candidates["identity"] = nn.Sequential
        if j - i > 1:
            candidates[NONE] = None
        return Site(decision=f"{i}-{j}", candidates=candidates, in_channels=width, out_channels=out, stride=stride)
