"""What parts give, a user's own among them, is looked at where it enters, before anything is trained on it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch

from trueshot.core.errors import ConfigError
from trueshot.core.own import checked_numbers, name_of
from trueshot.core.random import Streams
from trueshot.sampling import Sampler
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions
from trueshot.spaces.counting import check_logits
from trueshot.spaces.own import checked_rows
from trueshot.strategies.protocol import Found
from trueshot.strategies.setup import Context

_DRAWN = 2


def check_sampler(sampler: Sampler, space: Space) -> None:
    """Draw a few architectures as a trial.

    Raises:
        ConfigError: when the sampler draws anything else.
    """
    name = name_of(sampler)
    rows = checked_rows(sampler.sample(_DRAWN, Streams(0).numpy("a trial")), space, f"sampler {name} drew")
    if len(rows) != _DRAWN:
        raise ConfigError(f"sampler {name} drew {len(rows)} architectures where {_DRAWN} were asked for: correct it")


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
        check_logits(final.network(final.sample(1, 0)[0]).eval()(torch.zeros(1, *final.input_shape)), 1, space)


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
    shape = np.shape(found.scores)
    if not len(rows) or shape != (len(rows),):
        raise ConfigError(
            f"strategy {kind} found {len(rows)} architectures with scores of shape {shape}: `run` must"
            " return at least one, and a score for each"
        )
    scores = checked_numbers(
        found.scores, len(rows), f"strategy {kind} found scores of", lambda index: context.space.format(rows[index])
    )
    kept: Found = found
    if not _same(found.archs, rows) or not _same(found.scores, scores):
        kept = dataclasses.replace(found, archs=rows, scores=scores)
    if not context.bounds:
        return kept
    inside = context.bounds.contains(context.costs.only(list(context.bounds))(rows))
    if not inside.any():
        raise ConfigError(
            f"none of the {len(rows)} architectures that strategy {kind} found is inside the bounds: have it mind"
            " `context.bounds`, or leave the bounds out"
        )
    if inside.all():
        return kept
    standing = None if kept.standing is None else kept.standing[inside]
    return dataclasses.replace(kept, archs=rows[inside], scores=scores[inside], standing=standing)


def _same(given: Any, checked: np.ndarray) -> bool:
    """Return whether a value is an array of the type that it was checked to be."""
    return isinstance(given, np.ndarray) and given.dtype == checked.dtype
