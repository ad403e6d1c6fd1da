"""Modules without values: built and run on the meta device for the names, shapes and numbers that they have.

PyTorch has kernels for that device that are written in Python. The first of them imports the compiler, which takes
seconds, and each takes long. What spaces are made of follows from the shapes of the arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_FILL = {"normal_", "uniform_", "trunc_normal_", "zero_", "fill_", "copy_", "add_", "mul_", "__iadd__"}
_ACTIVATIONS = {"relu", "relu_", "relu6", "hardtanh", "hardtanh_", "clamp", "clamp_", "silu", "sigmoid", "hardswish"}
_UNCHANGED = _FILL | _ACTIVATIONS | {"batch_norm", "dropout"}


def _empty(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta")


def _broadcast(first: Any, second: Any) -> Tensor:
    shapes = (torch.Size() if not isinstance(value, Tensor) else value.shape for value in (first, second))
    return _empty(*torch.broadcast_shapes(*shapes))


def _cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    shape = list(tensors[0].shape)
    shape[dim] = sum(tensor.shape[dim] for tensor in tensors)
    return _empty(*shape)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return _empty(*x.shape[:-1], weight.shape[0])


def _adaptive(x: Tensor, size: int | Sequence[int | None]) -> Tensor:
    wanted = (size, size) if isinstance(size, int) else size
    return _empty(*x.shape[:-2], *(old if new is None else new for new, old in zip(wanted, x.shape[-2:], strict=True)))


_RULES: Mapping[str, Callable[..., Tensor]] = {
    **dict.fromkeys(("add", "sub", "mul", "__add__", "__radd__", "__mul__", "__rmul__", "__sub__"), _broadcast),
    "cat": _cat,
    "linear": _linear,
    "adaptive_avg_pool2d": _adaptive,
}


class _Shapes(TorchFunctionMode):
    """Answers by the shape alone where all tensors are on the meta device; else PyTorch answers."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        # Initialisers arrive with all their arguments by name.
        first = args[0] if args else given.get("tensor")
        sample = first[0] if isinstance(first, list | tuple) and first else first
        if isinstance(sample, Tensor) and sample.is_meta:
            name = getattr(func, "__name__", "")
            if name in _UNCHANGED or getattr(func, "__module__", None) == "torch.nn.init":
                return first
            if name in _RULES and set(given) <= {"dim", "bias"}:
                return _RULES[name](*args, **given)
        return func(*args, **given)


@contextmanager
def on_meta() -> Iterator[None]:
    """Build and run modules on the meta device inside the block, without gradients."""
    with torch.no_grad(), torch.device("meta"), _Shapes():
        yield
