"""The scores of supernets, the truth and what else is known of architectures: the material of rankings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from trueshot.core.random import Streams


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """What was measured: the material of an analysis.

    Attributes:
        archs: as strings; ``costs``: MAdds and parameters of the networks themselves.
        labels: class of twins of each, from 0.
        truth: by name, higher is better; NaN where it is not known.
        scores: by condition and column, ``(supernets, architectures)``; supernets of one number have one seed.
        records: by condition, what is known of the training of each supernet.
        epochs: by condition.
        data: of the images.
        seconds: of all trainings and scores.
        streams: of the study's own draws.
        resamples: of bootstrap intervals.
    """

    archs: tuple[str, ...]
    costs: Mapping[str, Float64[np.ndarray, " n"]]
    labels: Int64[np.ndarray, " n"]
    truth: Mapping[str, Float64[np.ndarray, " n"]]
    scores: Mapping[tuple[str, str], Float64[np.ndarray, "s k"]]
    records: Mapping[str, Sequence[Mapping[str, Any]]]
    epochs: Mapping[str, int]
    data: Mapping[str, Any]
    seconds: float
    streams: Streams
    resamples: int = 1000

    @property
    def seeds(self) -> int:
        """Supernets of each condition."""
        return len(next(iter(self.scores.values())))

    def columns(self, condition: str, way: str) -> list[tuple[int, Float64[np.ndarray, "s k"]]]:
        """Return epochs and scores of a way that scores at several epochs, oldest first."""
        found = [
            (int(name.rpartition("@")[2]), values)
            for (of, name), values in self.scores.items()
            if of == condition and name.rpartition("@")[0] == way
        ]
        return sorted(found, key=lambda pair: pair[0])

    def table(self) -> pd.DataFrame:
        """Return a row for each architecture, with a column for each truth and each supernet's score (float32)."""
        table = pd.DataFrame({"arch": self.archs, "class": self.labels, **self.costs, **self.truth})
        made = {}
        for (condition, name), values in self.scores.items():
            for number, row in enumerate(values):
                made[f"{condition}/{name}/{number}"] = np.pad(
                    row.astype(np.float32), (0, len(table) - len(row)), constant_values=np.nan
                )
        return pd.concat([table, pd.DataFrame(made)], axis=1)
