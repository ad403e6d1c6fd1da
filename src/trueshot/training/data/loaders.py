"""Decoding of large images by processes ahead of their use, through timm's transforms and torch's loader."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from trueshot.core.errors import DataError
from trueshot.core.random import Streams
from trueshot.training.data.augment import ASPECT
from trueshot.training.data.dataset import EncodedImages, Part
from trueshot.training.data.decode import DECODER_ERRORS, decode_rows, fit, open_image, reason_of

REMEDY = "put one that can be read in its place, and go on with --resume"

Asked = tuple[int, list[int]]
"""An epoch, and the positions in a part of the images of one batch."""

View = tuple[int, UInt8[Tensor, "c s s"] | str]
"""The position of an image, and its pixels or why there are none."""

Views = tuple[list[int], UInt8[Tensor, "n c s s"] | str]
"""The same for a batch; one image without pixels leaves the batch without."""


class _Views(TorchDataset[View]):
    """One view of an image for each (epoch, position): decoded, cropped, resized."""

    def __init__(self, images: EncodedImages, scale: tuple[float, float] | None, streams: Streams | None) -> None:
        self._images = images
        self._streams = streams
        self._crop = None if scale is None else _random_crop(images, scale)

    def __getitem__(self, key: tuple[int, int]) -> View:
        return key[1], self._view(*key)

    def _view(self, epoch: int, position: int) -> UInt8[Tensor, "c s s"] | str:
        geometry = self._images.geometry
        try:
            image = open_image(self._images.item(position))
            if self._crop is None or self._streams is None:
                return torch.from_numpy(fit(image, geometry))
            with _seeded(self._streams.key("data/view", epoch, position)):
                return self._crop(image.convert("L" if geometry.channels == 1 else "RGB"))
        except DECODER_ERRORS as error:
            return f"cannot read {self._images.name(position)} ({reason_of(error)}): {REMEDY}"


class _Keys:
    """Batches of (epoch, position) keys, in the form torch's loader asks for."""

    def __init__(self, asked: Iterable[Asked]) -> None:
        self._asked = asked

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for epoch, positions in self._asked:
            yield [(epoch, position) for position in positions]


def iterate_views(
    images: EncodedImages,
    asked: Iterable[Asked],
    *,
    scale: tuple[float, float] | None,
    streams: Streams | None,
    device: torch.device,
) -> Iterator[tuple[UInt8[Tensor, "n c s s"], list[int]]]:
    """Decode batches ahead of their use.

    A view depends on the streams, the epoch and the position alone: neither the number of workers nor the step at
    which a run starts changes it.

    Args:
        images: images of a part.
        asked: the batches wanted, in order.
        scale: range of the share of the area for timm's random resized crop; ``None`` gives the evaluation view.
        streams: source of the crops; not needed without ``scale``.
        device: where the pixels are wanted.

    Yields:
        Pixels on the device, and their positions.

    Raises:
        DataError: naming an image that cannot be read.
    """
    loader: DataLoader[Any] = DataLoader(
        _Views(images, scale, streams),
        batch_sampler=_Keys(asked),
        num_workers=images.workers,
        collate_fn=_collate,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # else the loader draws from the global generator
    )
    for positions, pixels in loader:
        if isinstance(pixels, str):
            raise DataError(pixels)
        yield pixels.to(device, non_blocking=True), positions


def read_whole(images: EncodedImages) -> UInt8[Tensor, "n c s s"]:
    """Decode all images of a part once, as evaluation sees them.

    Raises:
        DataError: naming an image that cannot be read.
    """
    pixels, bad = decode_rows(images.images, images.rows.tolist(), images.geometry, images.workers)
    if bad:
        raise DataError(f"cannot read {bad[0].name} ({bad[0].reason}): {REMEDY}")
    return torch.from_numpy(pixels)


def pixels_of(part: Part, positions: Int64[np.ndarray, " m"]) -> UInt8[Tensor, "m c s s"]:
    """Return the pixels of a few images of a part, as evaluation sees them before they are scaled.

    Raises:
        DataError: naming an image that cannot be read.
    """
    if isinstance(part.images, EncodedImages):
        return read_whole(part.images.take(positions))
    return part.images[torch.from_numpy(positions)]


def _random_crop(images: EncodedImages, scale: tuple[float, float]) -> Callable[[Image.Image], UInt8[Tensor, "c s s"]]:
    # Importing it takes as long as PyTorch itself.
    from timm.data import create_transform

    transform: Callable[[Image.Image], UInt8[Tensor, "c s s"]] = create_transform(
        images.geometry.image_size,
        is_training=True,
        scale=scale,
        ratio=ASPECT,
        hflip=0.0,
        color_jitter=0.0,
        interpolation="bicubic",
        normalize=False,
    )
    return transform


def _collate(views: list[View]) -> Views:
    positions = [position for position, _ in views]
    pixels = [view for _, view in views if isinstance(view, Tensor)]
    if len(pixels) < len(views):
        return positions, next(view for _, view in views if isinstance(view, str))
    return positions, torch.stack(pixels)


@contextlib.contextmanager
def _seeded(key: int) -> Iterator[None]:
    """Seed the global generators of the processor and restore them; workers must leave those of a GPU alone."""
    python_state, torch_state = random.getstate(), torch.get_rng_state()
    try:
        random.seed(key)
        torch.default_generator.manual_seed(key)
        yield
    finally:
        random.setstate(python_state)
        torch.set_rng_state(torch_state)
