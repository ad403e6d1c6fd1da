"""What the training of a classifier minimises and counts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from trueshot.training.distillation import Distillation
from trueshot.training.task import Metric


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Cross-entropy with label smoothing, and the teacher's part where there is one."""

    label_smoothing: float = 0.0
    distillation: Distillation | None = None

    def __call__(self, logits: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        """Return the mean loss of a batch."""
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=self.label_smoothing)
        return loss if self.distillation is None else self.distillation(loss, logits.float(), images)


@torch.no_grad()
def count_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the number of images whose largest logit is the right class; ``labels`` may be class probabilities."""
    targets = labels if labels.ndim == 1 else labels.argmax(dim=1)
    return (logits.argmax(dim=1) == targets).sum()


def loss_and_accuracy(loss: Tensor, correct: Tensor, images: int) -> dict[str, Metric]:
    """Return the metrics of a step: its mean ``loss``, and ``accuracy`` from the right answers among its images."""
    return {"loss": Metric(loss), "accuracy": Metric(correct, per="item", items=images)}
