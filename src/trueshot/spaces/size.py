"""The size of the exported weights in bytes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from jaxtyping import Int64, Integer

from trueshot.spaces.costs import Additive
from trueshot.spaces.site import Site
from trueshot.spaces.space import Space

if TYPE_CHECKING:
    import torch


@final
@dataclass(frozen=True)
class Size:
    """Bytes of all tensors in ``model.safetensors``: parameters and BatchNorm's buffers, each in its own type.

    The file is longer by its header, the names and shapes of the tensors (about 100 bytes for each), which leaves no
    trace in a device's memory and would make the size depend on the names of modules.
    """

    space: Space
    name = "size"
    title = "size"
    unit = "bytes"

    def __call__(self, archs: Integer[np.ndarray, "n decisions"]) -> Int64[np.ndarray, " n"]:
        """Count for each architecture."""
        rows, parts = self.space.check(archs), self.additive()
        if parts is None:
            return np.array([_network_bytes(self.space, row.tobytes()) for row in rows], dtype=np.int64)
        each = [costs[rows[:, gene]] for gene, costs in enumerate(parts.options)]
        total: np.ndarray = np.array([np.full(len(rows), parts.fixed), *each], dtype=np.int64).sum(axis=0)
        return total

    def additive(self) -> Additive | None:
        """Return the summands, in a space whose other costs are sums too."""
        return None if self.space.cost_table is None else _summands(self.space)

    def on(self, space: Space) -> Size:
        """Return the same cost of another space."""
        return Size(space)


def tensor_bytes(module: torch.nn.Module) -> int:
    """Return the bytes of all tensors that a module saves."""
    return sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())


@functools.lru_cache(maxsize=64)
def _summands(space: Space) -> Additive:
    """Build the skeleton and each candidate of each site on the meta device; equal spaces share the result."""
    import torch

    options = tuple(np.zeros(number, dtype=np.int64) for number in space.options.tolist())

    def place(site: Site) -> torch.nn.Module:
        made = [0 if candidate is None else tensor_bytes(candidate()) for candidate in site.candidates.values()]
        options[space.genes[site.decision]][:] += made
        return torch.nn.Identity()

    with torch.device("meta"):
        fixed = tensor_bytes(space.assemble(place))
    return Additive(fixed, options)


@functools.lru_cache(maxsize=2**16)
def _network_bytes(space: Space, row: bytes) -> int:
    import torch

    with torch.device("meta"):
        return tensor_bytes(space.network(np.frombuffer(row, dtype=np.uint8)))
