"""Which rectifiers are on for which images: SWAP (Peng et al., ICLR 2024) and NASWOT (Mellor et al., ICML 2021)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Int32
from torch import Tensor, nn

_BITS = 16
"""Images whose pattern fits a float32 exactly, with room to spare."""

_BLOCKS = 2
_RECENT = 12


@contextmanager
def listening(network: nn.Module, heard: Callable[[Tensor], None]) -> Iterator[None]:
    """Call ``heard`` with the output of every rectifier that is run inside the block."""
    rectifiers = [module for module in network.modules() if isinstance(module, nn.ReLU | nn.ReLU6)]
    handles = [module.register_forward_hook(lambda _, __, output: heard(output)) for module in rectifiers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def rectifies(network: nn.Module) -> bool:
    """Return whether there is a rectifier in the network."""
    return any(isinstance(module, nn.ReLU | nn.ReLU6) for module in network.modules())


@torch.no_grad()
def swap(network: nn.Module, images: Tensor) -> float:
    """Return the number of distinct patterns: of each unit, for which of the images it is on.

    Units are the values of all feature maps that come out of rectifiers.
    """
    found: list[Int32[np.ndarray, "words units"]] = []
    # A map that several blocks read adds no pattern.
    recent: deque[Tensor] = deque(maxlen=_RECENT)

    def heard(output: Tensor) -> None:
        if output.dim() == 4 and not any(known is output for known in recent):
            recent.append(output)
            found.append(_words(_on(output)))

    with listening(network, heard):
        network(images)
    if not found:
        return 0.0
    words = np.concatenate(found, axis=1)
    if len(words) == 1:
        ordered = np.sort(words[0])
        return float(1 + np.count_nonzero(ordered[1:] != ordered[:-1]))
    return float(np.unique(words, axis=1).shape[1])


@torch.no_grad()
def naswot(network: nn.Module, images: Tensor) -> float:
    """Return the logarithm of the determinant of the kernel of the images (Eq. 2).

    Entry (i, j) is the number of units, over all rectifiers that are run, that are on for both images or off for both;
    a unit that is computed twice counts twice. Minus infinity where two images have one pattern.
    """
    count = len(images)
    kernel = torch.zeros(count, count, dtype=torch.float64, device=images.device)
    # Rectifiers that share their results (sharing.py) hand on one tensor: its agreement is counted again.
    recent: deque[tuple[Tensor, Tensor]] = deque(maxlen=_RECENT)

    def heard(output: Tensor) -> None:
        agreement = next((agreement for known, agreement in recent if known is output), None)
        if agreement is None:
            agreement = _agreement(_on(output))
            recent.append((output, agreement))
        kernel.add_(agreement)

    with listening(network, heard):
        network(images)
    units = float(kernel[0, 0])
    apart = kernel - units * torch.eye(count, dtype=torch.float64, device=kernel.device)
    if count > 1 and float(apart.max()) >= units:
        return -np.inf
    return float(torch.linalg.slogdet(kernel.cpu()).logabsdet)


def _on(output: Tensor) -> Tensor:
    """Return for each image (rows) which units are on, as 0 and 1; their order is that of the memory."""
    if output.dim() == 4:
        output = output.permute(0, 2, 3, 1)
    # What comes out of a rectifier is not negative.
    return output.reshape(len(output), -1).sign()


def _agreement(on: Tensor) -> Tensor:
    """Return for every two images (rows) the number of units that are on for both or off for both."""
    both = _products(on).double()
    number = both.diagonal()
    # Off for both: all units, without those that are on for either.
    return 2 * both - number[:, None] - number[None, :] + on.shape[1]


def _products(on: Tensor) -> Tensor:
    """Return ``on @ on.T``, of which only the lower half is computed, in blocks."""
    parts = on.split(max(1, -(-len(on) // _BLOCKS)))
    rows = []
    for number, part in enumerate(parts):
        rows.append([part @ other.T for other in parts[: number + 1]])
    whole = [
        torch.cat([rows[i][j] if j <= i else rows[j][i].T for j in range(len(parts))], dim=1) for i in range(len(parts))
    ]
    return torch.cat(whole)


def _words(on: Tensor) -> Int32[np.ndarray, "words units"]:
    """Return the patterns of the units (columns) as whole numbers, one for each 32 images."""
    powers = 2.0 ** torch.arange(_BITS, device=on.device)
    halves = [(powers[: len(part)] @ part).to(torch.int32) for part in on.split(_BITS)]
    words = [
        halves[start] if start + 1 == len(halves) else halves[start] | (halves[start + 1] << _BITS)
        for start in range(0, len(halves), 2)
    ]
    return torch.stack(words).cpu().numpy()
