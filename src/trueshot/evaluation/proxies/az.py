"""AZ-NAS (Lee and Ham, CVPR 2024): expressivity, progressivity and trainability of a network's blocks.

The fourth of its proxies, complexity, is the number of multiply-adds that are run.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from trueshot.evaluation.proxies.levels import blocks
from trueshot.evaluation.proxies.spectral import covariance, entropies, trainabilities, transfer
from trueshot.spaces.skeletons import Skeleton

Signs = Callable[[int, torch.Size], Tensor]
"""Returns the gradient of a level's output, independent signs of the given shape, by the number of the level."""


def az(network: Skeleton, noise: Tensor, signs: Signs | None) -> dict[str, float]:
    """Return the proxies by name.

    Expressivity is the sum over levels of the entropy of the spectrum of the channels; progressivity the smallest
    growth of it from one level to the next; trainability the mean over blocks of ``2 - s - 1 / s``, where s is the
    largest singular value of how gradients pass the block. A block that passes everything unchanged is left out of the
    mean; where all blocks that keep the shape are such, trainability is minus infinity.

    Args:
        network: in training mode, its weights drawn by He et al. (2015).
        noise: images ``(b, c, h, w)`` of standard normal values.
        signs: the gradients; ``None`` where trainability is not wanted, which saves half of the time.
    """
    covariances, transfers, unchanged = [], [], []
    for number, (before, after) in enumerate(blocks(network, noise, differentiable=signs is not None)):
        covariances.append(covariance(after))
        if signs is None or before is None:
            continue
        g_out = signs(number, after.shape)
        g_in = None
        if after.requires_grad:
            (g_in,) = torch.autograd.grad(after, before, g_out, allow_unused=True)
        if g_in is None:
            g_in = torch.zeros_like(before)
        keeps = g_in.shape == g_out.shape
        if keeps and torch.equal(g_in, g_out):
            unchanged.append(True)
            continue
        if keeps:
            unchanged.append(False)
        transfers.append(transfer(g_in, g_out))
    entropy = entropies(covariances)
    found = {"az-expressivity": float(entropy.sum()), "az-progressivity": float(np.diff(entropy).min(initial=np.inf))}
    if signs is not None:
        identity = bool(unchanged) and all(unchanged)
        found["az-trainability"] = -np.inf if identity or not transfers else float(trainabilities(transfers).mean())
    return found
