"""A batch in parts, where the activations of the whole would not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from trueshot.training.data.batches import Batch


def in_parts(images: Tensor, labels: Tensor, at_once: int | None) -> Iterator[Batch]:
    """Yield a batch in as few parts of at most ``at_once`` images as can be; their sizes differ by one at most."""
    if at_once is None or len(labels) <= at_once:
        yield images, labels
        return
    count = -(-len(labels) // at_once)
    yield from zip(images.tensor_split(count), labels.tensor_split(count), strict=True)
