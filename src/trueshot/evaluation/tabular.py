"""Scores read from a table instead of trained."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from jaxtyping import Float64, UInt8

from trueshot.core.errors import DataError
from trueshot.core.fingerprint import fingerprint
from trueshot.evaluation.truth import TruthTable
from trueshot.spaces import Space


@final
class TabularEvaluator:
    """Looks architectures up in a column of a table.

    Args:
        table: the table.
        space: the space of the architectures.
        column: a column of the table's wide view.
        rule: canonical rule of the space. Under ``literal`` an architecture has its own value; under another rule all
            twins share one, the mean over those of them that the table holds, so that twins of what was measured can
            be looked up too.

    Raises:
        DataError: when the table has no such column, or holds an architecture that is none of the space.
        ConfigError: when the space has no such rule.
    """

    def __init__(self, table: TruthTable, space: Space, column: str, *, rule: str = "literal") -> None:
        rows, values = table.on(space, column)
        keys, inverse = np.unique(space.canonical(rows, rule), axis=0, return_inverse=True)
        means = np.bincount(inverse, weights=values) / np.bincount(inverse)
        self.space = space
        self.column = column
        self.rule = rule
        self._values = {key.tobytes(): float(value) for key, value in zip(keys, means, strict=True)}
        self._digest = fingerprint("tabular", column, rule, torch.from_numpy(keys), torch.from_numpy(means))

    @property
    def digest(self) -> str:
        """Fingerprint of the column, the rule and all values."""
        return self._digest

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Look every architecture up.

        Raises:
            DataError: naming the first that the table does not hold, and their number.
        """
        found = [self._values.get(row.tobytes()) for row in self.space.canonical(archs, self.rule)]
        missing = [position for position, value in enumerate(found) if value is None]
        if missing:
            raise DataError(
                f"the truth has no {self.column} for {len(missing)} of {len(found)} architectures, the first"
                f" '{self.space.format(archs[missing[0]])}': restrict the search to what was measured"
            )
        return np.array(found, dtype=np.float64)
