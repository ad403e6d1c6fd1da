"""Scores of architectures by the shared weights of a supernet."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor
from torch.nn import functional as F

from trueshot.core.errors import DataError, TrainingError
from trueshot.evaluation.fingerprint import fingerprint
from trueshot.evaluation.modes import evaluating
from trueshot.evaluation.recalibration import RUNNING, Batch, Recalibration, Statistics
from trueshot.sharing import Supernet

Metric = Literal["accuracy", "loss"]


@final
class OneShot:
    """Runs each architecture of a supernet on validation images (ST-NAS, Eq. 6), after BatchNorm recalibration.

    Scores are the accuracy in [0, 1] or the negated mean cross-entropy in nats. They follow the weights that the
    supernet has when it is called, and leave weights, running statistics and modes of its modules as they were; dropout
    is off throughout. All batches are read once, when the evaluator is made, and kept on their device.

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
        self.validation = recalibration.arrange(batches)
        self.calibration = recalibration.take(calibration)
        self._images = sum(len(labels) for _, labels in batches)
        self._statistics = Statistics(recalibration)

    @property
    def digest(self) -> str:
        """Fingerprint of the present weights, the batches and the settings; reads all weights."""
        space = self.supernet.space
        settings = repr((self.recalibration, self.metric, self.precision, space.name, space.arguments()))
        return fingerprint("one-shot 1", settings, self._data_digest, self.supernet.state_dict())

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
            totals, finite = (torch.stack(parts).cpu() for parts in zip(*map(self._score, rows), strict=True))
        if not finite.all():
            first = int(finite.int().argmin())
            raise TrainingError(
                f"{int((~finite).sum())} of {len(rows)} architectures give logits that are not finite, the first"
                f" {self.supernet.space.format(rows[first])}: the weights are broken; train at a lower learning rate or"
                " sample at a lower temperature"
            )
        return totals.double().numpy() / self._images

    def _score(self, row: UInt8[np.ndarray, " decisions"]) -> tuple[Tensor, Tensor]:
        """Return the score summed over the images, and whether all logits are finite."""
        arch = tuple(map(int, row))
        totals, finite = [], []
        norms = self.supernet.active(arch).norms
        with self._statistics.recalibrated(norms, self.calibration, lambda images: self.supernet(images, arch)):
            for images, labels in self.validation:
                logits = self.supernet(images, arch).float()
                finite.append(logits.isfinite().all())
                if self.metric == "accuracy":
                    totals.append((logits.argmax(dim=1) == labels).sum())
                else:
                    totals.append(-F.cross_entropy(logits, labels, reduction="sum"))
        return torch.stack(totals).sum(), torch.stack(finite).all()
