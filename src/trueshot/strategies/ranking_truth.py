"""The truth about the architectures that a ranking scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.errors import ConfigError, DataError
from trueshot.core.random import Streams
from trueshot.evaluation.proxies.names import COSTS, LIVE, PROXIES
from trueshot.evaluation.truth import TruthTable, rows_of
from trueshot.spaces import Space
from trueshot.strategies.rank_config import RankingOptions

FREE = (*COSTS, *LIVE, *PROXIES)
"""Baselines that need no table."""


@dataclass(frozen=True)
class Truth:
    """The truth about the architectures to score.

    Attributes:
        archs: ``(n, decisions)``.
        values: of the column, ``(n,)``, higher is better.
        others: values of the columns among the baselines, ``(n,)`` each, NaN where there is none.
    """

    archs: UInt8[np.ndarray, "n decisions"]
    values: Float64[np.ndarray, " n"]
    others: dict[str, Float64[np.ndarray, " n"]]

    @classmethod
    def read(cls, path: Path, column: str, space: Space, options: RankingOptions, streams: Streams) -> Truth:
        """Read the column, draw the architectures where not all are scored, and find the baselines' columns.

        Raises:
            DataError: when file or column is absent, or an architecture is none of the space.
            ConfigError: when a baseline is neither a cost, nor a proxy, nor a column.
        """
        table = TruthTable.read(path)
        values = table.column(column)
        for name in options.baselines:
            if name not in (*FREE, *table.columns):
                raise ConfigError(f"unknown baseline '{name}': choose {', '.join(FREE)}, or a column of {path}")
        known = np.flatnonzero(~np.isnan(values))
        if len(known) < 10:
            raise DataError(f"{path} knows column {column} of {len(known)} architectures only: 10 are needed at least")
        wanted = options.architectures
        if wanted is not None and wanted < len(known):
            known = np.sort(streams.numpy("ranking/architectures").choice(known, wanted, replace=False))
        archs = rows_of([table.architectures[index] for index in known], space)
        others = {name: table.column(name)[known] for name in options.baselines if name not in FREE}
        return cls(archs, values[known], others)
