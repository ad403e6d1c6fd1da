"""Spaces assembled: walked for their sites, and built as networks that stand alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from trueshot.core.errors import ConfigError, TrueshotError
from trueshot.spaces.meta import on_meta
from trueshot.spaces.site import Place, Site

if TYPE_CHECKING:
    from trueshot.spaces.space import Space


def assembled(space: Space, place: Place, row: Sequence[int] | None = None) -> nn.Module:
    """Return the whole skeleton of a space, or that of one architecture alone.

    Raises:
        ConfigError: when the space cannot be assembled, or a candidate is a module instead of its constructor.
    """

    def checked(site: Site) -> nn.Module | None:
        for name, candidate in site.candidates.items():
            if isinstance(candidate, nn.Module) or not (candidate is None or callable(candidate)):
                what = "a module that is built already" if isinstance(candidate, nn.Module) else repr(candidate)
                raise ConfigError(
                    f"candidate '{name}' of site '{site.key}' of space {space.name} is {what}: give a constructor"
                    " without arguments, such as partial(conv, 16, 32)"
                )
        return place(site)

    try:
        skeleton = space.assemble(checked) if row is None else space.assemble_for(row, checked)
    except (TrueshotError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise ConfigError(
            f"space {space.name} cannot be assembled: {type(error).__name__}: {error}; add --debug to see where"
        ) from error
    if not isinstance(skeleton, nn.Module):
        raise ConfigError(
            f"space {space.name} assembled {type(skeleton).__name__}: let `assemble` return its skeleton, an nn.Module"
        )
    return skeleton


def sites_of(space: Space) -> tuple[Site, ...]:
    """Return the sites of a space in the order in which they are placed."""
    found: list[Site] = []

    def place(site: Site) -> nn.Module:
        found.append(site)
        return nn.Identity()

    with on_meta():
        assembled(space, place)
    return tuple(found)


def network(space: Space, row: Sequence[int]) -> nn.Module:
    """Build one architecture with fresh weights."""

    def place(site: Site) -> nn.Module | None:
        candidate = tuple(site.candidates.values())[space.chooser(site)(row)]
        return None if candidate is None else candidate()

    return assembled(space, place, row)
