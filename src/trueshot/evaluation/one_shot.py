"""Scores of architectures by the shared weights of a supernet."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from typing import final

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor
from torch.nn import functional as F

from trueshot.core.errors import DataError, TrainingError
from trueshot.core.fingerprint import fingerprint
from trueshot.evaluation.config import Metric as Metric
from trueshot.evaluation.modes import evaluating
from trueshot.evaluation.recalibration import RUNNING, Batch, Recalibration, Statistics, arrange, take
from trueshot.evaluation.sweep import MEMORY, Row, Sweep, widest
from trueshot.sharing import Supernet
from trueshot.spaces.description import plain
from trueshot.spaces.steps import Stepwise

_VALUES = 8
"""Work is shared where so many values of a node fit in memory."""


@final
class OneShot:
    """Runs each architecture of a supernet on validation images (ST-NAS, Eq. 6), after BatchNorm recalibration.

    Scores are the accuracy in [0, 1] or the negated mean cross-entropy in nats. They follow the weights that the
    supernet has when it is called, and leave weights, running statistics and modes of its modules as they were; dropout
    is off throughout. All batches are read once, when the evaluator is made, and kept on their device. What several
    architectures of a call have in common is computed once (:mod:`trueshot.evaluation.sweep`).

    Args:
        supernet: the shared weights.
        validation: what is scored on.
        calibration: training batches for the modes of ``recalibration`` that need them; may be an endless stream.
        recalibration: where BatchNorm statistics come from.
        metric: ``accuracy``, or ``loss``, which also ranks networks that are right equally often.
        precision: type of the arithmetic; below float32 by autocast.

    Raises:
        DataError: when there are no validation images, or no training images where they are needed.
    """

    def __init__(
        self,
        supernet: Supernet,
        validation: Iterable[Batch],
        *,
        calibration: Iterable[Batch] = (),
        recalibration: Recalibration = RUNNING,
        metric: Metric = "accuracy",
        precision: torch.dtype = torch.float32,
    ) -> None:
        batches = list(validation)
        if not sum(len(labels) for _, labels in batches):
            raise DataError("there are no validation images to score on: give at least one batch")
        self.supernet, self.recalibration, self.metric, self.precision = supernet, recalibration, metric, precision
        self.validation = arrange(recalibration, batches)
        self.calibration = take(recalibration, calibration)
        self._images = sum(len(labels) for _, labels in batches)
        self._statistics = Statistics(recalibration)
        self._spoils: dict[Hashable, bool] = {}

    @property
    def digest(self) -> str:
        """Fingerprint of the present weights, the batches and the settings; reads all weights."""
        settings = (self.recalibration.plain(), self.metric, self.precision, plain(self.supernet.space))
        return fingerprint("one-shot 2", settings, self._data_digest, self.supernet.state_dict())

    @cached_property
    def _data_digest(self) -> str:
        return fingerprint(self.calibration, self.validation)

    def __call__(self, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
        """Score every architecture.

        Raises:
            ArchitectureError: when a row is none of the space.
            TrainingError: when an architecture gives logits that are not finite, naming it.
        """
        rows = self.supernet.space.check(archs)
        if not len(rows):
            return np.empty(0, dtype=np.float64)
        device = self.validation[0][0].device
        autocast = torch.autocast(device.type, self.precision, enabled=self.precision != torch.float32)
        with evaluating(self.supernet), torch.inference_mode(), autocast:
            # Scores are read off the device once, so that it never waits between architectures.
            totals, finite = (torch.stack(parts).cpu() for parts in zip(*self._scores(rows), strict=True))
        if not finite.all():
            first = int(finite.int().argmin())
            raise TrainingError(
                f"{int((~finite).sum())} of {len(rows)} architectures give logits that are not finite, the first"
                f" {self.supernet.space.format(rows[first])}: the weights are broken; train at a lower learning rate or"
                " sample at a lower temperature"
            )
        return totals.double().numpy() / self._images

    def _scores(self, archs: UInt8[np.ndarray, "n decisions"]) -> list[tuple[Tensor, Tensor]]:
        """Return for each architecture the score summed over the images, and whether all logits are finite."""
        rows: list[Row] = [tuple(row) for row in archs.tolist()]
        parts: list[list[tuple[Tensor, Tensor]]] = [[] for _ in rows]
        groups = self._groups(rows)
        for batches in groups:
            images = [images for images, _ in batches]
            sweep = Sweep(self.supernet, self.calibration, images, self._statistics, self._memory, self._spoils)
            for positions, outputs in sweep(rows):
                found = [self._measure(logits, labels) for logits, (_, labels) in zip(outputs, batches, strict=True)]
                for position in positions:
                    parts[position].extend(found)
        if not groups:
            parts = [self._alone(row) for row in rows]
        return [
            (torch.stack(totals).sum(), torch.stack(finite).all())
            for totals, finite in (zip(*part, strict=True) for part in parts)
        ]

    def _groups(self, rows: Sequence[Row]) -> list[list[Batch]]:
        """Return the validation batches in groups that fit in memory together; none where sharing is of no use."""
        if len(rows) < 2 or not isinstance(self.supernet.body, Stepwise):
            return []
        images = self.validation[0][0]
        room = self._memory // (_VALUES * widest(self.supernet, rows[0], images))
        if self.calibration and len(torch.cat(self.calibration)) + self._images > room:
            return []
        groups: list[list[Batch]] = []
        for batch in self.validation:
            if groups and sum(len(labels) for _, labels in (*groups[-1], batch)) <= room:
                groups[-1].append(batch)
            else:
                groups.append([batch])
        return groups

    @property
    def _memory(self) -> int:
        device = self.validation[0][0].device
        return torch.cuda.mem_get_info(device)[0] // 4 if device.type == "cuda" else MEMORY

    def _alone(self, row: Row) -> list[tuple[Tensor, Tensor]]:
        """Score one architecture batch by batch."""
        context = self.supernet.context_of(row)
        norms = self.supernet.active(*context).norms
        with self._statistics.recalibrated(norms, self.calibration, lambda images: self.supernet(images, *context)):
            return [self._measure(self.supernet(images, *context), labels) for images, labels in self.validation]

    def _measure(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = logits.float()
        if self.metric == "accuracy":
            total = (logits.argmax(dim=1) == labels).sum()
        else:
            total = -F.cross_entropy(logits, labels, reduction="sum")
        return total, logits.isfinite().all()
