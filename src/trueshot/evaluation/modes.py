"""Modules in evaluation mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put all modules into evaluation mode inside the block and each into its own again after it."""
    training = []
    # Walking by Module.modules() and writing by its __setattr__ takes ten times as long, and supernets are large.
    waiting = [module]
    while waiting:
        inner = waiting.pop()
        waiting.extend(child for child in inner._modules.values() if child is not None)
        if inner.training:
            vars(inner)["training"] = False
            training.append(inner)
    try:
        yield
    finally:
        for inner in training:
            vars(inner)["training"] = True
