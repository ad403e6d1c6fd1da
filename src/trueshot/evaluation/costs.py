"""Costs as scores: what a ranking must beat to be worth its training."""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.fingerprint import fingerprint
from trueshot.evaluation.proxies.names import LIVE
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions, standard_costs
from trueshot.spaces.description import plain
from trueshot.spaces.live import live_costs


@final
class CostScore:
    """Scores an architecture by one of its costs, such as its number of parameters: the larger, the better.

    Args:
        space: of the architectures.
        metric: name of the cost; ``params-live`` and ``madds-live`` count what is run alone.
        costs: of the space; the standard ones by default.

    Raises:
        ConfigError: when there is no such cost.
    """

    def __init__(self, space: Space, metric: str = "params", costs: CostFunctions | None = None) -> None:
        self.space, self.metric = space, metric
        self._live = metric.removesuffix("-live") if metric in LIVE else None
        self._cost = (costs or standard_costs(space))[self._live or metric]

    @property
    def digest(self) -> str:
        """Fingerprint of space and cost."""
        return fingerprint("cost 2", self.metric, plain(self.space))

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Count for every architecture."""
        if self._live is not None:
            return np.asarray(live_costs(self.space, archs)[self._live], dtype=np.float64)
        return np.asarray(self._cost(archs), dtype=np.float64)
