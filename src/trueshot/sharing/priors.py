"""Which choices stand before a site: what inter-choice weights depend on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trueshot.core.errors import ConfigError
from trueshot.spaces import Site, Space

Priors = tuple[tuple[int, ...], ...]
"""For each decision, in order, the numbers (from 0) of the decisions that its sites depend on, the nearest last."""

NASBENCH201_GRAPH: Priors = ((), (), (0,), (), (0,), (1, 2))
"""Edges that lead to the source of each edge of a NAS-Bench-201 cell: what truly comes before it (later uniNAS)."""


class Previous:
    """Tells for one site after the other which decisions come before it.

    Without ``priors`` the sites of the whole network form one sequence, with repetition where several sites follow one
    decision: site number k, from 0, depends on the decisions of the ``min(depth, k)`` sites before it. So the first
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
        self._passed: list[int] = []

    def before(self, site: Site) -> tuple[int, ...]:
        """Return the genes before ``site``, the nearest last; call once for each site, in order."""
        gene = self._space.genes[site.decision]
        genes = tuple(self._passed[-self._depth :]) if self._priors is None else self._priors[gene]
        self._passed.append(gene)
        return genes


@dataclass(frozen=True)
class Combination:
    """Numbers the combinations of several choices from 0, the last choice fastest.

    Attributes:
        genes: which decisions.
        sizes: how many options each has.
    """

    genes: tuple[int, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, space: Space, genes: Sequence[int]) -> Combination:
        """Combine the choices of some decisions of a space."""
        return cls(tuple(genes), tuple(int(space.options[gene]) for gene in genes))

    @property
    def count(self) -> int:
        """Number of combinations."""
        return math.prod(self.sizes)

    def __call__(self, arch: Sequence[int]) -> int:
        """Return the number of the combination that ``arch`` has."""
        number = 0
        for gene, size in zip(self.genes, self.sizes, strict=True):
            number = number * size + arch[gene]
        return number
