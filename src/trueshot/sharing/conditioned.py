"""A shared site whose input first follows other choices, channel by channel."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol, cast, final, runtime_checkable

import torch
from torch import Tensor, nn

from trueshot.sharing.priors import Combination
from trueshot.sharing.supernet import Active, Recognisable, Shared
from trueshot.spaces.site import MayBeAbsent


@runtime_checkable
class Reads(Protocol):
    """A vector that says which choices it depends on."""

    @property
    def combination(self) -> Combination:
        """These choices."""


@final
class Conditioned(nn.Module):
    """Adds a vector to the channels of the input of a shared site, or multiplies them by it.

    The vector depends on the architecture. It acts on the site's input, before the chosen candidate, hence also on what
    passes through skip connections; where the architecture has no connection it is not computed.

    Args:
        inner: what stands at the site.
        vector: module that maps an architecture to ``(channels, 1, 1)``; each of its parameters is always used.
        multiply: whether to multiply instead of to add.
        fills: whether it is run on an empty node, which it makes the candidate applied to the vector alone.
    """

    def __init__(self, inner: nn.Module, vector: nn.Module, *, multiply: bool = False, fills: bool = False) -> None:
        super().__init__()
        self.inner, self.vector, self.multiply, self.fills = inner, vector, multiply, fills
        self._vector_parameters = tuple(vector.parameters())
        self._may_be_absent = isinstance(inner, MayBeAbsent)

    def forward(self, x: Tensor, arch: Sequence[int]) -> Tensor | None:
        """Run the chosen candidate; ``None`` where the architecture has no connection here."""
        if self.absent(arch):
            return None
        # A vector of float32 would turn the narrower activations of autocast into float32.
        vector = self.vector(arch).to(x.dtype)
        output: Tensor = self.inner(x * vector if self.multiply else x + vector, arch)
        return output

    def opened(self) -> tuple[nn.Module, nn.Module] | None:
        """Return what is inside and what is added to its input, for :func:`~trueshot.sharing.folding.fold`."""
        return None if self.multiply else (self.inner, self.vector)

    def function(self, arch: Sequence[int]) -> Hashable:
        """Return what tells the function that the site computes from others."""
        if not (isinstance(self.inner, Recognisable) and isinstance(self.vector, Reads)):
            return id(self), *arch
        return id(self), self.inner.function(arch), *self.vector.combination.choices(arch)

    def absent(self, arch: Sequence[int]) -> bool:
        """Return whether the architecture has no connection here."""
        return self._may_be_absent and cast(MayBeAbsent, self.inner).absent(arch)

    def active(self, arch: Sequence[int]) -> Active:
        """Return what the site uses, and the parameters of the vector."""
        used = cast(Shared, self.inner).active(arch)
        return used if self.absent(arch) else Active(used.parameters + self._vector_parameters, used.norms)

    @torch.no_grad()
    def chosen(self, arch: Sequence[int]) -> nn.Module | None:
        """Return the chosen module behind a constant vector."""
        chosen = cast(Shared, self.inner).chosen(arch)
        if chosen is None:
            return None
        vector = self.vector(arch).detach().clone()
        return Scaled(chosen, vector) if self.multiply else Shifted(chosen, vector, fills=self.fills)


@final
class Shifted(nn.Module):
    """A module whose input is shifted by a trainable vector ``(channels, 1, 1)``, on an empty node too if it fills."""

    def __init__(self, inner: nn.Module, vector: Tensor, *, fills: bool = False) -> None:
        super().__init__()
        self.fills = fills
        self.shift = nn.Parameter(vector)
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Apply."""
        output: Tensor = self.inner(x + self.shift.to(x.dtype))
        return output


@final
class Scaled(nn.Module):
    """A module whose input is scaled by a trainable vector ``(channels, 1, 1)``."""

    def __init__(self, inner: nn.Module, vector: Tensor) -> None:
        super().__init__()
        self.scale = nn.Parameter(vector)
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Apply."""
        output: Tensor = self.inner(x * self.scale.to(x.dtype))
        return output
