"""Stochastic gradient Langevin dynamics: samples of the weights around a trained optimum (ST-NAS, section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from trueshot.core.errors import ConfigError


class SGLD(torch.optim.Optimizer):
    """One step: ``w <- w - lr * (gradient + weight_decay * w) + sqrt(2 * lr * temperature) * normal noise``.

    With the gradient of a *mean* loss over N training images, temperature ``1 / N`` samples the posterior
    ``exp(-N * loss(w) - N * weight_decay / 2 * |w|^2)``. Temperature 1 is Eq. 9 of ST-NAS to the letter: the variance
    is then N times that of the posterior, which destroys the weights. Temperature 0 is plain SGD.

    Only parameters that have a gradient move, so that neither decay nor noise reaches weights outside the sampled
    architecture; buffers (BatchNorm statistics) are no parameters and get no noise.

    Args:
        params: parameters or parameter groups; a group may set its own ``lr``, ``temperature``, ``weight_decay``.
        lr: step size, above zero; constant in ST-NAS (its final learning rate, 2.5e-4).
        temperature: 0 or more; ``1 / N`` for N training images.
        generator: source of the noise, on the device of the parameters. Before each step a training puts a fresh one in
            its place, from the random stream that ``stream`` names.
        weight_decay: L2 decay, 0 or more: a Gaussian prior of precision ``N * weight_decay``.

    Raises:
        ConfigError: when a value is out of range.
    """

    stream = "sgld/noise"

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        *,
        temperature: float,
        generator: torch.Generator,
        weight_decay: float = 0.0,
    ) -> None:
        self.generator = generator
        super().__init__(params, {"lr": lr, "temperature": temperature, "weight_decay": weight_decay})
        for group in self.param_groups:
            if not group["lr"] > 0 or not group["temperature"] >= 0 or not group["weight_decay"] >= 0:
                raise ConfigError(
                    f"SGLD needs lr above 0, temperature and weight_decay of 0 or more, not lr {group['lr']},"
                    f" temperature {group['temperature']}, weight_decay {group['weight_decay']}"
                )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient; return what ``closure`` returned, if one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            scale = math.sqrt(2.0 * group["lr"] * group["temperature"])
            for parameters in _alike(group["params"]):
                gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
                if group["weight_decay"]:
                    gradients = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
                torch._foreach_add_(parameters, gradients, alpha=-group["lr"])
                if scale:
                    torch._foreach_add_(parameters, _noise(parameters, self.generator), alpha=scale)
        return loss


def _noise(parameters: Sequence[Tensor], generator: torch.Generator) -> list[Tensor]:
    """Draw standard normal noise for each parameter: one draw for all, which is many times faster than one each."""
    first, sizes = parameters[0], [parameter.numel() for parameter in parameters]
    drawn = torch.randn(sum(sizes), generator=generator, device=first.device, dtype=first.dtype)
    return [_shaped_like(parameter, part) for part, parameter in zip(drawn.split(sizes), parameters, strict=True)]


def _shaped_like(parameter: Tensor, values: Tensor) -> Tensor:
    """View ``values`` in the shape of the parameter and, for speed, in its memory layout."""
    if parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last):
        return values.as_strided(parameter.shape, parameter.stride())
    return values.view(parameter.shape)


def _alike(parameters: Iterable[Tensor]) -> list[list[Tensor]]:
    """Group the parameters that have a gradient by device and type, in order."""
    groups: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for parameter in parameters:
        if parameter.grad is not None:
            groups.setdefault((parameter.device, parameter.dtype), []).append(parameter)
    return list(groups.values())
