"""The memory format in which networks are trained and measured."""

from __future__ import annotations

import torch
from torch import nn

_FIRST_RIGHT = 8
"""Input channels from which on oneDNN's strided 1x1 convolution keeps to its memory; with one channel it does, too."""


def breaks_channels_last(layer: nn.Module) -> bool:
    """Return whether oneDNN writes beyond its memory in the backward pass of a layer in channels-last format.

    It does so on processors in strided 1x1 convolutions that are not grouped and have 2 to 7 input channels: PyTorch
    2.11 crashes in ``nn.Conv2d(4, 4, 1, stride=2)`` or goes on with corrupt memory, whether it is the weights or the
    input that have the format.
    """
    return (
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and max(layer.stride) > 1
        and layer.groups == 1
        and 1 < layer.in_channels < _FIRST_RIGHT
    )


def memory_format(module: nn.Module, device: str | torch.device) -> torch.memory_format:
    """Return the format in which a network or supernet is fast and right.

    Channels last makes small and depth-wise convolutions several times faster on processors and suits tensor cores. It
    is the weights that bring it into a network: images come in the contiguous format, and a convolution gives its
    output in the format of its weights. Where one layer breaks it, the whole network stays contiguous therefore.
    """
    if torch.device(device).type == "cpu" and any(map(breaks_channels_last, module.modules())):
        return torch.contiguous_format
    return torch.channels_last


def placed(module: nn.Module, device: str | torch.device) -> nn.Module:
    """Move a network or supernet to a device, in its format there."""
    format_ = memory_format(module, device)
    return module.to(device, memory_format=format_)  # type: ignore[call-overload,no-any-return]
