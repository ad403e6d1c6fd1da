"""Which architectures run a searched convolution: read off the steps of the skeleton, nothing is computed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, UInt8
from torch import nn

from trueshot.spaces.assembly import assembled
from trueshot.spaces.meta import on_meta
from trueshot.spaces.site import Candidate, Chooser, Site
from trueshot.spaces.skeletons import Skips
from trueshot.spaces.steps import Step, Stepwise

if TYPE_CHECKING:
    from trueshot.spaces.space import Space


def _convolves(candidate: Candidate | None) -> bool:
    if candidate is None:
        return False
    with on_meta():
        return any(isinstance(module, nn.Conv2d) for module in candidate().modules())


class _Probe(nn.Module):
    """Stands at a site and says of each architecture whether it connects here, and by a convolution."""

    def __init__(self, site: Site, chooser: Chooser) -> None:
        super().__init__()
        self._choice = chooser.choose
        candidates = site.candidates.values()
        self._present = tuple(candidate is not None for candidate in candidates)
        self._convolves = tuple(map(_convolves, candidates))

    def absent(self, row: Sequence[int]) -> bool:
        """Return whether the architecture has no connection here."""
        return not self._present[self._choice(row)]

    def convolves(self, row: Sequence[int]) -> bool:
        """Return whether the architecture chooses a convolution here."""
        return self._convolves[self._choice(row)]


@functools.lru_cache(maxsize=16)
def _probed(space: Space) -> tuple[nn.Module, tuple[_Probe, ...]]:
    """Return the skeleton of a space with probes, and these."""
    probes: list[_Probe] = []

    def place(site: Site) -> nn.Module:
        probes.append(_Probe(site, space.chooser(site)))
        return probes[-1]

    with on_meta():
        return assembled(space, place), tuple(probes)


def runs_convolution(space: Space, archs: UInt8[np.ndarray, "n decisions"]) -> Bool[np.ndarray, " n"]:
    """Return for each architecture, a checked row, whether a convolution at one of its sites is run."""
    skeleton, probes = _probed(space)
    parts = [part for part in skeleton.modules() if isinstance(part, Skips)]

    def convolves(row: tuple[int, ...]) -> bool:
        if isinstance(skeleton, Stepwise):
            run = [
                step.module
                for step in skeleton.steps(row)
                if isinstance(step, Step) and isinstance(step.module, _Probe)
            ]
        else:
            idle = {id(module) for part in parts for module in part.idle(row)}
            run = [probe for probe in probes if id(probe) not in idle]
        return any(probe.convolves(row) for probe in run)

    return np.array([convolves(tuple(row)) for row in archs.tolist()], dtype=bool)


@functools.lru_cache(maxsize=16)
def convolving_options(space: Space) -> Bool[np.ndarray, "decisions options"]:
    """Return for each option of each decision of a space, whose sites follow one each, whether it is a convolution."""
    found = np.zeros((len(space.decisions), int(max(space.options, default=0))), dtype=bool)
    for site in space.all_sites:
        for option, candidate in enumerate(site.candidates.values()):
            found[space.genes[site.decision], option] |= _convolves(candidate)
    return found
