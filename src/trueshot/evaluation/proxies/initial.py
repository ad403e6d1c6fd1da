"""Initial weights of the networks that proxies look at, drawn anew as often as wanted."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trueshot.core.random import Streams
from trueshot.spaces import Space
from trueshot.spaces.assembly import assembled
from trueshot.spaces.meta import on_meta
from trueshot.spaces.site import Site
from trueshot.training.formats import memory_format
from trueshot.training.standalone import build

Scheme = Literal["default", "he", "normal"]
"""PyTorch's own weights of convolution and linear layers; He et al.'s normal ones; standard normal ones."""


@final
class Workshop:
    """Builds the networks of a space without weights, quickly: what stands at a site is built once for each candidate.

    Args:
        space: of the networks.
        device: where they are.
    """

    def __init__(self, space: Space, device: torch.device) -> None:
        self.space, self.device = space, device
        self._stock: dict[Hashable, nn.Module] = {}
        self._plain: bool | None = None

    def network(self, row: Sequence[int], streams: Streams) -> Fresh:
        """Return the network of an architecture in training mode; it is no more to be used when the next is made."""
        number = 0

        def place(site: Site) -> nn.Module | None:
            nonlocal number
            number += 1
            index = self.space.chooser(site)(row)
            name, candidate = tuple(site.candidates.items())[index]
            if candidate is None:
                return None
            key = (number, site.key, name, site.in_channels, site.out_channels, site.stride)
            if key not in self._stock:
                self._stock[key] = candidate()
            return self._stock[key]

        with on_meta():
            network = assembled(self.space, place, row)
        if not _is_plain(network):
            # Something draws weights of its own, which only its constructor can do.
            network = build(lambda: self.space.network(row), streams, self.device)  # type: ignore[arg-type]
        return Fresh(network, streams, self.device)


@final
class Fresh:
    """A network in training mode whose weights are drawn again and again, by one source.

    Weights of convolution and linear layers are drawn by a scheme; those of BatchNorm layers are one and zero, and
    their statistics, where they are kept at all, those of no image; all else stays as it is.

    Attributes:
        network: with weights once they are drawn.
        format: of its weights in memory, and of what it is to be given.
    """

    def __init__(self, network: nn.Module, streams: Streams, device: torch.device) -> None:
        self.network, self.streams, self.device = network.train().requires_grad_(False), streams, device
        modules = list(network.modules())
        self._layers = [module for module in modules if isinstance(module, nn.Conv2d | nn.Linear)]
        self._norms = [module for module in modules if isinstance(module, _BatchNorm)]
        self._total = sum(layer.weight.numel() for layer in self._layers)
        self.format = memory_format(network, device)

    def draw(self, scheme: Scheme, *, statistics: bool = False) -> nn.Module:
        """Return the network with weights drawn by the scheme; the same for equal streams.

        Args:
            scheme: of the weights.
            statistics: whether BatchNorm layers keep running statistics.
        """
        uniform = scheme == "default"
        generator = self.streams.torch(f"weights/{'uniform' if uniform else 'normal'}", device=self.device)
        # All at once: a draw into a channels-last tensor takes many times as long.
        values = torch.empty(self._total, device=self.device)
        values = values.uniform_(-1, 1, generator=generator) if uniform else values.normal_(generator=generator)
        start = 0
        for layer in self._layers:
            fan_in = layer.weight[0].numel()
            part = values[start : start + layer.weight.numel()]
            start += len(part)
            if scheme != "normal":
                part.mul_(1 / math.sqrt(fan_in) if uniform else math.sqrt(2 / fan_in))
            _set(layer, "weight", self._shaped(part, layer.weight.shape))
            if layer.bias is not None:
                bias = torch.zeros(layer.bias.shape, device=self.device)
                bound = 1 / math.sqrt(fan_in)
                _set(layer, "bias", bias.uniform_(-bound, bound, generator=generator) if uniform else bias)
        for norm in self._norms:
            zeros, ones = (torch.full((norm.num_features,), value, device=self.device) for value in (0.0, 1.0))
            if norm.affine:
                _set(norm, "weight", ones)
                _set(norm, "bias", zeros)
            kept = (zeros.clone(), ones.clone()) if statistics else (None, None)
            norm._buffers["running_mean"], norm._buffers["running_var"] = kept
            norm._buffers["num_batches_tracked"] = torch.tensor(0, device=self.device) if statistics else None
        return self.network

    def _shaped(self, values: Tensor, shape: torch.Size) -> Tensor:
        """Return values as a weight, that of a convolution in the format of the network."""
        if len(shape) != 4 or self.format == torch.contiguous_format:
            return values.view(shape)
        out, inner, height, width = shape
        return values.view(out, height, width, inner).permute(0, 3, 1, 2)


def _is_plain(module: nn.Module) -> bool:
    """Return whether all that a network holds is set by :meth:`Fresh.draw`."""
    for part in module.modules():
        holds = any(value is not None for value in (*part._parameters.values(), *part._buffers.values()))
        if holds and not isinstance(part, nn.Conv2d | nn.Linear | _BatchNorm):
            return False
    return True


def _set(layer: nn.Module, name: str, values: Tensor) -> None:
    layer._parameters[name] = nn.Parameter(values, requires_grad=False)
