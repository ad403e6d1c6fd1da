"""Batches for training, addressed by step, and for evaluation, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from trueshot.core.errors import DataError
from trueshot.core.random import Streams
from trueshot.training.data.augment import Augmentation, augment
from trueshot.training.data.dataset import Dataset, EncodedImages, Part
from trueshot.training.data.layout import RESIDENT_BYTES
from trueshot.training.data.loaders import iterate_views, read_whole
from trueshot.training.data.preprocessing import Preprocessing
from trueshot.training.data.splits import stratified_prefix

Batch = tuple[Float32[Tensor, "n c s s"], Int64[Tensor, " n"]]
"""Images ready for a network, and their classes, on the device."""


@runtime_checkable
class Batches(Protocol):
    """Training batches that depend on the number of the step alone, so that a resumed run needs no saved state."""

    @property
    def batch_size(self) -> int:
        """Images in every batch."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the part; the images that do not fill a last one wait for another epoch."""
        ...

    def iterate(self, start_step: int, stop_step: int) -> Iterator[Batch]:
        """Yield the batches of steps ``start_step`` up to but not including ``stop_step``.

        Step ``t`` of a run is batch ``t % steps_per_epoch`` of epoch ``t // steps_per_epoch``. Ask for long stretches:
        each call may start processes that decode ahead.
        """
        ...


class _Steps:
    """Which images make up which step, a permutation for each epoch, cut into batches; and what is done to them."""

    def __init__(
        self, count: int, batch_size: int, preprocessing: Preprocessing, augmentation: Augmentation, streams: Streams
    ) -> None:
        if batch_size < 1 or count < 1:
            raise DataError(f"cannot make batches of {batch_size} from {count} images: both must be at least 1")
        self.batch_size = min(batch_size, count)
        self.steps_per_epoch = count // self.batch_size
        self._count = count
        self._preprocessing, self._augmentation, self._streams = preprocessing, augmentation, streams

    def walk(self, start_step: int, stop_step: int) -> Iterator[tuple[int, Int64[Tensor, " n"]]]:
        """Yield the epoch and the positions of each step's images."""
        order, known = torch.empty(0, dtype=torch.int64), -1
        for step in range(start_step, stop_step):
            epoch, batch = divmod(step, self.steps_per_epoch)
            if epoch != known:
                order = torch.randperm(self._count, generator=self._streams.torch("data/order", epoch))
                known = epoch
            yield epoch, order[batch * self.batch_size : (batch + 1) * self.batch_size]

    def ready(self, step: int, pixels: UInt8[Tensor, "n c s s"]) -> Float32[Tensor, "n c s s"]:
        """Return the images of a step augmented and scaled."""
        generator = self._streams.torch("data/augment", step)
        return self._preprocessing.standardise(augment(pixels, self._augmentation, generator, self._preprocessing.mean))


class ResidentBatches:
    """Training batches of images that live decoded on the device."""

    def __init__(
        self,
        part: Part,
        preprocessing: Preprocessing,
        *,
        batch_size: int,
        augmentation: Augmentation,
        streams: Streams,
        device: torch.device,
    ) -> None:
        if isinstance(part.images, EncodedImages):
            raise TypeError("resident batches need decoded images")
        self._images = part.images.to(device)
        self._labels = part.labels.to(device)
        self._steps = _Steps(len(part), batch_size, preprocessing, augmentation, streams)
        self.batch_size, self.steps_per_epoch = self._steps.batch_size, self._steps.steps_per_epoch

    def iterate(self, start_step: int, stop_step: int) -> Iterator[Batch]:
        """Yield the batches of steps ``start_step`` up to but not including ``stop_step``."""
        device = self._labels.device
        for step, (_, positions) in enumerate(self._steps.walk(start_step, stop_step), start_step):
            chosen = positions.to(device)
            yield self._steps.ready(step, self._images.index_select(0, chosen)), self._labels[chosen]


class EncodedBatches:
    """Training batches of images that processes decode ahead of their use.

    The resized crop happens with the decoding, at full resolution; everything else on the device, as for small images.
    """

    def __init__(
        self,
        part: Part,
        preprocessing: Preprocessing,
        *,
        batch_size: int,
        augmentation: Augmentation,
        streams: Streams,
        device: torch.device,
    ) -> None:
        if not isinstance(part.images, EncodedImages):
            raise TypeError("encoded batches need encoded images")
        self._images = part.images
        self._labels = part.labels
        self._scale = augmentation.resized_crop
        self._streams = streams
        self._device = device
        rest = augmentation.model_copy(update={"resized_crop": None})
        self._steps = _Steps(len(part), batch_size, preprocessing, rest, streams)
        self.batch_size, self.steps_per_epoch = self._steps.batch_size, self._steps.steps_per_epoch

    def iterate(self, start_step: int, stop_step: int) -> Iterator[Batch]:
        """Yield the batches of steps ``start_step`` up to but not including ``stop_step``.

        Raises:
            DataError: when an image turns out unreadable only now; it is named.
        """
        asked = ((epoch, positions.tolist()) for epoch, positions in self._steps.walk(start_step, stop_step))
        views = iterate_views(self._images, asked, scale=self._scale, streams=self._streams, device=self._device)
        for step, (pixels, positions) in enumerate(views, start_step):
            images = self._steps.ready(step, pixels)
            yield images, self._labels[positions].to(self._device, non_blocking=True)


def train_batches(
    part: Part,
    dataset: Dataset,
    *,
    batch_size: int,
    augmentation: Augmentation,
    streams: Streams,
    device: str | torch.device,
) -> Batches:
    """Make training batches of a part.

    Args:
        part: images to train on.
        dataset: where they come from; gives the scaling.
        batch_size: images in a batch; a smaller part makes smaller batches.
        augmentation: what is done to each image.
        streams: source of order and augmentation.
        device: where batches are wanted.
    """
    kind = EncodedBatches if isinstance(part.images, EncodedImages) else ResidentBatches
    return kind(
        part,
        dataset.preprocessing,
        batch_size=batch_size,
        augmentation=augmentation,
        streams=streams,
        device=torch.device(device),
    )


class EvaluationBatches:
    """The images of a part in a fixed order that mixes the classes, as often as wanted, without augmentation.

    Images are decoded at most once and scaled at most once, on construction, as long as 2 GiB hold the decoded and
    the scaled images respectively; what does not fit is decoded or scaled again in each pass.
    """

    def __init__(
        self,
        images: UInt8[Tensor, "n c s s"] | EncodedImages,
        labels: Int64[Tensor, " n"],
        preprocessing: Preprocessing,
        *,
        batch_size: int,
        device: torch.device,
    ) -> None:
        if batch_size < 1 or len(labels) < 1:
            raise DataError(f"cannot make batches of {batch_size} from {len(labels)} images: both must be at least 1")
        self.batch_size = min(batch_size, len(labels))
        self._labels = labels.to(device)
        self._preprocessing = preprocessing
        self._device = device
        pixels = len(labels) * preprocessing.channels * preprocessing.image_size**2
        if isinstance(images, EncodedImages) and pixels <= RESIDENT_BYTES:
            images = read_whole(images)
        self._scaled: tuple[Float32[Tensor, "n c s s"], ...] = ()
        self._images: UInt8[Tensor, "n c s s"] | EncodedImages | None = images
        if isinstance(images, Tensor):
            self._images = images.to(device)
            if pixels * 4 <= RESIDENT_BYTES:
                self._scaled = tuple(preprocessing.normalise(part) for part in self._images.split(self.batch_size))
                self._images = None

    @property
    def labels(self) -> Int64[Tensor, " n"]:
        """Classes of all images, in the order of the batches."""
        return self._labels

    def __len__(self) -> int:
        """Return the number of batches; the last may be smaller."""
        return -(-len(self._labels) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield all batches; they are shared between passes and must not be changed."""
        yield from zip(self._all_images(), self._labels.split(self.batch_size), strict=True)

    def _all_images(self) -> Iterator[Float32[Tensor, "n c s s"]]:
        images = self._images
        if images is None:
            yield from self._scaled
        elif isinstance(images, EncodedImages):
            starts = range(0, len(images), self.batch_size)
            asked = ((0, list(range(start, min(start + self.batch_size, len(images))))) for start in starts)
            for pixels, _ in iterate_views(images, asked, scale=None, streams=None, device=self._device):
                yield self._preprocessing.normalise(pixels)
        else:
            for pixels in images.split(self.batch_size):
                yield self._preprocessing.normalise(pixels)


def eval_batches(
    part: Part, dataset: Dataset, *, batch_size: int, device: str | torch.device, limit: int | None = None
) -> EvaluationBatches:
    """Make evaluation batches of a part.

    Args:
        part: images to evaluate on.
        dataset: where they come from; gives the scaling.
        batch_size: images in a batch; the last may be smaller.
        device: where batches are wanted.
        limit: at most so many images, always the same ones, each class in proportion.
    """
    images, labels = part.images, part.labels
    if limit is not None and limit < len(part):
        chosen = stratified_prefix(labels.numpy(), limit)
        images = images.take(chosen) if isinstance(images, EncodedImages) else images[torch.from_numpy(chosen)]
        labels = labels[torch.from_numpy(chosen)]
    return EvaluationBatches(images, labels, dataset.preprocessing, batch_size=batch_size, device=torch.device(device))
