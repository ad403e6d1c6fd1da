"""Which choices stand before a site: what inter-choice weights depend on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trueshot.core.errors import ConfigError
from trueshot.spaces import Chooser, Site, Space

Priors = tuple[tuple[int, ...], ...]
"""For each decision, in order, the numbers (from 0) of the decisions that its sites depend on, the nearest last.

They fit spaces whose sites follow one decision each.
"""

NASBENCH201_GRAPH: Priors = ((), (), (0,), (), (0,), (1, 2))
"""Edges that lead to the source of each edge of a NAS-Bench-201 cell: what truly comes before it (later uniNAS)."""


class Previous:
    """Tells for one site after the other which choices come before it.

    Without ``priors`` the sites of the whole network form one sequence, with repetition where several sites follow one
    decision: site number k, from 0, depends on what is chosen at the ``min(depth, k)`` sites before it. So the first
    edge of a second cell depends on the last edges of the first cell, and parts that are not searched do not count.

    Args:
        space: asked for its sites in order.
        depth: D of the paper; not used where there are ``priors``.
        priors: explicit lists.

    Raises:
        ConfigError: when ``depth`` exceeds the number of decisions, or ``priors`` do not fit the space.
    """

    def __init__(self, space: Space, depth: int, priors: Priors | None) -> None:
        decisions = len(space.decisions)
        if priors is None and not 1 <= depth <= decisions:
            raise ConfigError(
                f"inter-choice depth {depth} does not fit space {space.name}, which has {decisions} decisions: choose"
                f" 1 to {decisions}"
            )
        if priors is not None and len(priors) != decisions:
            raise ConfigError(
                f"priors hold {len(priors)} lists, but space {space.name} has {decisions} decisions: give one for each"
            )
        for number, genes in enumerate(priors or ()):
            wrong = [gene for gene in genes if not 0 <= gene < decisions]
            if wrong:
                raise ConfigError(
                    f"priors of decision {number} of space {space.name} name decision {wrong[0]}: choose 0 to"
                    f" {decisions - 1}"
                )
        self._space, self._depth, self._priors = space, depth, priors
        self._passed: list[Chooser] = []

    def before(self, site: Site) -> tuple[Chooser, ...]:
        """Return the choices before ``site``, the nearest last; call once for each site, in order.

        Raises:
            ConfigError: when there are priors, and the site follows several decisions.
        """
        own = self._space.chooser(site)
        if self._priors is None:
            before = tuple(self._passed[-self._depth :])
        elif site.choose is None:
            options = self._space.options
            before = tuple(Chooser.of_gene(gene, int(options[gene])) for gene in self._priors[own.genes[0]])
        else:
            raise ConfigError(
                f"site '{site.key}' of space {self._space.name} follows several decisions, for which there are no"
                " priors: give a depth"
            )
        self._passed.append(own)
        return before


@dataclass(frozen=True)
class Combination:
    """Numbers the combinations of several choices from 0, the last choice fastest."""

    choosers: tuple[Chooser, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many candidates each choice has."""
        return tuple(chooser.size for chooser in self.choosers)

    @property
    def count(self) -> int:
        """Number of combinations."""
        return math.prod(self.sizes)

    def choices(self, arch: Sequence[int]) -> tuple[int, ...]:
        """Return what ``arch`` chooses."""
        return tuple(chooser.choose(arch) for chooser in self.choosers)

    def __call__(self, arch: Sequence[int]) -> int:
        """Return the number of the combination that ``arch`` has."""
        number = 0
        for chooser in self.choosers:
            number = number * chooser.size + chooser.choose(arch)
        return number
