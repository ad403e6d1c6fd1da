"""Parameters and MAdds, counted by walking a space's own skeleton on the meta device.

Convention: one MAdd is one multiplication with its addition (two FLOPs); convolution and linear weights count, biases,
BatchNorm, activations, pooling and additions do not. Parameters are all parameters. A space whose benchmark counts
otherwise says so in its :class:`Convention`.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from trueshot.core.errors import ConfigError
from trueshot.core.own import blaming
from trueshot.spaces.assembly import assembled
from trueshot.spaces.meta import on_meta
from trueshot.spaces.site import Candidate, Site
from trueshot.spaces.tables import PLAIN, Convention, Costs, CostTable

if TYPE_CHECKING:
    from trueshot.spaces.space import Space


def count_params(module: nn.Module) -> int:
    """Count all parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


@contextmanager
def _counted(module: nn.Module, convention: Convention) -> Iterator[list[int]]:
    """Collect the MAdds per image of every convolution and linear layer that runs inside the block."""
    counts: list[int] = []

    def note(layer: nn.Module, _: Any, output: Tensor) -> None:
        if isinstance(layer, nn.Conv2d):
            counts.append(output.shape[1:].numel() * layer.weight.shape[1:].numel())
        elif isinstance(layer, nn.Linear):
            biased = convention.linear_bias and layer.bias is not None
            counts.append(output.shape[1:].numel() * (layer.in_features + biased))

    layers = (child for child in module.modules() if isinstance(child, nn.Conv2d | nn.Linear))
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()


def count_madds(module: nn.Module, input_shape: tuple[int, ...], convention: Convention = PLAIN) -> int:
    """Count the MAdds of one image of ``input_shape`` (channels, height, width); nothing is computed on ``meta``."""
    return _run(module, input_shape, convention)[0]


@torch.no_grad()
def _run(module: nn.Module, input_shape: tuple[int, ...], convention: Convention) -> tuple[int, Any]:
    """Return the MAdds of one image, and what comes out."""
    modes = [(child, child.training) for child in module.modules()]
    device = next((parameter.device for parameter in module.parameters()), torch.device("meta"))
    module.eval()
    try:
        with _counted(module, convention) as counts:
            output = module(torch.zeros(1, *input_shape, device=device))
    finally:
        for child, mode in modes:
            child.training = mode
    return sum(counts), output


def _skeleton_madds(space: Space, skeleton: nn.Module) -> int:
    """Return the MAdds of a skeleton.

    Raises:
        ConfigError: when it does not map images of the space to logits.
    """
    images = f"images of {'x'.join(map(str, space.input_shape))}"
    with blaming(f"what space {space.name} assembles cannot be run on {images}", "see to its channels and sizes"):
        return _run(skeleton, space.input_shape, space.convention)[0]


def check_logits(logits: Any, images: int, space: Space) -> None:
    """Check what a network of a space gives for some images.

    Raises:
        ConfigError: when it is not ``(images, classes)``.
    """
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if shape != (images, space.classes):
        raise ConfigError(
            f"what space {space.name} assembles gives {shape} for {images} images, not logits"
            f" {(images, space.classes)}: let its head end with nn.Linear(..., self.classes)"
        )


def _identity(candidate: Candidate) -> Hashable:
    """Return a key that equal constructors share, so that each distinct candidate is measured once."""
    if isinstance(candidate, functools.partial):
        key = candidate.func, candidate.args, tuple(sorted(candidate.keywords.items()))
        # An argument may be a list, and then the constructor stands for itself.
        with suppress(TypeError):
            hash(key)
            return key
    return candidate


class _Measured(NamedTuple):
    """What a candidate has and does on an input of some shape."""

    params: int
    madds: int
    output: Tensor


class _Memory:
    """Measures each distinct candidate once on each shape of input."""

    def __init__(self, convention: Convention) -> None:
        self.convention = convention
        self._params: dict[Hashable, int] = {}
        self._measured: dict[Hashable, _Measured] = {}

    def params(self, candidate: Candidate) -> int:
        """Return the parameters of a candidate."""
        key = _identity(candidate)
        if key not in self._params:
            self._params[key] = count_params(candidate())
        return self._params[key]

    def measure(self, candidate: Candidate, x: Tensor) -> _Measured:
        """Return what a candidate has and does on an input like ``x``."""
        key = (_identity(candidate), x.shape)
        if key not in self._measured:
            module = candidate().eval()
            with _counted(module, self.convention) as counts:
                output = module(x)
            self._measured[key] = _Measured(count_params(module), sum(counts), output)
        return self._measured[key]


class _Meter(nn.Module):
    """Stands at a site during the walk and measures every candidate on the input that arrives there."""

    def __init__(self, site: Site, memory: _Memory) -> None:
        super().__init__()
        self.site, self.memory = site, memory
        self.measured: list[tuple[int, int]] = []

    def forward(self, x: Tensor) -> Tensor:
        outputs: dict[torch.Size, tuple[str, Tensor]] = {}
        for name, candidate in self.site.candidates.items():
            if candidate is None:
                self.measured.append((0, 0))
                continue
            params, madds, output = self.memory.measure(candidate, x)
            self.measured.append((params, madds))
            outputs[output.shape] = name, output
        if len(outputs) != 1:
            found = ", ".join(f"{name}: {tuple(shape[1:])}" for shape, (name, _) in outputs.items())
            raise ConfigError(f"candidates of decision '{self.site.key}' differ in output shape ({found or 'none'})")
        return next(iter(outputs.values()))[1]


@functools.lru_cache(maxsize=64)
def cost_table(space: Space) -> CostTable:
    """Measure a space whose sites follow one decision each; equal spaces share one table.

    Raises:
        ConfigError: when the candidates of a site differ in the shape of their output.
    """
    meters: list[_Meter] = []
    memory = _Memory(space.convention)

    def place(site: Site) -> nn.Module:
        meters.append(_Meter(site, memory))
        return meters[-1]

    with on_meta():
        skeleton = assembled(space, place)
        fixed_params = count_params(skeleton)
        fixed_madds = _skeleton_madds(space, skeleton)
    options = max((len(decision.options) for decision in space.decisions), default=0)
    table = np.zeros((2, len(space.decisions), options), dtype=np.int64)
    for meter in meters:
        if not meter.measured:
            raise ConfigError(
                f"the site of decision '{meter.site.decision}' is never run by the skeleton of {space.name}"
            )
        table[:, space.genes[meter.site.decision], : len(meter.measured)] += np.array(meter.measured).T
    return CostTable(fixed_params, fixed_madds, table[0], table[1])


class _Stand(nn.Module):
    """Stands for the chosen candidate of a site, ``None`` for no connection."""

    def __init__(self, site: Site, chosen: Candidate | None, memory: _Memory, madds: list[int]) -> None:
        super().__init__()
        self.chosen, self.memory, self.madds = chosen, memory, madds
        # What is absent passes on a value of the shape that the others would have.
        self.shaping = next(candidate for candidate in site.candidates.values() if candidate is not None)

    def forward(self, x: Tensor) -> Tensor:
        _, madds, output = self.memory.measure(self.chosen or self.shaping, x)
        self.madds.append(0 if self.chosen is None else madds)
        return output


@functools.lru_cache(maxsize=64)
def _memory(space: Space) -> _Memory:
    return _Memory(space.convention)


@functools.lru_cache(maxsize=2**16)
def _walk(space: Space, row: tuple[int, ...]) -> tuple[int, int]:
    """Return parameters and MAdds of one architecture, as :meth:`Space.network` would build it."""
    memory, params, madds = _memory(space), [0], [0]

    def place(site: Site) -> nn.Module | None:
        chosen = tuple(site.candidates.values())[space.chooser(site)(row)]
        if chosen is not None:
            params.append(memory.params(chosen))
        elif not space.convention.dead_edges:
            return None
        return _Stand(site, chosen, memory, madds)

    with on_meta():
        skeleton = assembled(space, place, row)
        params.append(count_params(skeleton))
        madds.append(_skeleton_madds(space, skeleton))
    return sum(params), sum(madds)


def walked(space: Space, archs: UInt8[np.ndarray, "n decisions"]) -> Costs:
    """Cost architectures of any space by walking the network of each; each architecture is walked once in a process."""
    rows: Sequence[list[int]] = archs.tolist()
    both = np.array([_walk(space, tuple(row)) for row in rows], dtype=np.int64).reshape(-1, 2)
    return Costs(params=both[:, 0].copy(), madds=both[:, 1].copy())
