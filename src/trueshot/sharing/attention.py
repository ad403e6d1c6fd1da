"""Inter-choice attention: the channels of a site's input are weighted by what was chosen before it.

Source: Laube and Zell, "Inter-choice dependent super-network weights", appendix D.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from trueshot.core.errors import ConfigError
from trueshot.sharing.conditioned import Conditioned
from trueshot.sharing.priors import Combination, Previous, Priors
from trueshot.sharing.supernet import Sharing, by_row, single_path
from trueshot.spaces import Site, Space


@final
@dataclass(frozen=True, kw_only=True)
class Attention:
    """A way of sharing weights: choices, one-hot, pass through linear layers and a sigmoid, which scales the input.

    A site with nothing before it has none.

    Attributes:
        depth: how many choices before a site count.
        layers: linear layers, 1 or 2, with ReLU between them.
        own: whether the site's own choice counts too, as in the paper.
        priors: explicit lists of what each decision depends on, in place of ``depth``.
        over: the way of sharing that this is added to.
    """

    depth: int = 1
    layers: int = 1
    own: bool = True
    priors: Priors | None = None
    over: Sharing = single_path

    def __post_init__(self) -> None:
        """Check the layers."""
        if self.layers not in (1, 2):
            raise ConfigError(f"inter-choice attention has 1 or 2 layers, not {self.layers}")

    def __call__(self, space: Space) -> Callable[[Site], nn.Module]:
        """Return what to place at each site of ``space``.

        Raises:
            ConfigError: when ``depth`` or ``priors`` do not fit the space.
        """
        inner, previous = by_row(self.over, space), Previous(space, self.depth, self.priors)

        def place(site: Site) -> nn.Module:
            before, placed = previous.before(site), inner(site)
            if not before:
                return placed
            own = (space.chooser(site),) if self.own else ()
            gate = Gate(Combination((*before, *own)), site.in_channels, self.layers)
            return Conditioned(placed, gate, multiply=True)

        return place


@final
class Gate(nn.Module):
    """Maps choices to a weight in (0, 1) for each channel.

    Each choice is one-hot, padded to the most candidates that any of them has. The hidden layer of two is as wide
    as the concatenated input, rounded to a multiple of 8.
    """

    def __init__(self, combination: Combination, channels: int, layers: int) -> None:
        # Importing it takes torchvision.
        from trueshot.operations.mobilenetv2 import make_divisible

        super().__init__()
        self.combination, self.most = combination, max(combination.sizes)
        width = len(combination.choosers) * self.most
        hidden = channels if layers == 1 else make_divisible(width, 8)
        self.first = nn.Linear(width, hidden)
        self.second = nn.Identity() if layers == 1 else nn.Sequential(nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, arch: Sequence[int]) -> Tensor:
        """Return the weights ``(channels, 1, 1)``."""
        total: Tensor = self.first.bias
        # A product with one-hot vectors picks columns; no vector need travel to the device.
        for position, choice in enumerate(self.combination.choices(arch)):
            total = total + self.first.weight[:, position * self.most + choice]
        return torch.sigmoid(self.second(total))[:, None, None]
