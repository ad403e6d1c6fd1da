"""The supernet: a space assembled with shared weights, called with the architecture as an argument."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
import torch
from jaxtyping import Integer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trueshot.operations import LinearBottleneck
from trueshot.sharing.folding import fold
from trueshot.spaces import Site, Space, skeletons
from trueshot.spaces.skeletons import Skips

Arch = Sequence[int] | Integer[np.ndarray, " decisions"]
"""One architecture: a row of option indices."""


class Active(NamedTuple):
    """What one architecture uses of a supernet: its parameters and its BatchNorm layers."""

    parameters: tuple[nn.Parameter, ...]
    norms: tuple[_BatchNorm, ...]

    @staticmethod
    def of(modules: Iterable[nn.Module]) -> Active:
        """Collect from whole modules."""
        found = list(modules)
        return Active(
            tuple(parameter for module in found for parameter in module.parameters()),
            tuple(norm for module in found for norm in module.modules() if isinstance(norm, _BatchNorm)),
        )


@runtime_checkable
class Shared(Protocol):
    """What stands at a site of a single-path supernet; a module called as ``module(x, arch)``."""

    def active(self, arch: Sequence[int]) -> Active:
        """Return what ``arch`` uses of this module."""

    def chosen(self, arch: Sequence[int]) -> nn.Module | None:
        """Return the module that computes the same as ``self(x, arch)`` on its own, or ``None`` for no connection."""


@runtime_checkable
class Recognisable(Protocol):
    """A shared module that says which function it computes, so that work on equal functions is done once."""

    def function(self, arch: Sequence[int]) -> Hashable:
        """Return a value that is equal only for equal functions with the same weights, :data:`IDENTITY` for that."""


IDENTITY = "identity"

_BUILT_IN = "torch.nn.modules."


def weight_free(module: nn.Module | None) -> str | None:
    """Return a text that is equal for equal functions where a module has no state, else ``None``.

    Only PyTorch's own modules are told apart by it, all of whose settings are public attributes.
    """
    if module is None:
        return "none"
    inner = [part for part in module.modules() if type(part) not in (nn.Sequential, nn.Identity)]
    stateful = next(iter(module.state_dict()), None) is not None
    if stateful or not all(type(part).__module__.startswith(_BUILT_IN) for part in inner):
        return None
    settings = [
        (
            type(part).__name__,
            {name: value for name, value in sorted(vars(part).items()) if name[0] != "_"} | {"training": None},
        )
        for part in inner
    ]
    return repr(settings) if inner else IDENTITY


Sharing = Callable[[Space], Callable[[Site], nn.Module]]
"""A way of sharing weights: given a space, what to place at each of its sites, asked in order."""


_STATIC = (skeletons.Chain, skeletons.Graph)
"""Skeletons whose steps are the same for every architecture."""


class Supernet(nn.Module):
    """All architectures of a space over shared weights: ``supernet(images, arch)`` gives logits.

    Images are ``(n, channels, size, size)``, logits ``(n, classes)``. The architecture is never kept.
    """

    def __init__(self, space: Space, sharing: Sharing) -> None:
        super().__init__()
        self.space = space
        placer = sharing(space)
        placed: list[nn.Module] = []

        def place(site: Site) -> nn.Module:
            placed.append(placer(site))
            return placed[-1]

        self.body = space.assemble(place)
        # Tuples keep the placed modules from being registered twice.
        self._placed = tuple(placed)
        self._folded = fold(self.body.steps()) if isinstance(self.body, _STATIC) else None
        self._skipping = tuple(module for module in self.body.modules() if isinstance(module, Skips))
        inside = {id(parameter) for module in placed for parameter in module.parameters()}
        norms_inside = {id(module) for outer in placed for module in outer.modules()}
        self._fixed = Active(
            tuple(p for p in self.body.parameters() if id(p) not in inside),
            tuple(m for m in self.body.modules() if isinstance(m, _BatchNorm) and id(m) not in norms_inside),
        )

    def forward(self, x: Tensor, arch: Arch) -> Tensor:
        """Run one architecture."""
        row = tuple(map(int, arch))
        # Scores come from the steps of the skeleton, which the sweep over many architectures shares.
        if self._folded is not None and self.training and torch.is_grad_enabled():
            return skeletons.run(self._folded, x, (row,))
        logits: Tensor = self.body(x, row)
        return logits

    def active(self, arch: Arch) -> Active:
        """Return the parameters and BatchNorm layers that ``arch`` uses, the fixed parts first.

        Where the skeleton skips parts that lead nowhere, what is placed there is not used.
        """
        row = tuple(map(int, arch))
        idle = {id(module) for part in self._skipping for module in part.idle(row)}
        used = (cast(Shared, module) for module in self._placed if id(module) not in idle)
        parts = [self._fixed, *(module.active(row) for module in used)]
        return Active(
            tuple(parameter for part in parts for parameter in part.parameters),
            tuple(norm for part in parts for norm in part.norms),
        )

    @torch.no_grad()
    def network(self, arch: Arch) -> nn.Module:
        """Build ``arch`` stand-alone with a copy of its shared weights."""
        row = tuple(map(int, arch))
        chosen = [cast(Shared, module).chosen(row) for module in self._placed]
        copies = [copy.deepcopy(module) for module in chosen]
        queue = iter(copies)
        with torch.random.fork_rng():
            network = self.space.assemble(lambda _: next(queue))
        # Assembling may initialise what was placed, hence weights are copied afterwards.
        for copied, module in zip(copies, chosen, strict=True):
            if copied is not None and module is not None:
                copied.load_state_dict(module.state_dict())
        placed = set(self._placed)
        modules = self.body.named_modules(remove_duplicate=False)
        prefixes = tuple(f"{name}." for name, module in modules if module in placed)
        fixed = {name: value for name, value in self.body.state_dict().items() if not name.startswith(prefixes)}
        network.load_state_dict(fixed, strict=False)
        return network.to(next(self.parameters()).device).train(self.training)


class SinglePath(nn.Module):
    """Holds every candidate of a site with its own weights and runs the one that the architecture names."""

    def __init__(self, site: Site, gene: int) -> None:
        super().__init__()
        self.gene = gene
        built = [None if candidate is None else candidate() for candidate in site.candidates.values()]
        self.candidates = nn.ModuleList(module for module in built if module is not None)
        self._by_option: tuple[nn.Module | None, ...] = tuple(built)
        self._active = tuple(Active.of([] if module is None else [module]) for module in built)
        self._weight_free = tuple(weight_free(module) for module in built)

    def forward(self, x: Tensor, arch: Sequence[int], shift: Tensor | None = None) -> Tensor | None:
        """Run the chosen candidate; ``None`` where the architecture has no connection here.

        Where all candidates can (:attr:`takes_shift`), a vector ``shift`` of ``(out_channels, 1, 1)`` is added.
        """
        candidate = self._by_option[arch[self.gene]]
        if candidate is None:
            return None
        output: Tensor = candidate(x) if shift is None else candidate(x, shift)
        return output

    @property
    def takes_shift(self) -> bool:
        """Whether every candidate can shift its output, for :func:`~trueshot.sharing.folding.fold`."""
        return all(isinstance(candidate, LinearBottleneck) for candidate in self._by_option)

    def absent(self, arch: Sequence[int]) -> bool:
        """Return whether the architecture has no connection here."""
        return self._by_option[arch[self.gene]] is None

    def active(self, arch: Sequence[int]) -> Active:
        """Return what the chosen candidate holds."""
        return self._active[arch[self.gene]]

    def function(self, arch: Sequence[int]) -> Hashable:
        """Return what tells the function that the chosen candidate computes from others."""
        option = arch[self.gene]
        return self._weight_free[option] or (id(self), option)

    def chosen(self, arch: Sequence[int]) -> nn.Module | None:
        """Return the chosen candidate."""
        return self._by_option[arch[self.gene]]


def single_path(space: Space) -> Callable[[Site], nn.Module]:
    """Share by single path (SPOS): one set of weights for each option of each site."""

    def place(site: Site) -> nn.Module:
        return SinglePath(site, space.genes[site.decision])

    return place
