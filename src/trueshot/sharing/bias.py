"""Inter-choice bias: vectors added to a site's input that depend on its own choice and on those before it.

Source: Laube and Zell, "Inter-choice dependent super-network weights", section 3.3, and appendix D for the shared bias.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from trueshot.core.errors import ConfigError
from trueshot.sharing.conditioned import Conditioned
from trueshot.sharing.config import Empty
from trueshot.sharing.priors import Combination, Previous, Priors
from trueshot.sharing.supernet import Sharing, by_row, single_path
from trueshot.spaces import Site, Space

_LARGEST = 2**28
"""Numbers in the largest table of one site."""


@final
@dataclass(frozen=True, kw_only=True)
class Bias:
    """A way of sharing weights: one vector for each combination of a site's choice and the ``depth`` choices before it.

    Vectors start at zero, so that the supernet then equals the one without them, and are trained by the same optimizer.
    A site with nothing before it has none.

    Attributes:
        depth: D of the paper, 1 to 3 there.
        priors: explicit lists of what each decision depends on, in place of ``depth``.
        weight_decay: whether the vectors decay as the weights do; they do in the paper's code.
        empty: what leaves a node of a cell to which nothing leads: ``nothing``, so that vectors of zero are the
            supernet without them; or, as in the paper's code (``published``), the chosen candidate applied to the
            vector alone. 21.9 % of NAS-Bench-201 have such an edge, and 21.2 % one that leads to the output.
        over: the way of sharing that this is added to.
    """

    depth: int = 1
    priors: Priors | None = None
    weight_decay: bool = True
    empty: Empty = "nothing"
    over: Sharing = single_path

    def __call__(self, space: Space) -> Callable[[Site], nn.Module]:
        """Return what to place at each site of ``space``.

        Raises:
            ConfigError: when ``depth`` or ``priors`` do not fit the space.
        """

        def vector(combination: Combination, site: Site) -> nn.Module:
            numbers = combination.count * site.in_channels
            if numbers > _LARGEST:
                raise ConfigError(
                    f"inter-choice bias at site {site.key} of space {space.name} needs {numbers:.3g} numbers:"
                    " choose a smaller depth"
                )
            return BiasTable(combination, site.in_channels, weight_decay=self.weight_decay)

        return _placer(self, space, vector)


@final
@dataclass(frozen=True, kw_only=True)
class SharedBias:
    """A way of sharing weights: each of the ``depth`` choices before a site, and its own, adds a vector of its own.

    The attributes are those of :class:`Bias`.
    """

    depth: int = 1
    priors: Priors | None = None
    weight_decay: bool = True
    empty: Empty = "nothing"
    over: Sharing = single_path

    def __call__(self, space: Space) -> Callable[[Site], nn.Module]:
        """Return what to place at each site of ``space``.

        Raises:
            ConfigError: when ``depth`` or ``priors`` do not fit the space.
        """

        def vector(combination: Combination, site: Site) -> nn.Module:
            return BiasSum(combination, site.in_channels, weight_decay=self.weight_decay)

        return _placer(self, space, vector)


def _placer(
    sharing: Bias | SharedBias, space: Space, vector: Callable[[Combination, Site], nn.Module]
) -> Callable[[Site], nn.Module]:
    previous, inner = Previous(space, sharing.depth, sharing.priors), by_row(sharing.over, space)

    def place(site: Site) -> nn.Module:
        before, placed = previous.before(site), inner(site)
        if not before:
            return placed
        added = vector(Combination((*before, space.chooser(site))), site)
        return Conditioned(placed, added, fills=sharing.empty == "published")

    return place


@final
class BiasTable(nn.Module):
    """One vector for each combination of choices: ``vectors`` is ``(n_-D, ..., n_-1, n_own, 1, channels, 1, 1)``."""

    def __init__(self, combination: Combination, channels: int, *, weight_decay: bool = True) -> None:
        super().__init__()
        self.combination, self.weight_decay = combination, weight_decay
        self.vectors = nn.Parameter(torch.zeros(*combination.sizes, 1, channels, 1, 1))

    def forward(self, arch: Sequence[int]) -> Tensor:
        """Return the vector ``(channels, 1, 1)`` of the combination that ``arch`` has."""
        channels = self.vectors.shape[-3]
        return self.vectors.view(-1, channels, 1, 1)[self.combination(arch)]

    def no_weight_decay(self) -> tuple[str, ...]:
        """Return the names of the parameters that do not decay."""
        return () if self.weight_decay else ("vectors",)


@final
class BiasSum(nn.Module):
    """One vector for each candidate of each choice, ``(candidates, channels, 1, 1)``; those chosen are summed."""

    def __init__(self, combination: Combination, channels: int, *, weight_decay: bool = True) -> None:
        super().__init__()
        self.combination, self.weight_decay = combination, weight_decay
        self.vectors = nn.ParameterList(torch.zeros(size, channels, 1, 1) for size in combination.sizes)

    def forward(self, arch: Sequence[int]) -> Tensor:
        """Return the sum ``(channels, 1, 1)`` of the vectors that ``arch`` chooses."""
        choices = self.combination.choices(arch)
        total, *others = (table[choice] for table, choice in zip(self.vectors, choices, strict=True))
        for other in others:
            total = total + other
        chosen: Tensor = total
        return chosen

    def no_weight_decay(self) -> tuple[str, ...]:
        """Return the names of the parameters that do not decay."""
        return () if self.weight_decay else tuple(f"vectors.{number}" for number in range(len(self.vectors)))
