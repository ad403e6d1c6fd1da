"""Adding a vector to a site's input at no cost: what comes before shifts its output instead.

A pass over the input, and one over its gradient, become an addition of two vectors wherever the value between two
sites has one writer and one reader.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from trueshot.spaces.steps import AnyStep, Concatenate, Step


@runtime_checkable
class ShiftsInput(Protocol):
    """A placed module that may do no more than add a vector to the input of another."""

    def opened(self) -> tuple[nn.Module, nn.Module] | None:
        """Return the two modules ``inner`` and ``vector``, or ``None`` if it does something else.

        ``self(x, arch)`` is ``inner(x + vector(arch), arch)`` for every architecture that connects here; vectors are
        ``(channels, 1, 1)``.
        """


@runtime_checkable
class ShiftsOutput(Protocol):
    """A placed module that can add a vector to its output by shifting its last BatchNorm layer."""

    @property
    def takes_shift(self) -> bool:
        """Whether ``self(x, arch, vector)`` is ``self(x, arch) + vector`` for every architecture."""


class _Shifting(nn.Module):
    """A site that adds to its output what the next one would add to its input."""

    def __init__(self, site: nn.Module, vector: nn.Module) -> None:
        super().__init__()
        self.site, self.vector = site, vector

    def forward(self, x: Tensor, arch: Sequence[int]) -> Tensor:
        output: Tensor = self.site(x, arch, self.vector(arch))
        return output


def fold(steps: Sequence[AnyStep]) -> tuple[AnyStep, ...] | None:
    """Return steps that compute the same in fewer passes, up to rounding, or ``None`` where nothing can be saved."""
    readers = Counter(source for step in steps for source in _sources(step))
    writers = Counter(step.target for step in steps)
    applied = {number: step for number, step in enumerate(steps) if isinstance(step, Step)}
    writer_of = {step.target: number for number, step in applied.items() if step.placed}
    opened = {n: step.module.opened() if isinstance(step.module, ShiftsInput) else None for n, step in applied.items()}
    modules = {number: step.module for number, step in applied.items()}
    vectors: dict[int, nn.Module] = {}
    for number, step in applied.items():
        parts = opened[number]
        if parts is None or (readers[step.source], writers[step.source]) != (1, 1) or step.source not in writer_of:
            continue
        inner, vector = parts
        writer = writer_of[step.source]
        # The writer itself may add a vector to its input; what is inside it makes the output.
        maker, _ = opened[writer] or (modules[writer], None)
        if isinstance(maker, ShiftsOutput) and maker.takes_shift:
            modules[number], vectors[writer] = inner, vector
    if not vectors:
        return None
    for number, vector in vectors.items():
        modules[number] = _Shifting(modules[number], vector)
    return tuple(
        step._replace(module=modules[number]) if isinstance(step, Step) else step for number, step in enumerate(steps)
    )


def _sources(step: AnyStep) -> tuple[int, ...]:
    return step.sources if isinstance(step, Concatenate) else (step.source,)
