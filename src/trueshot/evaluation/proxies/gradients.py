"""Proxies of one forward and backward pass, and of the gradients by the images.

Definitions follow the papers named below and, where these leave room, Abdelfattah et al., "Zero-Cost Proxies for
Lightweight NAS" (ICLR 2021): scores of weights are summed over the weights of convolution and linear layers, and a
layer that the loss does not depend on adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

_RIDGE = 1e-5
_STEP = 1e-2


def of_the_loss(network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Return what one gradient of the mean cross-entropy says.

    ``grad_norm``: the sum over layers of the Euclidean norm of the weights' gradient. ``snip``: the sum over weights of
    ``|weight * gradient|`` (Lee et al., ICLR 2019). ``fisher``: of a layer's outputs a, before BatchNorm, and their
    gradients g, for each channel half the mean over images of ``(sum over positions of a * g) ** 2``, times the weights
    of an output channel, summed (Turner et al., ICLR 2020).
    """
    layers, outputs = _layers(network), dict[nn.Module, list[Tensor]]()
    handles = [
        layer.register_forward_hook(lambda at, _, out: outputs.setdefault(at, []).append(out)) for layer in layers
    ]
    try:
        with _differentiable(layers):
            loss = F.cross_entropy(network(images), labels)
            used = [layer for layer in layers if layer in outputs]
            maps = [(layer, output) for layer in used for output in outputs[layer]]
            weights = [layer.weight for layer in used]
            found = torch.autograd.grad(loss, [*weights, *(output for _, output in maps)], allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    by_weight = [(weight, g) for weight, g in zip(weights, found, strict=False) if g is not None]
    by_output = zip(maps, found[len(weights) :], strict=True)
    return {
        "grad_norm": float(sum(gradient.double().norm() for _, gradient in by_weight)),
        "snip": float(sum((weight.detach() * gradient).abs().double().sum() for weight, gradient in by_weight)),
        "fisher": float(sum(_fisher(layer, output.detach(), g) for (layer, output), g in by_output if g is not None)),
    }


def _fisher(layer: nn.Conv2d | nn.Linear, output: Tensor, gradient: Tensor) -> float:
    products = (output * gradient).double()
    by_channel = products.flatten(2).sum(dim=2) if products.dim() > 2 else products
    return float(0.5 * (by_channel**2).mean(dim=0).sum() * layer.weight[0].numel())


def synflow(network: nn.Module, images: Tensor) -> float:
    """Return the sum over weights of ``|weight * dR/dweight|`` (Tanaka et al., NeurIPS 2020).

    R is the sum of the outputs for one image of ones when all parameters have their absolute values and BatchNorm
    layers use the statistics of no image, which leaves values as they are but for epsilon; bounds of activations are
    left out, so that the network is linear in each layer's weights. Arithmetic is in float64, for scores span many
    orders of magnitude; the network is left so.
    """
    network = network.double().eval()
    for parameter in network.parameters():
        parameter.data.abs_()
    bounded = [module for module in network.modules() if isinstance(module, nn.ReLU6)]
    for module in bounded:
        # As an attribute of the layer, so that it works wherever the layer is placed.
        vars(module)["forward"] = _identity
    layers = _layers(network)
    try:
        with _differentiable(layers):
            total = network(torch.ones_like(images[:1], dtype=torch.float64)).sum()
            weights = [layer.weight for layer in layers]
            gradients = torch.autograd.grad(total, weights, allow_unused=True)
    finally:
        for module in bounded:
            del vars(module)["forward"]
    pairs = zip(weights, gradients, strict=True)
    return float(sum((weight.detach() * g).abs().sum() for weight, g in pairs if g is not None))


def jacob_cov(network: nn.Module, images: Tensor) -> float:
    """Return how little the gradients of the images resemble each other (Mellor et al., arXiv 2006.04647v1).

    With the eigenvalues v of the correlations between the gradients of the sum of all outputs by the images:
    ``-sum(log(v + k) + 1 / (v + k))`` with k = 1e-5. NaN where the output of some image does not depend on it.
    """
    inputs = images.clone().requires_grad_(True)
    with torch.enable_grad():
        total = network(inputs).sum()
    if not total.requires_grad:
        return np.nan
    (gradient,) = torch.autograd.grad(total, inputs)
    rows = gradient.flatten(1).double().cpu()
    rows = rows - rows.mean(dim=1, keepdim=True)
    rows = rows / rows.norm(dim=1, keepdim=True)
    correlations = rows @ rows.T
    if not bool(torch.isfinite(correlations).all()):
        return np.nan
    values = torch.linalg.eigvalsh(correlations).clamp(min=0) + _RIDGE
    return float(-(values.log() + 1 / values).sum())


@torch.no_grad()
def zen(network: nn.Module, noise: Tensor, other: Tensor) -> float:
    """Return the Zen score as AZ-NAS computes it (Lin et al., ICCV 2021).

    The logarithm of how much the last feature map, before it is averaged, changes when a hundredth of ``other`` is
    added to ``noise``, plus half the logarithm of the mean running variance of every BatchNorm layer after both passes.

    Args:
        network: with running statistics of no image, its weights standard normal.
        noise: images of standard normal values; ``other`` likewise.
        other: see there.
    """
    pooling = next((module for module in network.modules() if isinstance(module, nn.AdaptiveAvgPool2d)), None)
    heard: list[Tensor] = []
    listener = pooling or network
    handle = listener.register_forward_hook(lambda _, given, out: heard.append(out if pooling is None else given[0]))
    try:
        network(noise)
        network(noise + _STEP * other)
    finally:
        handle.remove()
    change = (heard[0].double() - heard[1].double()).abs().flatten(1).sum(dim=1).mean().log()
    kept = (module.running_var for module in network.modules() if isinstance(module, _BatchNorm))
    return float(change) + 0.5 * sum(float(variance.double().mean().log()) for variance in kept if variance is not None)


def _layers(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


@contextmanager
def _differentiable(layers: list[nn.Conv2d | nn.Linear]) -> Iterator[None]:
    """Have gradients by the weights of the layers inside the block."""
    before = [layer.weight.requires_grad for layer in layers]
    try:
        for layer in layers:
            layer.weight.requires_grad_(True)
        with torch.enable_grad():
            yield
    finally:
        for layer, kept in zip(layers, before, strict=True):
            layer.weight.requires_grad_(kept)


def _identity(x: Tensor) -> Tensor:
    return x
