"""Zero-cost proxies: scores of networks with initial weights, from one mini-batch, without any training.

Definitions follow the papers named below and, where these leave room, Abdelfattah et al., "Zero-Cost Proxies for
Lightweight NAS" (ICLR 2021): scores of weights are summed over the weights of convolution and linear layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import final

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from trueshot.core.errors import ConfigError, DataError, TrainingError
from trueshot.core.fingerprint import fingerprint
from trueshot.core.random import Streams
from trueshot.evaluation.recalibration import Batch
from trueshot.spaces import Space
from trueshot.training.standalone import build

Proxy = Callable[[nn.Module, Tensor, Tensor], float]
"""Maps a fresh network, which it may spoil, images and labels to a score, higher is better."""

_RIDGE = 1e-5
_FLOOR = 1e-6


def grad_norm(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the sum over layers of the Euclidean norm of the weights' gradient (Abdelfattah et al., section 3.1)."""
    return float(sum(gradient.double().norm() for _, gradient in _gradients(network, images, labels)))


def snip(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the sum over weights of ``|weight * gradient|`` (Lee et al., ICLR 2019)."""
    pairs = _gradients(network, images, labels)
    return float(sum((weight * gradient).abs().double().sum() for weight, gradient in pairs))


def synflow(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the sum over weights of ``weight * dR/dweight`` (Tanaka et al., NeurIPS 2020).

    R is the sum of the outputs for an image of ones when all parameters have their absolute values; BatchNorm
    and bounds of activations are left out, so that the network is linear in each layer's weights. Arithmetic is in
    float64: scores span many orders of magnitude. Values and labels of the images play no part.
    """
    network = network.double()
    for parameter in network.parameters():
        parameter.data.abs_()
    for module in network.modules():
        if isinstance(module, _BatchNorm | nn.ReLU6):
            # As an attribute of the layer, so that it works wherever the layer is placed.
            vars(module)["forward"] = _identity
    network(torch.ones_like(images[:1], dtype=torch.float64)).sum().backward()
    return float(sum((weight.detach() * weight.grad).sum() for weight in _weights(network) if weight.grad is not None))


def jacob_cov(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return how little the gradients of the images resemble each other (Mellor et al., arXiv 2006.04647v1).

    With the eigenvalues v of the correlation matrix of the input gradients of all images: ``-sum(log(v + k) +
    1 / (v + k))`` with k = 1e-5. Where the output of some image does not depend on the input, the correlations are
    taken to be one: the worst score.
    """
    inputs = images.clone().requires_grad_(True)
    network(inputs).sum().backward()
    if inputs.grad is None:
        correlations = torch.ones(len(images), len(images), dtype=torch.float64)
    else:
        rows = inputs.grad.flatten(1).double().cpu()
        rows = rows - rows.mean(dim=1, keepdim=True)
        norms = rows.norm(dim=1, keepdim=True)
        alive = bool((norms > 0).all())
        correlations = (rows / norms) @ (rows / norms).T if alive else torch.ones(len(rows), len(rows)).double()
    values = torch.linalg.eigvalsh(correlations).clamp(min=0) + _RIDGE
    return float(-(values.log() + 1 / values).sum())


def naswot(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the log-determinant of the kernel of activation patterns (Mellor et al., ICML 2021, Eq. 2).

    Entry (i, j) is the number of rectifiers of the network, over all places, that are on for both images or off for
    both. Eigenvalues below 1e-6, which images with equal patterns give, count as that.
    """
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)

    def add(_: nn.Module, __: object, output: Tensor) -> None:
        on = (output.detach() > 0).flatten(1).double()
        kernel.add_(on @ on.T + (1 - on) @ (1 - on).T)

    handles = [m.register_forward_hook(add) for m in network.modules() if isinstance(m, nn.ReLU | nn.ReLU6)]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    return float(torch.linalg.eigvalsh(kernel.cpu()).clamp(min=_FLOOR).log().sum())


ZERO_COST_PROXIES: Mapping[str, Proxy] = MappingProxyType(
    {"synflow": synflow, "jacob_cov": jacob_cov, "naswot": naswot, "grad_norm": grad_norm, "snip": snip}
)
"""All proxies by name."""


@final
class ZeroCost:
    """Scores architectures by a proxy, at initial weights drawn for each from the seed and the architecture.

    Args:
        space: builds the networks; they are in training mode.
        proxy: a name of :data:`ZERO_COST_PROXIES`.
        batch: normalised training images and their labels.
        streams: source of the initial weights (and of dropout); the mean over seeds is
            :class:`~trueshot.evaluation.Mean` of several.

    Raises:
        ConfigError: when there is no such proxy.
        DataError: when the batch is too small.
    """

    def __init__(self, space: Space, proxy: str, batch: Batch, streams: Streams) -> None:
        if proxy not in ZERO_COST_PROXIES:
            raise ConfigError(f"'{proxy}' is no zero-cost proxy: choose one of {', '.join(ZERO_COST_PROXIES)}")
        if len(batch[1]) < 2:
            raise DataError(f"zero-cost proxies need a batch of two images or more, not {len(batch[1])}")
        self.space, self.proxy, self.batch, self.streams = space, proxy, batch, streams

    @property
    def digest(self) -> str:
        """Fingerprint of space, proxy, images and seed."""
        space = repr((self.space.name, self.space.arguments()))
        return fingerprint("zero-cost 1", self.proxy, space, self.streams.seed, self.batch)

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Score every architecture.

        Raises:
            TrainingError: naming an architecture whose score is not finite.
        """
        return np.array([self._score(row) for row in self.space.check(archs)], dtype=np.float64)

    def _score(self, row: UInt8[np.ndarray, " decisions"]) -> float:
        streams = self.streams.child("zero-cost", *map(int, row))
        images, labels = self.batch
        network = build(partial(self.space.network, row), streams, images.device).train()
        with streams.forked("dropout"):
            score = ZERO_COST_PROXIES[self.proxy](network, images, labels)
        if not np.isfinite(score):
            raise TrainingError(f"{self.proxy} of architecture {self.space.format(row)} is {score}: it overflows")
        return score


def _identity(x: Tensor) -> Tensor:
    return x


def _weights(network: nn.Module) -> list[Tensor]:
    return [module.weight for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def _gradients(network: nn.Module, images: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return every weight that the loss depends on, with its gradient."""
    F.cross_entropy(network(images), labels).backward()
    return [(weight.detach(), weight.grad) for weight in _weights(network) if weight.grad is not None]
