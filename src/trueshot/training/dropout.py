"""Dropout in front of the classifier, drawn by step so that a resumed training draws the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from trueshot.core.errors import ConfigError
from trueshot.core.random import Streams


class ClassifierDropout:
    """Drops each input of the last linear layer with one probability, while it is switched on.

    Dropout that a network has of its own is not touched.

    Args:
        module: network or supernet.
        rate: probability of a feature to be dropped, 0 or more and below 1; the others are scaled up by
            ``1 / (1 - rate)``.
        streams: source of the draws.

    Raises:
        ConfigError: when ``rate`` is above 0 and the module has no linear layer.
    """

    def __init__(self, module: nn.Module, rate: float, streams: Streams) -> None:
        linear = [inner for inner in module.modules() if isinstance(inner, nn.Linear)]
        if rate > 0 and not linear:
            raise ConfigError("training option dropout needs a linear classifier: this network has none, set it to 0")
        self._classifier, self._rate, self._streams = linear[-1] if linear else None, rate, streams

    @contextmanager
    def __call__(self, *counters: int) -> Iterator[None]:
        """Switch it on inside the block; equal counters draw the same."""
        if self._rate == 0 or self._classifier is None:
            yield
            return
        device = self._classifier.weight.device
        generator = self._streams.torch("classifier-dropout", *counters, device=device)

        def drop(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            features: Tensor = inputs[0]
            kept = torch.rand(features.shape, generator=generator, device=device) >= self._rate
            return features * kept / (1 - self._rate), *inputs[1:]

        handle = self._classifier.register_forward_pre_hook(drop)
        try:
            yield
        finally:
            handle.remove()
