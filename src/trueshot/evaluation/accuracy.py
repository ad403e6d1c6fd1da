"""How well a network classifies."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from trueshot.core.errors import DataError, TrainingError
from trueshot.core.records import Accuracy
from trueshot.evaluation.modes import evaluating
from trueshot.evaluation.recalibration import Batch


def measure(network: Callable[[Tensor], Tensor], batches: Iterable[Batch], classes: int) -> Accuracy:
    """Measure top-1, top-5, balanced and per-class accuracy and the loss in one pass over ``batches``.

    A module is run in evaluation mode and put back into its own. A class without images has recall 0 in ``per_class``
    and no part in ``balanced``.

    Raises:
        DataError: when there are no images, or a label is no class.
        TrainingError: when logits are not finite.
    """
    mode = evaluating(network) if isinstance(network, nn.Module) else contextlib.nullcontext()
    with mode, torch.inference_mode():
        counts, loss = _count(network, batches, classes)
    images, right, among_five = counts
    n = int(images.sum())
    recall = right / images.clamp(min=1)
    return Accuracy(
        n=n,
        top1=int(right.sum()) / n,
        top5=int(among_five.sum()) / n,
        balanced=float(recall[images > 0].mean()),
        per_class=tuple(recall.tolist()),
        loss=loss / n,
    )


@dataclass(frozen=True)
class Answers:
    """What a network answered to images, in their order.

    Attributes:
        given: number of the class given.
        probability: that it had, in [0, 1]; ``of_true``: that of the true class.
    """

    given: Int64[np.ndarray, " n"]
    probability: Float64[np.ndarray, " n"]
    of_true: Float64[np.ndarray, " n"]


def measure_answers(network: nn.Module, batches: Iterable[Batch], classes: int) -> tuple[Accuracy, Answers]:
    """Measure a network as :func:`measure` does, and keep what it answered to each image, in one pass."""
    kept: list[tuple[Tensor, Tensor, Tensor]] = []

    def watched() -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in batches:
            logits = network(images).float()
            given, shares = _best(logits)[:, 0], logits.double().softmax(dim=1)
            kept.append((given, *(shares.gather(1, of[:, None])[:, 0] for of in (given, labels))))
            yield logits, labels

    with evaluating(network), torch.inference_mode():
        accuracy = measure(lambda logits: logits, watched(), classes)
    given, probability, of_true = (torch.cat(column).cpu().numpy() for column in zip(*kept, strict=True))
    return accuracy, Answers(given, probability, of_true)


def _best(logits: Tensor) -> Tensor:
    """Return the numbers of the best classes, five at most, ``(n, k)``, the best first."""
    return logits.topk(min(5, logits.shape[1]), dim=1).indices


def _count(
    network: Callable[[Tensor], Tensor], batches: Iterable[Batch], classes: int
) -> tuple[tuple[Tensor, Tensor, Tensor], float]:
    """Return images, right answers and answers among the best five of each class, in float64, and the summed loss."""
    counts: list[Tensor] = []
    losses: list[Tensor] = []
    for images, labels in batches:
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            raise DataError(f"a label lies outside the {classes} classes: labels count from 0 to {classes - 1}")
        logits = network(images).float()
        best = _best(logits) == labels[:, None]
        per_image = (torch.ones_like(labels), best[:, 0], best.any(dim=1))
        counts.append(torch.stack([_per_class(labels, values, classes) for values in per_image]))
        losses.append(F.cross_entropy(logits, labels, reduction="sum").double())
    if not counts or not counts[0].numel() or not any(int(part[0].sum()) for part in counts):
        raise DataError("there are no images to measure the accuracy on: give at least one")
    loss = float(torch.stack(losses).sum())
    if not torch.tensor(loss).isfinite():
        raise TrainingError("the network gives logits that are not finite: train it at a lower learning rate")
    total = torch.stack(counts).sum(dim=0).double().cpu()
    return (total[0], total[1], total[2]), loss


def _per_class(labels: Tensor, values: Tensor, classes: int) -> Tensor:
    return torch.zeros(classes, dtype=torch.long, device=labels.device).index_add_(0, labels, values.long())
