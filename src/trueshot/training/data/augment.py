"""Augmentation of whole batches where they live: each image has its own draw, and no image has its own loop."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Int64, Shaped, UInt8
from torch import Tensor

from trueshot.training.data.options import PRESETS as PRESETS
from trueshot.training.data.options import Augmentation as Augmentation

DRAWS = 12
"""Uniform numbers per image: so many whatever is switched on, so that switching one thing leaves the others' draws."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""

ASPECT = (3 / 4, 4 / 3)
"""Range of width over height of a resized crop, as is customary for ImageNet."""


def augment(
    images: UInt8[Tensor, "n c h w"],
    augmentation: Augmentation,
    generator: torch.Generator,
    fill: tuple[float, ...] | None = None,
) -> Float32[Tensor, "n c h w"]:
    """Augment a batch.

    The order is: resized crop, padded crop with flip, brightness, contrast, saturation, cutout.

    Args:
        images: pixels, on any device.
        augmentation: what to do.
        generator: source of the draws; one on the processor gives the same augmentation on every device.
        fill: colour of cutout squares in [0, 1], per channel; black by default.

    Returns:
        New images with values in [0, 1], on the same device.
    """
    uniform = torch.rand((len(images), DRAWS), generator=generator, device=generator.device)
    draws = uniform.to(images.device, non_blocking=True)
    if augmentation.resized_crop is not None:
        unit = _resized_crop(images, augmentation.resized_crop, draws[:, :4])
        unit = _crop_and_flip(unit, augmentation, draws[:, 4:7])
    else:
        unit = _crop_and_flip(images, augmentation, draws[:, 4:7]).to(torch.float32).div_(255)
    unit = _jitter(unit, augmentation, draws[:, 7:10])
    if augmentation.cutout > 0:
        colour = torch.tensor(fill or (0.0,) * images.shape[1], dtype=torch.float32, device=images.device)
        unit = _cutout(unit, augmentation.cutout, colour, draws[:, 10:])
    return unit


def _resized_crop(
    images: UInt8[Tensor, "n c h w"], scale: tuple[float, float], draws: Float32[Tensor, "n 4"]
) -> Float32[Tensor, "n c h w"]:
    """Cut a box of random area, aspect and place out of each image and resize it (bilinear) to the old size."""
    area = scale[0] + (scale[1] - scale[0]) * draws[:, 0]
    low, high = math.log(ASPECT[0]), math.log(ASPECT[1])
    aspect = torch.exp(low + (high - low) * draws[:, 1])
    height = torch.sqrt(area / aspect).clamp_(max=1)
    width = torch.sqrt(area * aspect).clamp_(max=1)
    # In the coordinates of grid_sample the image spans -1 to 1, so a box of share s has its centre within 1 - s of 0.
    theta = images.new_zeros((len(images), 2, 3), dtype=torch.float32)
    theta[:, 0, 0], theta[:, 0, 2] = width, (2 * draws[:, 3] - 1) * (1 - width)
    theta[:, 1, 1], theta[:, 1, 2] = height, (2 * draws[:, 2] - 1) * (1 - height)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    unit = images.to(torch.float32).div_(255)
    return F.grid_sample(unit, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _crop_and_flip(
    images: Shaped[Tensor, "n c h w"], augmentation: Augmentation, draws: Float32[Tensor, "n 3"]
) -> Shaped[Tensor, "n c h w"]:
    """Look every pixel up where padding, crop and flip together take it from."""
    pad = augmentation.crop_padding
    if pad == 0 and augmentation.flip == 0:
        return images
    count, channels, height, width = images.shape
    shift = (draws[:, :2] * (2 * pad + 1)).to(torch.int64).clamp_(max=2 * pad) - pad
    rows = torch.arange(height, device=images.device) + shift[:, :1]
    columns = torch.arange(width, device=images.device) + shift[:, 1:]
    flipped = draws[:, 2:] < augmentation.flip
    columns = torch.where(flipped, columns.flip(1), columns)
    source = (_mirrored(rows, height) * width).unsqueeze(2) + _mirrored(columns, width).unsqueeze(1)
    index = source.view(count, 1, -1).expand(count, channels, height * width)
    moved = images.reshape(count, channels, -1).gather(2, index).view(images.shape)
    if pad > 0 and augmentation.padding == "black":
        inside = _inside(rows, height).unsqueeze(2) & _inside(columns, width).unsqueeze(1)
        moved = moved * inside.unsqueeze(1)
    return moved


def _mirrored(position: Int64[Tensor, "n size"], size: int) -> Int64[Tensor, "n size"]:
    """Fold positions outside 0 ... size - 1 back as a mirror at both edges does, the edges not repeated."""
    period = max(2 * (size - 1), 1)
    position = position % period
    return torch.minimum(position, period - position).clamp_(max=size - 1)


def _inside(position: Int64[Tensor, "n size"], size: int) -> Bool[Tensor, "n size"]:
    return (position >= 0) & (position < size)


def _jitter(
    unit: Float32[Tensor, "n c h w"], augmentation: Augmentation, draws: Float32[Tensor, "n 3"]
) -> Float32[Tensor, "n c h w"]:
    """Change brightness, then contrast, then saturation, as one linear map, and clip to [0, 1]; changes ``unit``."""
    colour = unit.shape[1] == 3
    ranges = (augmentation.brightness, augmentation.contrast, augmentation.saturation if colour else 0.0)
    if not any(ranges):
        return unit
    factors = 1 + torch.tensor(ranges, device=unit.device) * (2 * draws - 1)
    bright, contrast, saturation = factors.view(-1, 3, 1, 1, 1).unbind(1)
    means = unit.mean((2, 3), keepdim=True)
    shift = bright * (1 - contrast) * (_grey(means) if colour else means)
    if ranges[2] > 0:
        shift = torch.addcmul(shift, bright * contrast * (1 - saturation), _grey(unit))
    return unit.mul_(bright * contrast * saturation).add_(shift).clamp_(0, 1)


def _grey(unit: Float32[Tensor, "n 3 h w"]) -> Float32[Tensor, "n 1 h w"]:
    red, green, blue = unit.split(1, dim=1)
    grey: Tensor = red * LUMA[0]
    return grey.add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def _cutout(
    unit: Float32[Tensor, "n c h w"], side: int, colour: Float32[Tensor, " c"], draws: Float32[Tensor, "n 2"]
) -> Float32[Tensor, "n c h w"]:
    """Paint a square whose centre is a random pixel."""
    hidden = []
    for axis, size in enumerate(unit.shape[2:]):
        start = (draws[:, axis] * size).to(torch.int64).clamp_(max=size - 1) - side // 2
        offset = torch.arange(size, device=unit.device) - start.unsqueeze(1)
        hidden.append((offset >= 0) & (offset < side))
    mask = hidden[0].unsqueeze(2) & hidden[1].unsqueeze(1)
    return torch.where(mask.unsqueeze(1), colour.view(1, -1, 1, 1), unit)
