"""Levels: the feature maps inside a network, which detectors, segmenters and reports take from it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from trueshot.core.errors import ConfigError
from trueshot.spaces.steps import Stepwise, node_values

_SIDE = 4096
"""Side of the image on which levels are measured, so large that what is lost at borders shifts no reduction."""


class Level(NamedTuple):
    """One feature map of a network.

    Attributes:
        name: of the node or cell, unique in its network.
        node: its number in the steps of the network.
        channels: its width.
        reduction: total stride: the side of the images divided by that of the map.
    """

    name: str
    node: int
    channels: int
    reduction: int


@torch.no_grad()
def measured(network: nn.Module, in_channels: int, names: Mapping[int, str]) -> tuple[Level, ...]:
    """Measure the named nodes of a network, :class:`~trueshot.spaces.steps.Stepwise`, by a pass on the meta device.

    Weights are neither copied nor read, and the head is not run.

    Raises:
        ConfigError: when the network does not take images of ``in_channels``.
    """
    tensors = (*network.parameters(), *network.buffers())
    memo: dict[int, Any] = {id(tensor): tensor.to("meta") for tensor in tensors}
    shadow = copy.deepcopy(network, memo).eval()
    for module in shadow.modules():
        # Whoever listens to the network wants no maps without values.
        module._forward_hooks.clear()
    assert isinstance(shadow, Stepwise)
    dtype = next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), None)
    image = torch.empty(1, in_channels, _SIDE, _SIDE, device="meta", dtype=dtype)
    try:
        values = node_values(shadow.steps()[:-1], image, ())
    except RuntimeError as error:
        raise ConfigError(
            f"the levels of {type(network).__name__} cannot be measured on an image of {in_channels} channels"
            f" ({error}): give the skeleton the in_channels of its space"
        ) from error
    return tuple(
        Level(names[node], node, value.shape[1], round(_SIDE / value.shape[2]))
        for node, value in sorted(values.items())
        if node in names
    )


def pyramid(levels: Iterable[Level]) -> tuple[Level, ...]:
    """Return the last level of each resolution, finest first."""
    last = {level.reduction: level for level in levels}
    return tuple(last[reduction] for reduction in sorted(last))
