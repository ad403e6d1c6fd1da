"""What parts give, a user's own among them, is looked at where it enters, before anything is trained on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from trueshot.core.errors import ArchitectureError, ConfigError
from trueshot.core.random import Streams
from trueshot.sampling import Sampler
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions
from trueshot.strategies.protocol import Found
from trueshot.strategies.setup import Context

_DRAWN = 2


def checked_rows(rows: Any, space: Space, told: str) -> UInt8[np.ndarray, "n decisions"]:
    """Return architectures that a part gave.

    Args:
        rows: what it gave.
        space: whose architectures they must be.
        told: what the part is and did, for the message, such as ``"sampler Mine drew"``.

    Raises:
        ConfigError: when they are no architectures of the space.
    """
    try:
        return space.check(rows)
    except (ArchitectureError, TypeError, ValueError) as error:
        raise ConfigError(f"{told} what is no batch of architectures: {error}") from None


def check_sampler(sampler: Sampler, space: Space) -> None:
    """Draw a few architectures as a trial.

    Raises:
        ConfigError: when the sampler draws anything else.
    """
    name = type(sampler).__name__
    rows = checked_rows(sampler.sample(_DRAWN, Streams(0).numpy("a trial")), space, f"sampler {name} drew")
    if len(rows) != _DRAWN:
        raise ConfigError(f"sampler {name} drew {len(rows)} architectures where {_DRAWN} were asked for: mend `sample`")


def check_costs(costs: CostFunctions) -> None:
    """Cost a few architectures as a trial: what is no bound is called only at the end of a search otherwise.

    Raises:
        ConfigError: naming a cost that gives anything but a finite number for each.
    """
    costs(costs.space.sample(_DRAWN, 0))


def check_head(space: Space) -> None:
    """Run one network on an image: a head of other classes trains, and names the wrong ones.

    Raises:
        ConfigError: when it does not give a logit for each class.
    """
    final = space.final()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        logits = final.network(final.sample(1, 0)[0]).eval()(torch.zeros(1, *final.input_shape))
    shape = tuple(getattr(logits, "shape", ()))
    if shape != (1, space.classes):
        raise ConfigError(
            f"a network of space {space.name} gives {shape[-1] if shape else 'no'} logits for {space.classes} classes"
            f" (shape {shape} for one image): let its head have self.classes outputs"
        )


def checked_found(found: Any, kind: str, context: Context) -> Found:
    """Return what a strategy found inside the bounds; what lies outside is left out.

    Args:
        found: what its ``run`` returned.
        kind: its name.
        context: with space, costs and bounds.

    Raises:
        ConfigError: when it is no :class:`Found`, is empty or wholly outside the bounds, or its architectures and
            scores do not belong together.
    """
    if not isinstance(found, Found):
        raise ConfigError(f"strategy {kind} ended with {type(found).__name__}: `run` must return a strategies.Found")
    rows = checked_rows(found.archs, context.space, f"strategy {kind} found")
    if not len(rows) or found.scores.shape != (len(rows),):
        raise ConfigError(
            f"strategy {kind} found {len(rows)} architectures with scores of shape {found.scores.shape}: `run` must"
            " return at least one, and a score for each"
        )
    if not context.bounds:
        return found
    inside = context.bounds.contains(context.costs.only(list(context.bounds))(rows))
    if not inside.any():
        raise ConfigError(
            f"none of the {len(rows)} architectures that strategy {kind} found is inside the bounds: have it mind"
            " `context.bounds`, or leave the bounds out"
        )
    if inside.all():
        return found
    standing = None if found.standing is None else found.standing[inside]
    return replace(found, archs=rows[inside], scores=found.scores[inside], standing=standing)
