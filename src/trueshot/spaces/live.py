"""Costs of what is run: parameters and multiply-adds without what leads nowhere."""

from __future__ import annotations

import functools
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from trueshot.spaces.costs import Costs
from trueshot.spaces.space import Space


@runtime_checkable
class Prunes(Protocol):
    """A space that can say which architecture is the same function with nothing that leads nowhere."""

    def prune(self, archs: UInt8[np.ndarray, "n decisions"]) -> UInt8[np.ndarray, "n decisions"]:
        """Return the architectures with ``none`` on every edge that leads nowhere."""


def live_costs(space: Space, archs: UInt8[np.ndarray, "n decisions"]) -> Costs:
    """Return parameters and MAdds of what each architecture runs, by the convention of the space otherwise.

    Where nothing can be dropped in a structure that all architectures share, these are the costs themselves; a space
    that prunes is asked; of any other, the network of each architecture is walked.
    """
    if isinstance(space, Prunes):
        return space.cost(space.prune(archs))
    if space.is_static and not space.droppable.any():
        return space.cost(archs)
    both = np.array([_walk(space, tuple(row)) for row in space.check(archs).tolist()], dtype=np.int64).reshape(-1, 2)
    return Costs(params=both[:, 0].copy(), madds=both[:, 1].copy())


@functools.lru_cache(maxsize=2**16)
def _walk(space: Space, row: tuple[int, ...]) -> tuple[int, int]:
    """Return parameters and MAdds of what one architecture runs."""
    from trueshot.spaces.assembly import network
    from trueshot.spaces.counting import count_madds
    from trueshot.spaces.meta import on_meta

    with on_meta():
        built = network(space, row)
        run: dict[int, int] = {}

        def note(module: object, *_: object) -> None:
            for parameter in module._parameters.values():  # type: ignore[attr-defined]
                if parameter is not None:
                    run[id(parameter)] = parameter.numel()

        handles = [module.register_forward_hook(note) for module in built.modules()]
        madds = count_madds(built, space.input_shape, space.convention)
        for handle in handles:
            handle.remove()
    return sum(run.values()), madds
