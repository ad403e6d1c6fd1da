"""The bank: trained supernets with their scores, trained networks and measured rates, by what made them.

Studies that need the same find it there. Layout: ``supernets/KIND/SEED/`` (a run directory, ``record.json``,
``scores/``), ``networks/NAME-ID.json``, ``searches/ID/``, ``rates.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from trueshot.core.errors import RunError
from trueshot.core.files import read_json, replacing, write_json
from trueshot.core.run import RunDirectory
from trueshot.studies.setting import Kind

Scores = Float64[np.ndarray, " n"]


@dataclass(frozen=True)
class Entry:
    """One supernet of the bank."""

    path: Path

    @property
    def run(self) -> RunDirectory:
        """Where it is trained."""
        return RunDirectory(self.path)

    @property
    def record(self) -> Path:
        """What is known of its training; present when that is complete."""
        return self.path / "record.json"

    def scores_file(self, key: str) -> Path:
        """Return the file of scores; the key is a fingerprint of what was scored and how."""
        return self.path / "scores" / f"{key}.parquet"

    def scores(self, key: str) -> Scores:
        """Return scores that are there."""
        return np.asarray(pd.read_parquet(self.scores_file(key))["score"], dtype=np.float64)

    def keep(self, content: Mapping[str, Any]) -> None:
        """Write what a job found: scores by key first, for with the record the training counts as done."""
        for key, scores in content["scores"].items():
            with replacing(self.scores_file(key)) as temporary:
                pd.DataFrame({"score": scores}).to_parquet(temporary, index=False)
        before = read_json(self.record) if self.record.exists() else {"seconds": {}}
        spent = {**before["seconds"], **content["seconds"]}
        write_json(self.record, {**content["head"], "seconds": spent})


@dataclass(frozen=True)
class Bank:
    """The folder of all that studies train."""

    path: Path

    def supernet(self, kind: Kind, seed: int, images: str) -> Entry:
        """Return the place of a supernet, and note what kind it is.

        Args:
            kind: what decides its weights.
            seed: the rest of it.
            images: digest of the images.

        Raises:
            RunError: when the place holds supernets of other images of the same name.
        """
        folder = self.path / "supernets" / kind.identity
        note = folder / "kind.json"
        if not note.exists():
            write_json(note, {"label": kind.label, "images": images, "kind": kind.whole()})
        elif read_json(note)["images"] != images:
            raise RunError(f"{folder} holds supernets of other images named '{kind.source}': choose another --bank")
        return self.entry(kind, seed)

    def entry(self, kind: Kind, seed: int) -> Entry:
        """Return the place of a supernet, whatever is there."""
        return Entry(self.path / "supernets" / kind.identity / str(seed))

    def remembered(self, name: str, identity: str) -> Path:
        """Return the record of a stand-alone training."""
        return self.path / "networks" / f"{name}-{identity[:16]}.json"

    def rate(self, key: str, measure: Callable[[], float]) -> float:
        """Return the seconds of one unit of work as measured before, else measure them and remember."""
        path = self.path / "rates.json"
        rates = read_json(path)["rates"] if path.exists() else {}
        if key not in rates:
            rates[key] = measure()
            write_json(path, {"rates": rates})
        return float(rates[key])

    def learn(self, rates: Mapping[str, float]) -> None:
        """Remember rates of finished work in place of those of a few steps."""
        path = self.path / "rates.json"
        before = read_json(path)["rates"] if path.exists() else {}
        write_json(path, {"rates": {**before, **rates}})
