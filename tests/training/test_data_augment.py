import math

import numpy as np
import pytest
import torch

from trueshot.core.errors import ConfigError
from trueshot.training.data.augment import DRAWS, LUMA, PRESETS, Augmentation, augment


def _images(count=6, channels=3, height=9, width=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator)


def _seeded(seed=5):
    return torch.Generator().manual_seed(seed)


def _mirror(position, size):
    while size > 1 and not 0 <= position < size:
        position = -position if position < 0 else 2 * (size - 1) - position
    return position if size > 1 else 0


def _slow_resized_crop(image, scale, draws):
    """One image, one pixel at a time: the box in pixels, sampled bilinearly at the centres of the new pixels."""
    height, width = image.shape[1:]
    area = scale[0] + (scale[1] - scale[0]) * draws[0]
    aspect = math.exp(math.log(3 / 4) + (math.log(4 / 3) - math.log(3 / 4)) * draws[1])
    tall, wide = min(math.sqrt(area / aspect), 1) * height, min(math.sqrt(area * aspect), 1) * width
    top, left = draws[2] * (height - tall), draws[3] * (width - wide)
    out = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            y = min(max(top + (row + 0.5) * tall / height - 0.5, 0), height - 1)
            x = min(max(left + (column + 0.5) * wide / width - 0.5, 0), width - 1)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            fy, fx = y - y0, x - x0
            upper = image[:, y0, x0] * (1 - fx) + image[:, y0, x1] * fx
            lower = image[:, y1, x0] * (1 - fx) + image[:, y1, x1] * fx
            out[:, row, column] = upper * (1 - fy) + lower * fy
    return out


def _slow_crop_and_flip(image, config, draws):
    height, width = image.shape[1:]
    pad = config.crop_padding
    down, right = (min(int(draw * (2 * pad + 1)), 2 * pad) - pad for draw in draws[:2])
    out = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            y, x = row + down, column + right
            if config.padding == "black" and not (0 <= y < height and 0 <= x < width):
                continue
            out[:, row, column] = image[:, _mirror(y, height), _mirror(x, width)]
    return out[:, :, ::-1] if draws[2] < config.flip else out


def _slow_jitter(image, config, draws):
    weights = np.asarray(LUMA if len(image) == 3 else (1.0,))
    bright, contrast, saturation = (
        1 + size * (2 * draw - 1)
        for size, draw in zip((config.brightness, config.contrast, config.saturation), draws, strict=True)
    )
    image = image * bright
    mean = np.tensordot(weights, image, 1).mean()
    image = mean + contrast * (image - mean)
    if len(image) == 3:
        grey = np.tensordot(weights, image, 1)
        image = grey + saturation * (image - grey)
    return np.clip(image, 0, 1)


def _slow_cutout(image, side, fill, draws):
    height, width = image.shape[1:]
    middle = int(draws[0] * height), int(draws[1] * width)
    image = image.copy()
    for row in range(middle[0] - side // 2, middle[0] - side // 2 + side):
        for column in range(middle[1] - side // 2, middle[1] - side // 2 + side):
            if 0 <= row < height and 0 <= column < width:
                image[:, row, column] = fill
    return image


def _slow(images, config, seed, fill):
    draws = torch.rand((len(images), DRAWS), generator=_seeded(seed)).double().numpy()
    out = []
    for image, draw in zip(images.double().numpy() / 255, draws, strict=True):
        if config.resized_crop is not None:
            image = _slow_resized_crop(image, config.resized_crop, draw[:4])
        image = _slow_crop_and_flip(image, config, draw[4:7])
        image = _slow_jitter(image, config, draw[7:10])
        out.append(_slow_cutout(image, config.cutout, fill, draw[10:]))
    return np.stack(out)


CONFIGS = [
    Augmentation(),
    Augmentation(crop_padding=3),
    Augmentation(crop_padding=2, padding="black"),
    Augmentation(crop_padding=20),
    Augmentation(flip=0.5),
    Augmentation(flip=1.0, crop_padding=1),
    Augmentation(brightness=0.5),
    Augmentation(contrast=0.5),
    Augmentation(saturation=0.9),
    Augmentation(cutout=3),
    Augmentation(cutout=4),
    Augmentation(cutout=30),
    Augmentation(resized_crop=(0.3, 0.8)),
    *PRESETS.values(),
    Augmentation(crop_padding=2, flip=0.5, cutout=3, brightness=1, contrast=1, saturation=1, resized_crop=(0.1, 1)),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: ",".join(sorted(config.model_fields_set)) or "none")
def test_batches_equal_a_slow_loop_over_images_and_pixels(config, channels):
    images, fill = _images(channels=channels), (0.25, 0.5, 0.75)[:channels]
    before = images.clone()
    fast = augment(images, config, _seeded(), fill)
    np.testing.assert_allclose(fast.numpy(), _slow(images, config, 5, fill), atol=2e-5)
    assert torch.equal(images, before)


def test_square_and_single_pixel_images_are_augmented():
    config = Augmentation(crop_padding=2, flip=0.5)
    for size in (1, 2, 8):
        images = _images(height=size, width=size)
        np.testing.assert_allclose(augment(images, config, _seeded()).numpy(), _slow(images, config, 5, 0), atol=1e-6)


def test_each_image_has_its_own_draw_and_the_generator_decides():
    images = _images(1).expand(64, -1, -1, -1)
    config = PRESETS["cifar_strong"]
    first, again, other = (augment(images, config, _seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len({image.numpy().tobytes() for image in first}) > 55


def test_shifts_and_flips_are_uniform():
    height = width = 9
    images = torch.zeros(4000, 1, height, width, dtype=torch.uint8)
    images[:, :, 4, 4] = 255
    shifted = augment(images, Augmentation(crop_padding=2, padding="black"), _seeded())
    where = shifted.flatten(1).argmax(1)
    counts = torch.bincount(where, minlength=81).view(9, 9)[2:7, 2:7]
    assert counts.sum() == 4000
    assert (counts - 160).abs().max() < 5 * math.sqrt(160)
    images[:, :, 4, 4], images[:, :, 4, 0] = 0, 255
    flipped = augment(images, Augmentation(flip=0.25), _seeded())[:, 0, 4, 8]
    assert flipped.mean().item() == pytest.approx(0.25, abs=0.03)


def test_switching_one_thing_leaves_the_draws_of_the_others():
    images = _images(20)
    flips = augment(images, Augmentation(flip=0.5), _seeded())
    with_more = augment(images, Augmentation(flip=0.5, cutout=1), _seeded())
    assert ((flips != with_more).flatten(1).sum(1) <= 3).all()
    assert not torch.equal(flips, with_more)


def test_presets_are_found_by_name():
    assert Augmentation.preset("none") == Augmentation()
    assert Augmentation.preset("digits").flip == 0
    with pytest.raises(ConfigError, match="no augmentation 'wild': choose one of none, digits, cifar"):
        Augmentation.preset("wild")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"flip": 2}, "value flip: 2 is too large: give at most 1"),
        ({"resized_crop": (0.5, 0.1)}, "resized_crop needs two shares of the area"),
        ({"crop_padding": -1}, "value crop_padding: -1 is too small: give at least 0"),
        ({"blur": 1}, "value blur: there is no such value: choose one of brightness"),
    ],
)
def test_unfit_values_are_refused(wrong, told):
    with pytest.raises(ConfigError, match=told):
        Augmentation(**wrong)
