"""The topology space of NAS-Bench-201 and NATS-Bench (Dong and Yang, 2020; Dong et al., 2021)."""

from __future__ import annotations

import dataclasses
import functools
import random
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from jaxtyping import Bool, Int64, Integer, UInt8

from trueshot.core.errors import ConfigError
from trueshot.spaces.canonical import cells
from trueshot.spaces.canonical.classes import ByCode
from trueshot.spaces.notation import CellString, Notation
from trueshot.spaces.site import NONE, Candidate, Place, Site
from trueshot.spaces.space import Rule, Space, literal
from trueshot.spaces.tables import Convention

if TYPE_CHECKING:
    import torch

_SUB_SPACES: Mapping[str, tuple[int, ...]] = {
    "full": (0, 1, 2, 3, 4),
    "no_none": (1, 2, 3, 4),
    "only_conv": (2, 3),
}
_SKIPS = ("identity", "linear_transformer")
_POWERS = 5 ** np.arange(5, -1, -1)


def _functional(space: NasBench201, archs: UInt8[np.ndarray, "n 6"]) -> np.ndarray:
    return cells.functional_codes(space.operations(archs))


def _nb201(space: NasBench201, archs: UInt8[np.ndarray, "n 6"]) -> np.ndarray:
    return cells.nb201_codes(space.operations(archs))


@dataclasses.dataclass(frozen=True, kw_only=True)
class NasBench201(Space):
    """Three stages of cells that all share one architecture: six edges between four nodes, five operations each.

    Without arguments it is the benchmark's own skeleton for CIFAR-10: 15,625 architectures, 16 channels, 5 cells a
    stage. Costs follow the benchmark: the classifier's bias counts, and so do edges that lead nowhere, although they
    are never run. Canonical rules: ``functional`` (5,044 classes of architectures that are the same function for some
    match of their weights; 15 more merge up to BatchNorm's epsilon, since BatchNorm undoes a factor before it: conv(2x)
    and conv(x)), ``nb201`` (6,466, the literature's) and ``literal``.

    Attributes:
        channels: width of the first stage; each later stage doubles it and halves the resolution.
        cells: cells in each of the three stages.
        sub_space: all five operations (``full``), all but ``none`` (4,096 architectures), or the two convolutions
            alone (64).
        affine: whether BatchNorm inside the cells has weights; networks of their own have, shared ones usually not.
        skip: what ``skip_connect`` is: ``identity``, or in a supernet a ``linear_transformer``, a 1x1 convolution
            (ScarletNAS, and the supernet of the inter-choice paper's Table 3).
    """

    name: ClassVar[str] = "nasbench201"
    notation: ClassVar[Notation] = CellString()
    convention: ClassVar[Convention] = Convention(linear_bias=True, dead_edges=True)
    canonical_rules: ClassVar[Mapping[str, Rule]] = {
        "functional": ByCode(_functional),
        "nb201": ByCode(_nb201),
        "literal": literal,
    }
    image_size: int = 32
    classes: int = 10
    channels: int = 16
    cells: int = 5
    sub_space: str = "full"
    affine: bool = True
    skip: str = "identity"

    def __post_init__(self) -> None:
        """Check the plan."""
        super().__post_init__()
        if self.channels < 1 or self.cells < 1:
            raise ConfigError(
                f"{self.name} needs one channel and one cell a stage or more, not {self.channels} and {self.cells}"
            )
        for field, known in (("sub_space", tuple(_SUB_SPACES)), ("skip", _SKIPS)):
            if getattr(self, field) not in known:
                raise ConfigError(f"{field} of {self.name} is '{getattr(self, field)}': choose {', '.join(known)}")

    def assemble(self, place: Place) -> torch.nn.Module:
        """Build stem, three stages of cells with a residual reduction between them, and head; PyTorch's own weights."""
        from torch import nn

        from trueshot.operations.nasbench201 import ResidualReduction
        from trueshot.spaces import skeletons

        width = self.channels
        stem = nn.Sequential(nn.Conv2d(self.in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        layers: dict[str, nn.Module] = {}
        for stage in range(3):
            if stage:
                layers[f"reduce{stage}"] = ResidualReduction(width, 2 * width)
                width *= 2
            for number in range(self.cells):
                placed = {edge: place(self._site(edge, width)) for edge in cells.EDGES}
                layers[f"cell{stage * self.cells + number + 1}"] = skeletons.Cell(placed)
        head = nn.Sequential(
            nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, self.classes)
        )
        return skeletons.CellStack(stem, layers, head, in_channels=self.in_channels)

    def _site(self, edge: tuple[int, int], width: int) -> Site:
        from torch import nn

        from trueshot.operations.nasbench201 import average_pool, linear_transformer, relu_conv_bn

        every: dict[str, Candidate | None] = {
            NONE: None,
            "skip_connect": nn.Sequential if self.skip == "identity" else partial(linear_transformer, width),
            "nor_conv_1x1": partial(relu_conv_bn, width, 1, affine=self.affine),
            "nor_conv_3x3": partial(relu_conv_bn, width, 3, affine=self.affine),
            "avg_pool_3x3": average_pool,
        }
        candidates: dict[str, Candidate | None] = {
            cells.OPERATIONS[operation]: every[cells.OPERATIONS[operation]] for operation in _SUB_SPACES[self.sub_space]
        }
        return Site(decision=f"{edge[0]}-{edge[1]}", candidates=candidates, in_channels=width, out_channels=width)

    def scaled(self, multiplier: float, divisor: int = 8) -> NasBench201:
        """Return the space with its channels multiplied."""
        from trueshot.operations.mobilenetv2 import make_divisible

        return dataclasses.replace(self, channels=make_divisible(self.channels * multiplier, divisor))

    def final(self) -> NasBench201:
        """Return the space as its networks are trained on their own: affine BatchNorm, identities as skips."""
        return dataclasses.replace(self, affine=True, skip="identity")

    def operations(self, archs: Integer[np.ndarray, "n 6"]) -> UInt8[np.ndarray, "n 6"]:
        """Return the operations by their numbers in the full space; a sub-space numbers its own options from 0."""
        numbers: UInt8[np.ndarray, "n 6"] = np.array(_SUB_SPACES[self.sub_space], dtype=np.uint8)[self.check(archs)]
        return numbers

    def live(self, archs: Integer[np.ndarray, "n 6"]) -> Bool[np.ndarray, "n 6"]:
        """Return which edges lie on a path from the cell's input to its output; the others are never run."""
        return cells.live_edges(self.operations(archs) != cells.NONE)

    def prune(self, archs: Integer[np.ndarray, "n 6"]) -> UInt8[np.ndarray, "n 6"]:
        """Return the architectures with ``none`` on every edge that leads nowhere: the same functions, honest costs."""
        return np.where(self.live(archs), self.check(archs), np.uint8(0))

    def index(self, archs: Integer[np.ndarray, "n 6"]) -> Int64[np.ndarray, " n"]:
        """Return the benchmark's index of each architecture, 0 to 15,624."""
        index: Int64[np.ndarray, " n"] = _order()[1][self.operations(archs).astype(np.int64) @ _POWERS]
        return index

    def at(self, index: Integer[np.ndarray, " n"]) -> UInt8[np.ndarray, "n 6"]:
        """Return the architectures of the full space with these indices of the benchmark.

        Raises:
            ConfigError: in a sub-space, or for an index out of range.
        """
        if self.sub_space != "full":
            raise ConfigError(f"the benchmark numbers the full space, not its sub-space {self.sub_space}")
        if len(index) and (index.min() < 0 or index.max() >= 5**6):
            raise ConfigError("an index of NAS-Bench-201 lies between 0 and 15624")
        rows: UInt8[np.ndarray, "n 6"] = (_order()[0][index][:, None] // _POWERS % 5).astype(np.uint8)
        return rows


@functools.cache
def _order() -> tuple[Int64[np.ndarray, "15625"], Int64[np.ndarray, "15625"]]:
    """Return the lexicographic number of each index and its inverse.

    The benchmark's authors shuffled the lexicographic list with Python's own generator, seeded 88
    (``generate_meta_info`` of AutoDL-Projects); that generator is the same in all versions of Python 3.
    """
    shuffled = list(range(5**6))
    random.Random(88).shuffle(shuffled)
    numbers = np.array(shuffled, dtype=np.int64)
    return numbers, np.argsort(numbers).astype(np.int64)
