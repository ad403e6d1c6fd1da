"""What AZ-NAS reads off feature maps and their gradients: entropies of spectra, largest singular values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor
from torch.nn import functional as F

_IN_LOGARITHM = 1e-8
_IN_QUOTIENT = 1e-6

_ROWS = 2048


def covariance(features: Tensor) -> Float64[Tensor, "c c"]:
    """Return the covariance of the channels of a feature map ``(b, c, h, w)`` over images and positions."""
    channels = features.shape[1]
    rows = features.detach().permute(0, 2, 3, 1).reshape(-1, channels)
    rows = rows - rows.mean(dim=0)
    return _mean_product(rows, rows)


def _mean_product(first: Tensor, second: Tensor) -> Float64[Tensor, "i o"]:
    """Return ``first.T @ second / n``: products of a few thousand rows in single precision, their sum in double."""
    total = torch.zeros(first.shape[1], second.shape[1], dtype=torch.float64, device=first.device)
    for a, b in zip(first.split(_ROWS), second.split(_ROWS), strict=True):
        total += a.T @ b
    return total / len(first)


def entropies(covariances: Sequence[Float64[Tensor, "_ _"]]) -> Float64[np.ndarray, " n"]:
    """Return the entropy in nats of each spectrum, its eigenvalues divided by their sum (AZ-NAS, expressivity).

    Between 0 and the logarithm of the number of channels; NaN for features that are constant. Eigenvalues below zero,
    which rounding makes, count as zero.
    """
    found = np.empty(len(covariances))
    for positions, matrices in _by_shape(covariances):
        values = torch.linalg.eigvalsh(matrices).clamp(min=0)
        shares = values / values.sum(dim=1, keepdim=True)
        found[positions] = -(shares * (shares + _IN_LOGARITHM).log()).sum(dim=1).cpu().numpy()
    return found


def transfer(g_in: Tensor, g_out: Tensor) -> Float64[Tensor, "i o"]:
    """Return how the gradients of a block's outputs reach its inputs: their products, averaged over positions.

    Args:
        g_in: ``(b, c_in, h, w)``, gradient by the input of the block.
        g_out: ``(b, c_out, h / r, w / r)``, gradient by its output. Where the resolution falls, the positions of the
            input under one of the output count as channels of their own; odd sizes are filled up with zeros on the
            right and at the bottom.
    """
    if g_in.shape[2:] != g_out.shape[2:]:
        reduction = max(-(-g_in.shape[side] // g_out.shape[side]) for side in (2, 3))
        height, width = (g_out.shape[side] * reduction for side in (2, 3))
        # Where the input is larger than that still, its last rows and columns fall off.
        padded = F.pad(g_in, (0, width - g_in.shape[3], 0, height - g_in.shape[2]))
        g_in = F.pixel_unshuffle(padded, reduction)
    rows_in, rows_out = (g.permute(0, 2, 3, 1).reshape(-1, g.shape[1]) for g in (g_in, g_out))
    return _mean_product(rows_in, rows_out)


def trainabilities(transfers: Sequence[Float64[Tensor, "_ _"]]) -> Float64[np.ndarray, " n"]:
    """Return ``2 - s - 1 / s`` for the largest singular value s of each matrix: 0 at best, at s = 1 (AZ-NAS)."""
    found = np.empty(len(transfers))
    for positions, matrices in _by_shape(transfers):
        wide = matrices.shape[1] < matrices.shape[2]
        squares = matrices @ matrices.mT if wide else matrices.mT @ matrices
        largest = torch.linalg.eigvalsh(squares)[:, -1].clamp(min=0).sqrt().cpu().numpy()
        found[positions] = 2.0 - largest - 1.0 / (largest + _IN_QUOTIENT)
    return found


def _by_shape(matrices: Sequence[Tensor]) -> list[tuple[list[int], Tensor]]:
    """Return matrices of one shape together, with their positions: a decomposition of many is one call."""
    positions: dict[torch.Size, list[int]] = {}
    for position, matrix in enumerate(matrices):
        positions.setdefault(matrix.shape, []).append(position)
    return [(where, torch.stack([matrices[position] for position in where])) for where in positions.values()]
