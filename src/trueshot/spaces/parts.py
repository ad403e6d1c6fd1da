"""A skeleton of named parts, for structures of which no other skeleton is the form."""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from torch import nn

from trueshot.spaces.site import MayBeAbsent
from trueshot.spaces.skeletons import Skeleton
from trueshot.spaces.steps import Step


class Parts(Skeleton, abc.ABC):
    """Modules by their names, and steps that a subclass lists, of which the last applies ``head``.

    Which steps there are may follow the context: a part without a step is idle under it.

    Args:
        parts: by name, in the order in which weights are drawn; ``None`` stands for none, as where no connection was
            placed.
        head: maps the features to logits.
        in_channels: channels of the images.
    """

    def __init__(self, parts: Mapping[str, nn.Module | None], head: nn.Module, in_channels: int = 3) -> None:
        super().__init__(in_channels)
        self.parts = nn.ModuleDict({name: part for name, part in parts.items() if part is not None})
        self.head = head

    def present(self, names: Iterable[str], *context: Any) -> dict[str, nn.Module]:
        """Return the parts of some names that are there and connect under a context."""
        found = {name: self.parts[name] for name in names if name in self.parts}
        return {
            name: part for name, part in found.items() if not (isinstance(part, MayBeAbsent) and part.absent(*context))
        }

    def idle(self, *context: Any) -> Collection[nn.Module]:
        """Return the parts without a step."""
        used = {step.module for step in self.steps(*context) if isinstance(step, Step)}
        return [part for part in self.parts.values() if part not in used]
