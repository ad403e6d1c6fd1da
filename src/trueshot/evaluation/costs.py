"""Costs as scores: what a ranking must beat to be worth its training."""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.errors import ConfigError
from trueshot.evaluation.fingerprint import fingerprint
from trueshot.spaces import Space


@final
class CostScore:
    """Scores an architecture by its number of parameters or its MAdds: the larger, the better.

    Raises:
        ConfigError: when there is no such cost.
    """

    def __init__(self, space: Space, metric: str = "params") -> None:
        if metric not in ("params", "madds"):
            raise ConfigError(f"'{metric}' is no cost: choose params or madds")
        self.space, self.metric = space, metric

    @property
    def digest(self) -> str:
        """Fingerprint of space and cost."""
        return fingerprint("cost 1", self.metric, repr((self.space.name, self.space.arguments())))

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Count for every architecture."""
        costs = self.space.cost(archs)
        counted = costs.params if self.metric == "params" else costs.madds
        return np.asarray(counted, dtype=np.float64)
