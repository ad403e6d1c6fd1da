"""The truth about the architectures that a ranking scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.errors import ConfigError, DataError
from trueshot.core.random import Streams
from trueshot.evaluation.proxies.names import COSTS, LIVE, PROXIES
from trueshot.evaluation.truth import TruthTable, rows_of
from trueshot.spaces import Space
from trueshot.strategies.rankings.config import RankingOptions

FREE = (*COSTS, *LIVE, *PROXIES)
"""Baselines that need no table."""


@dataclass(frozen=True)
class Truth:
    """The truth about the architectures to score.

    Attributes:
        archs: ``(n, decisions)``.
        values: of the column, ``(n,)``, higher is better.
        others: values of the columns among the baselines, ``(n,)`` each, NaN where there is none.
        short: values of the column that stands for short trainings, ``(n,)``, ``None`` without one.
    """

    archs: UInt8[np.ndarray, "n decisions"]
    values: Float64[np.ndarray, " n"]
    others: dict[str, Float64[np.ndarray, " n"]]
    short: Float64[np.ndarray, " n"] | None = None

    @classmethod
    def read(
        cls,
        path: Path,
        column: str,
        space: Space,
        options: RankingOptions,
        streams: Streams,
        *,
        short: str | None = None,
        costs: Sequence[str] = (),
    ) -> Truth:
        """Read the column, draw the architectures where not all are scored, and find the baselines' columns.

        Args:
            path: the table.
            column: the truth.
            space: of the architectures.
            options: of the ranking.
            streams: source of the draw.
            short: column that stands for short trainings.
            costs: names of what is no column, beside those that every space has.

        Raises:
            DataError: when file or column is absent, an architecture is none of the space, or the column for short
                trainings lacks one.
            ConfigError: when a baseline is neither a cost, nor a proxy, nor a column.
        """
        table = TruthTable.read(path)
        values = table.column(column)
        free = tuple(dict.fromkeys((*FREE, *costs)))
        for name in options.baselines:
            if name not in (*free, *table.columns):
                raise ConfigError(f"unknown baseline '{name}': choose {', '.join(free)}, or a column of {path}")
        known = np.flatnonzero(~np.isnan(values))
        if len(known) < 10:
            raise DataError(f"{path} knows column {column} of {len(known)} architectures only: 10 are needed at least")
        wanted = options.architectures
        if wanted is not None and wanted < len(known):
            known = np.sort(streams.numpy("ranking/architectures").choice(known, wanted, replace=False))
        archs = rows_of([table.architectures[index] for index in known], space)
        others = {name: table.column(name)[known] for name in options.baselines if name not in free}
        looked_up = None if short is None else table.column(short)[known]
        if looked_up is not None and (lacking := int(np.isnan(looked_up).sum())):
            raise DataError(
                f"column {short} of {path} stands for short trainings and lacks {lacking:,} of {len(known):,}"
                " architectures: name another, or leave --short-column out"
            )
        return cls(archs, values[known], others, looked_up)
