"""What is looked at of a user's own way of sharing weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from trueshot.core.errors import ConfigError
from trueshot.core.own import Own, blaming
from trueshot.sharing.supernet import ByRow, Placer
from trueshot.spaces import Site, Space


class OwnSharing(Own):
    """Looks at what a user's own way of sharing returns for a space, and at what it places."""

    def __init__(self, kind: str, made: Any, arguments: Mapping[str, Any]) -> None:
        super().__init__(kind, made)

    def __call__(self, space: Space) -> Placer | Callable[[Site], nn.Module]:
        """Return what is placed at the sites of a space."""
        told = f"sharing {self.kind}"
        with blaming(f"{told} cannot share the weights of space {space.name}", "correct its `__call__`"):
            placer = self.made(space)
        if isinstance(placer, type) or not callable(placer):
            raise ConfigError(
                f"{told} returned {placer!r} for space {space.name}: let its `__call__` return what is placed, a"
                " function of a site that returns an nn.Module, such as single_path(space)"
            )

        def place(site: Site) -> nn.Module:
            with blaming(f"{told} cannot place a module at site '{site.key}' of {space.name}", "correct it"):
                module = placer(site)
            if not isinstance(module, nn.Module):
                raise ConfigError(f"{told} placed {module!r} at site '{site.key}' of {space.name}: return an nn.Module")
            return module

        if isinstance(placer, ByRow):
            return ByRow(place)
        return _OwnPlacer(self.kind, placer, place) if isinstance(placer, Placer) else place


class _OwnPlacer(Own):
    """Looks at the contexts of a user's own placer."""

    def __init__(self, kind: str, made: Any, place: Callable[[Site], nn.Module]) -> None:
        super().__init__(kind, made)
        self.place = place

    def __call__(self, site: Site) -> nn.Module:
        """Return what stands at a site."""
        return self.place(site)

    def context(self, *given: Any) -> tuple[Any, ...]:
        """Return the context of all that was placed."""
        return self._checked(self.made.context(*given), "context")

    def context_of(self, row: tuple[int, ...]) -> tuple[Any, ...]:
        """Return the context that selects one architecture."""
        return self._checked(self.made.context_of(row), "context_of")

    def _checked(self, context: Any, name: str) -> tuple[Any, ...]:
        if not isinstance(context, tuple):
            raise ConfigError(
                f"`{name}` of what sharing {self.kind} returned gave {type(context).__name__}: return a tuple"
            )
        return context
