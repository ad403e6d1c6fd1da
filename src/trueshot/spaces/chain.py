"""The chain space of FairNAS: one inverted bottleneck of six at each of a row of layers."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from trueshot.core.errors import ConfigError
from trueshot.spaces.checks import check_bottlenecks
from trueshot.spaces.site import Candidate, Place, Site
from trueshot.spaces.space import Space

if TYPE_CHECKING:
    import torch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chain(Space):
    """Layers in a row, each one of the bottlenecks (expansion, kernel), as in FairNAS and SPOS.

    Without arguments it is the published space: 19 layers, 6^19 architectures.

    Attributes:
        layers: per searchable layer its output width and stride.
        stem_width: output channels of the first convolution.
        stem_stride: stride of the first convolution.
        fixed_width: output channels of the fixed separable block that follows it.
        head_width: channels before the classifier.
        expansions: expansion ratios on offer.
        kernels: kernel sizes on offer.
        dropout: before the classifier.
    """

    name: ClassVar[str] = "chain"
    layers: tuple[tuple[int, int], ...] = (
        (32, 2), (32, 1), (40, 2), (40, 1), (40, 1), (40, 1), (80, 2), (80, 1), (80, 1), (80, 1),
        (96, 1), (96, 1), (96, 1), (96, 1), (192, 2), (192, 1), (192, 1), (192, 1), (320, 1),
    )  # fmt: skip
    stem_width: int = 32
    stem_stride: int = 2
    fixed_width: int = 16
    head_width: int = 1280
    expansions: tuple[int, ...] = (3, 6)
    kernels: tuple[int, ...] = (3, 5, 7)
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Check the plan."""
        super().__post_init__()
        if not self.layers or any(len(layer) != 2 or min(layer) < 1 for layer in self.layers):
            raise ConfigError(f"chain needs layers, each (width, stride) of 1 or more, not {self.layers}")
        widths = (self.stem_width, self.fixed_width, self.head_width, self.stem_stride)
        check_bottlenecks(self.name, widths, self.expansions, self.kernels, self.dropout)

    def assemble(self, place: Place) -> torch.nn.Module:
        """Build stem, layers and head."""
        from torch import nn

        from trueshot.operations import LinearBottleneck, classifier_head, conv_bn, initialise
        from trueshot.spaces import skeletons

        stem = nn.Sequential(
            *conv_bn(self.in_channels, self.stem_width, 3, stride=self.stem_stride),
            *conv_bn(self.stem_width, self.stem_width, 3, groups=self.stem_width),
            *conv_bn(self.stem_width, self.fixed_width, activation=False),
        )
        blocks: dict[str, nn.Module | None] = {}
        width = self.fixed_width
        for index, (out, stride) in enumerate(self.layers):
            candidates: dict[str, Candidate | None] = {
                f"E{e}K{k}": partial(LinearBottleneck, width, out, expansion=e, kernel=k, stride=stride)
                for e in self.expansions
                for k in self.kernels
            }
            site = Site(decision=f"{index}", candidates=candidates, in_channels=width, out_channels=out, stride=stride)
            blocks[site.decision] = place(site)
            width = out
        head = classifier_head(width, self.head_width, self.classes, self.dropout)
        skeleton = skeletons.Chain(stem, blocks, head, in_channels=self.in_channels)
        initialise(skeleton)
        return skeleton

    def scaled(self, multiplier: float, divisor: int = 8) -> Chain:
        """Return the space with the widths of stem, fixed block and layers multiplied, the head's where they grow."""
        from trueshot.operations.mobilenetv2 import make_divisible

        def width(base: int, factor: float = multiplier) -> int:
            return make_divisible(base * factor, divisor)

        return dataclasses.replace(
            self,
            stem_width=width(self.stem_width),
            fixed_width=width(self.fixed_width),
            layers=tuple((width(out), stride) for out, stride in self.layers),
            head_width=width(self.head_width, max(1.0, multiplier)),
        )
