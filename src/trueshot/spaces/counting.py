"""Parameters and MAdds, counted by walking a space's own skeleton on the meta device.

Convention: one MAdd is one multiplication with its addition (two FLOPs); convolution and linear weights count, biases,
BatchNorm, activations, pooling and additions do not. Parameters are all parameters. A space whose benchmark counts
otherwise says so in its :class:`Convention`.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Int64, Integer
from torch import Tensor, nn

from trueshot.core.errors import ConfigError
from trueshot.spaces.site import Candidate, Site

if TYPE_CHECKING:
    from trueshot.spaces.space import Space


@dataclass(frozen=True, kw_only=True)
class Convention:
    """What is counted beyond the weights of convolution and linear layers.

    Attributes:
        linear_bias: whether the bias of a linear layer counts, one MAdd for each output.
    """

    linear_bias: bool = False


PLAIN = Convention()


@dataclass(frozen=True)
class Costs:
    """Costs of a batch of architectures: ``params`` (count) and ``madds`` (multiply-adds of one image)."""

    params: Int64[np.ndarray, " n"]
    madds: Int64[np.ndarray, " n"]


@dataclass(frozen=True)
class CostTable:
    """Additive costs of a space.

    Attributes:
        fixed_params: parameters outside the sites; ``fixed_madds`` likewise.
        params: ``(decisions, most options)``, parameters of each option summed over the sites of its decision, zero
            beyond the last option; ``madds`` likewise.
    """

    fixed_params: int
    fixed_madds: int
    params: Int64[np.ndarray, "decisions options"]
    madds: Int64[np.ndarray, "decisions options"]

    def __call__(self, archs: Integer[np.ndarray, "n decisions"]) -> Costs:
        """Cost every architecture of the batch."""
        genes = np.arange(len(self.params))
        return Costs(
            params=self.fixed_params + self.params[genes, archs].sum(axis=1, dtype=np.int64),
            madds=self.fixed_madds + self.madds[genes, archs].sum(axis=1, dtype=np.int64),
        )


def count_params(module: nn.Module) -> int:
    """Count all parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


@contextmanager
def _counting(module: nn.Module, convention: Convention = PLAIN) -> Iterator[list[int]]:
    """Collect the MAdds per image of every convolution and linear layer that runs inside the block."""
    counts: list[int] = []

    def conv(layer: nn.Module, _: Any, output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        counts.append(output[0].numel() * layer.weight[0].numel())

    def linear(layer: nn.Module, _: Any, output: Tensor) -> None:
        assert isinstance(layer, nn.Linear)
        biased = convention.linear_bias and layer.bias is not None
        counts.append(output[0].numel() * (layer.in_features + biased))

    handles = [m.register_forward_hook(conv) for m in module.modules() if isinstance(m, nn.Conv2d)]
    handles += [m.register_forward_hook(linear) for m in module.modules() if isinstance(m, nn.Linear)]
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def count_madds(module: nn.Module, input_shape: tuple[int, ...], convention: Convention = PLAIN) -> int:
    """Count the MAdds of one image of ``input_shape`` (channels, height, width); nothing is computed on ``meta``."""
    modes = [(child, child.training) for child in module.modules()]
    device = next((parameter.device for parameter in module.parameters()), torch.device("meta"))
    module.eval()
    try:
        with _counting(module, convention) as counts:
            module(torch.zeros(1, *input_shape, device=device))
    finally:
        for child, mode in modes:
            child.training = mode
    return sum(counts)


def _identity(candidate: Candidate) -> Hashable:
    """Return a key that equal constructors share, so that each distinct candidate is measured once."""
    if isinstance(candidate, functools.partial):
        key = candidate.func, candidate.args, tuple(sorted(candidate.keywords.items()))
        # An argument may be a list, and then the constructor stands for itself.
        with suppress(TypeError):
            hash(key)
            return key
    return candidate


class _Meter(nn.Module):
    """Stands at a site during the walk and measures every candidate on the input that arrives there."""

    def __init__(self, site: Site, memory: dict[Hashable, tuple[int, int, torch.Size]], convention: Convention) -> None:
        super().__init__()
        self.site, self.memory, self.convention = site, memory, convention
        self.measured: list[tuple[int, int]] = []

    def forward(self, x: Tensor) -> Tensor:
        outputs: dict[torch.Size, str] = {}
        for name, candidate in self.site.candidates.items():
            if candidate is None:
                self.measured.append((0, 0))
                continue
            key = (_identity(candidate), x.shape)
            if key not in self.memory:
                module = candidate().eval()
                with _counting(module, self.convention) as counts:
                    shape = module(x).shape
                self.memory[key] = count_params(module), sum(counts), shape
            params, madds, shape = self.memory[key]
            self.measured.append((params, madds))
            outputs[shape] = name
        if len(outputs) != 1:
            found = ", ".join(f"{name}: {tuple(shape[1:])}" for shape, name in outputs.items())
            raise ConfigError(
                f"candidates of decision '{self.site.decision}' differ in output shape ({found or 'none'})"
            )
        return torch.empty(next(iter(outputs)), device="meta")


@functools.lru_cache(maxsize=64)
@torch.no_grad()
def cost_table(space: Space) -> CostTable:
    """Measure a space; equal spaces share one table.

    Raises:
        ConfigError: when the candidates of a site differ in the shape of their output.
    """
    meters: list[_Meter] = []
    memory: dict[Hashable, tuple[int, int, torch.Size]] = {}

    def place(site: Site) -> nn.Module:
        meters.append(_Meter(site, memory, space.convention))
        return meters[-1]

    with torch.device("meta"):
        skeleton = space.assemble(place)
        fixed_params = count_params(skeleton)
        fixed_madds = count_madds(skeleton, space.input_shape, space.convention)
    options = max(len(decision.options) for decision in space.decisions)
    table = np.zeros((2, len(space.decisions), options), dtype=np.int64)
    for meter in meters:
        if not meter.measured:
            raise ConfigError(
                f"the site of decision '{meter.site.decision}' is never run by the skeleton of {space.name}"
            )
        table[:, space.genes[meter.site.decision], : len(meter.measured)] += np.array(meter.measured).T
    return CostTable(fixed_params, fixed_madds, table[0], table[1])
