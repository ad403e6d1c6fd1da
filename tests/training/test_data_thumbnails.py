"""Small pictures for a page: true pixels where these are few, upright, small in bytes where they are many."""

import base64
import io

import numpy as np
import pytest
import torch
from data_files import pixels, write_folder
from PIL import Image

from trueshot.core.random import Streams
from trueshot.training.data.loaders import pixels_of
from trueshot.training.data.options import DataOptions
from trueshot.training.data.sources import load
from trueshot.training.data.thumbnails import LARGEST, SMALL, thumbnail


def opened(uri):
    head, content = uri.split(",")
    return head, Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize(("side", "channels"), [(1, 1), (8, 1), (32, 3), (SMALL, 3)])
def test_small_images_keep_their_pixels(side, channels):
    image = torch.randint(0, 256, (channels, side, side), dtype=torch.uint8)
    uri, told = thumbnail(image)
    head, picture = opened(uri)
    assert (head, told, picture.size) == ("data:image/png;base64", side, (side, side))
    again = np.asarray(picture).reshape(side, side, channels)
    np.testing.assert_array_equal(again, image.permute(1, 2, 0).numpy())


@pytest.mark.parametrize(("side", "shown"), [(SMALL + 1, SMALL + 1), (224, LARGEST), (500, LARGEST)])
def test_large_images_become_small_pictures(side, shown):
    image = torch.from_numpy(pixels(0, (side, side))).permute(2, 0, 1)
    uri, told = thumbnail(image)
    head, picture = opened(uri)
    assert (head, told, picture.size) == ("data:image/jpeg;base64", shown, (shown, shown))
    wanted = Image.fromarray(pixels(0, (side, side))).resize((shown, shown), Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(picture, dtype=int) - np.asarray(wanted)).mean() < 4
    assert len(uri) < 30_000


@pytest.mark.parametrize("size", [40, 300])
def test_images_of_a_part_are_upright_and_know_their_files(tmp_path, size):
    """Small ones live decoded in memory, large ones stay files."""
    write_folder(tmp_path / "train", {"a": 8, "b": 8}, size=(size, size))
    write_folder(tmp_path / "test", {"a": 1, "b": 1}, size=(size, size), start=500)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned, file = pixels(7, (size, size)), tmp_path / "test" / "b" / "000.png"
    Image.fromarray(turned).save(file, exif=exif)
    test = load(str(tmp_path), options=DataOptions(image_size=size), streams=Streams(0).child("data")).test
    assert isinstance(test.images, torch.Tensor) == (size < 200)
    position = test.labels.tolist().index(1)
    assert test.name(position) == str(file)
    (shown,) = pixels_of(test, np.array([position]))
    upright = np.rot90(turned, -1)
    # Large images are cropped.
    assert np.abs(shown.permute(1, 2, 0).numpy().astype(int) - upright).mean() < (1 if size < 200 else 40)
    assert np.abs(shown.permute(1, 2, 0).numpy().astype(int) - turned).mean() > 20
