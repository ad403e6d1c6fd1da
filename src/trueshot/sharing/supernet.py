"""The supernet: a space assembled with shared weights, called with the architecture as an argument."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast, final, runtime_checkable

import numpy as np
import torch
from jaxtyping import Integer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trueshot.core.errors import ConfigError
from trueshot.core.own import name_of
from trueshot.operations import LinearBottleneck
from trueshot.sharing.folding import fold
from trueshot.spaces import Chooser, Site, Space, skeletons
from trueshot.spaces.assembly import assembled
from trueshot.spaces.meta import on_meta
from trueshot.spaces.skeletons import Skips
from trueshot.spaces.steps import run

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
    """What stands at a site of a supernet: a module called as ``module(x, *context)``, single path as ``(x, arch)``."""

    def active(self, *context: Any) -> Active:
        """Return what is used of this module under ``context``."""

    def chosen(self, *context: Any) -> nn.Module | None:
        """Return the module that computes the same as ``self(x, *context)`` alone, or ``None`` for no connection.

        Asked only for a context that selects one architecture.
        """


@runtime_checkable
class Recognisable(Protocol):
    """A shared module that says which function it computes, so that work on equal functions is done once."""

    def function(self, arch: Sequence[int]) -> Hashable:
        """Return a value that is equal only for equal functions with the same weights, :data:`IDENTITY` for that."""


IDENTITY = "identity"

_SETTINGS_PUBLIC = ("torch.nn.modules.", "trueshot.operations.")


def weight_free(module: nn.Module | None) -> str | None:
    """Return a text that is equal for equal functions where a module has no state, else ``None``.

    Only PyTorch's own modules and our operations are told apart by it, all of whose settings are public attributes.
    """
    if module is None:
        return "none"
    inner = [part for part in module.modules() if type(part) not in (nn.Sequential, nn.Identity)]
    stateful = next(iter(module.state_dict()), None) is not None
    if stateful or not all(type(part).__module__.startswith(_SETTINGS_PUBLIC) for part in inner):
        return None
    settings = [
        (
            type(part).__name__,
            {name: value for name, value in sorted(vars(part).items()) if name[0] != "_"} | {"training": None},
        )
        for part in inner
    ]
    return repr(settings) if inner else IDENTITY


@runtime_checkable
class Placer(Protocol):
    """Says what stands at each site of a supernet, and what selects or weights it: the context."""

    def __call__(self, site: Site) -> nn.Module:
        """Return what stands at a site; sites are asked for in order."""

    def context(self, *given: Any) -> tuple[Any, ...]:
        """Return what the supernet was called with, beside the images, as all that was placed wants it."""

    def context_of(self, row: tuple[int, ...]) -> tuple[Any, ...]:
        """Return the context that selects one architecture."""


Sharing = Callable[[Space], Placer | Callable[[Site], nn.Module]]
"""A way of sharing weights: given a space, what to place at each of its sites.

The context of a plain function ``site -> module`` is an architecture.
"""


@final
@dataclass(frozen=True)
class ByRow:
    """A placer whose context is an architecture, a tuple of integers."""

    place: Callable[[Site], nn.Module]

    def __call__(self, site: Site) -> nn.Module:
        """Return what stands at a site."""
        return self.place(site)

    def context(self, arch: Arch) -> tuple[tuple[int, ...]]:
        """Return the architecture as a tuple of integers."""
        return (tuple(map(int, arch)),)

    def context_of(self, row: tuple[int, ...]) -> tuple[tuple[int, ...]]:
        """Return the architecture."""
        return (row,)


def by_row(sharing: Sharing, space: Space) -> ByRow:
    """Return the placer of a way of sharing that others stand over, which know of architectures alone.

    Raises:
        ConfigError: when its context is something else.
    """
    placer = sharing(space)
    if isinstance(placer, ByRow):
        return placer
    if isinstance(placer, Placer):
        raise ConfigError(
            f"inter-choice weights depend on an architecture, but what {name_of(placer)} places does not: let"
            " them stand over single_path"
        )
    return ByRow(placer)


_STATIC = (skeletons.Chain, skeletons.Graph)
"""Skeletons whose steps are the same for every architecture."""


class Supernet(nn.Module):
    """All architectures of a space over shared weights: ``supernet(images, *context)`` gives logits.

    Images are ``(n, channels, size, size)``, logits ``(n, classes)``. What the context is, the way of sharing says: an
    architecture, or the weights of a mixture. It is never kept.
    """

    def __init__(self, space: Space, sharing: Sharing) -> None:
        super().__init__()
        self.space = space
        placer = sharing(space)
        self.placer: Placer = placer if isinstance(placer, Placer) else ByRow(placer)
        placed: list[nn.Module] = []

        def place(site: Site) -> nn.Module:
            module = self.placer(site)
            if not isinstance(module, nn.Module):
                name = getattr(sharing, "__name__", type(sharing).__name__)
                raise ConfigError(f"sharing {name} placed {module!r} at a site of {space.name}: return an nn.Module")
            placed.append(module)
            return module

        self.body = assembled(space, place)
        # Tuples keep the placed modules from being registered twice.
        self._placed = tuple(placed)
        self._sites, self._shared = frozenset(placed), frozenset(m for m in placed if isinstance(m, Shared))
        self._folded = fold(self.body.steps()) if isinstance(self.body, _STATIC) else None
        self._skipping = tuple(module for module in self.body.modules() if isinstance(module, Skips))
        parameters, norms = map(set, Active.of(placed))
        self._fixed = Active(
            tuple(p for p in self.body.parameters() if p not in parameters),
            tuple(m for m in self.body.modules() if isinstance(m, _BatchNorm) and m not in norms),
        )

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        """Run under a context: for single path one architecture."""
        context = self.placer.context(*context)
        # Scores come from the steps of the skeleton, which the sweep over many architectures shares.
        if self._folded is not None and self.training and torch.is_grad_enabled():
            return run(self._folded, x, context)
        logits: Tensor = self.body(x, *context)
        return logits

    def context_of(self, arch: Arch) -> tuple[Any, ...]:
        """Return the context that selects one architecture."""
        return self.placer.context_of(tuple(map(int, arch)))

    def active(self, *context: Any) -> Active:
        """Return the parameters and BatchNorm layers that are used under a context, the fixed parts first.

        What the skeleton does not run under it is not used.
        """
        context = self.placer.context(*context)
        idle = {module for part in self._skipping for module in part.idle(*context)}
        parts = [self._fixed_without(idle - self._sites)]
        for module in self._placed:
            if module not in idle:
                # What does not say which part of it is used, is used whole.
                used = cast(Shared, module).active(*context) if module in self._shared else Active.of([module])
                parts.append(used)
        return Active(
            tuple(parameter for part in parts for parameter in part.parameters),
            tuple(norm for part in parts for norm in part.norms),
        )

    def _fixed_without(self, idle: Collection[nn.Module]) -> Active:
        """Return what is outside the sites and outside some modules."""
        if not idle:
            return self._fixed
        parameters, norms = map(set, Active.of(idle))
        return Active(
            tuple(p for p in self._fixed.parameters if p not in parameters),
            tuple(norm for norm in self._fixed.norms if norm not in norms),
        )

    @torch.no_grad()
    def network(self, arch: Arch) -> nn.Module:
        """Build ``arch`` stand-alone, its structure its own, with a copy of its shared weights.

        Raises:
            ArchitectureError: when it is none of the space.
            ConfigError: when the network has a site where the supernet has none.
        """
        row = tuple(self.space.check(np.asarray(arch)[None])[0].tolist())
        context = self.placer.context_of(row)
        modules = self._placed if self.space.is_static else self._counterparts(row)
        mute = next((module for module in modules if module is not None and not hasattr(module, "chosen")), None)
        if mute is not None:
            raise ConfigError(
                f"{type(mute).__name__}, placed at a site of {self.space.name}, does not say which module an"
                " architecture chooses: define its method 'chosen'"
            )
        chosen = [None if module is None else cast(Shared, module).chosen(*context) for module in modules]
        copies = [copy.deepcopy(module) for module in chosen]
        queue = iter(copies)
        with torch.random.fork_rng():
            network = assembled(self.space, lambda _: next(queue), row)
        # Assembling may initialise what was placed, hence weights are copied afterwards.
        for copied, module in zip(copies, chosen, strict=True):
            if copied is not None and module is not None:
                copied.load_state_dict(module.state_dict())
        network.load_state_dict(self._fixed_state(), strict=False)
        return network.to(next(self.parameters()).device).train(self.training)

    def _fixed_state(self) -> dict[str, Tensor]:
        """Return the state of all that is outside the sites."""
        modules = self.body.named_modules(remove_duplicate=False)
        prefixes = tuple(f"{name}." for name, module in modules if module in self._sites)
        return {name: value for name, value in self.body.state_dict().items() if not name.startswith(prefixes)}

    def _counterparts(self, row: tuple[int, ...]) -> list[nn.Module | None]:
        """Return what stands here at each site of the network of one architecture, ``None`` for no connection."""
        markers: list[nn.Module | None] = []

        def place(site: Site) -> nn.Module | None:
            candidate = tuple(site.candidates.values())[self.space.chooser(site)(row)]
            markers.append(None if candidate is None else nn.Identity())
            return markers[-1]

        with on_meta():
            names = {module: name for name, module in assembled(self.space, place, row).named_modules()}
        try:
            return [None if marker is None else self.body.get_submodule(names[marker]) for marker in markers]
        except (AttributeError, KeyError) as error:
            raise ConfigError(
                f"a network of space {self.space.name} has a site where its supernet has none ({error}): give what is"
                " in both the same name in assemble and assemble_for"
            ) from error


class SinglePath(nn.Module):
    """Holds every candidate of a site with its own weights and runs the one that the architecture names."""

    def __init__(self, site: Site, chooser: Chooser) -> None:
        super().__init__()
        self._choice = chooser.choose
        built = [None if candidate is None else candidate() for candidate in site.candidates.values()]
        self.candidates = nn.ModuleList(module for module in built if module is not None)
        self._by_option: tuple[nn.Module | None, ...] = tuple(built)
        self._active = tuple(Active.of([] if module is None else [module]) for module in built)
        self._weight_free = tuple(weight_free(module) for module in built)

    def forward(self, x: Tensor, arch: Sequence[int], shift: Tensor | None = None) -> Tensor | None:
        """Run the chosen candidate; ``None`` where the architecture has no connection here.

        Where all candidates can (:attr:`takes_shift`), a vector ``shift`` of ``(out_channels, 1, 1)`` is added.
        """
        candidate = self._by_option[self._choice(arch)]
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
        return self._by_option[self._choice(arch)] is None

    def active(self, arch: Sequence[int]) -> Active:
        """Return what the chosen candidate holds."""
        return self._active[self._choice(arch)]

    def function(self, arch: Sequence[int]) -> Hashable:
        """Return what tells the function that the chosen candidate computes from others."""
        option = self._choice(arch)
        return self._weight_free[option] or (id(self), option)

    def chosen(self, arch: Sequence[int]) -> nn.Module | None:
        """Return the chosen candidate."""
        return self._by_option[self._choice(arch)]


def single_path(space: Space) -> ByRow:
    """Share by single path (SPOS): one set of weights for each candidate of each site."""
    return ByRow(lambda site: SinglePath(site, space.chooser(site)))
