"""The architecture that the weights of a mixture favour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from trueshot.core.errors import ConfigError

if TYPE_CHECKING:
    from trueshot.spaces.space import Space


def favoured(space: Space, weights: Mapping[str, Any]) -> UInt8[np.ndarray, " decisions"]:
    """Return the options of most weight, summed over the keys of each decision's sites.

    Args:
        space: in which every site follows one decision.
        weights: for the key of each site one number for each candidate.

    Raises:
        ConfigError: when a key is missing or has another number of weights, or when sites follow several decisions.
        ArchitectureError: when the architecture is not valid.
    """
    totals = [np.zeros(size) for size in space.options]
    for site in {(site.key, site.decisions): site for site in space.all_sites}.values():
        if site.choose is not None:
            raise ConfigError(
                f"site '{site.key}' of space {space.name} follows several decisions: the space must say by its own"
                " 'derive' which architecture the weights of a mixture mean"
            )
        found = weights.get(site.key, ())
        values = np.asarray(found.detach().cpu() if hasattr(found, "detach") else found, dtype=np.float64)
        if values.shape != (len(site.candidates),):
            raise ConfigError(
                f"a mixture in space {space.name} has {len(site.candidates)} weights at site '{site.key}', not an"
                f" array of shape {values.shape}"
            )
        totals[space.genes[site.decision]] += values
    row = np.array([values.argmax() for values in totals], dtype=np.uint8)
    checked: UInt8[np.ndarray, " decisions"] = space.check(row[None])[0]
    return checked
