import numpy as np
import pytest
import torch
from data_files import write_folder

from trueshot.core.random import Streams
from trueshot.training.data.dataset import EncodedImages
from trueshot.training.data.options import DataOptions
from trueshot.training.data.parts import channel_moments
from trueshot.training.data.sources import load


def test_moments_are_those_of_the_pixels():
    images = torch.randint(0, 256, (50, 3, 9, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    unit = images.double() / 255
    expected = torch.stack([unit.mean((0, 2, 3)), unit.std((0, 2, 3), correction=0)])
    np.testing.assert_allclose(channel_moments(images), expected.numpy(), atol=1e-12)


def test_constant_images_have_a_deviation_to_divide_by(tmp_path, monkeypatch):
    monkeypatch.setattr("data_files.pixels", lambda seed, size, channels: np.full((12, 12, 3), 51, dtype=np.uint8))
    dataset = load(str(write_folder(tmp_path, {"a": 5, "b": 5})), options=DataOptions(workers=0), streams=Streams(0))
    assert dataset.mean == pytest.approx((0.2, 0.2, 0.2))
    assert dataset.std == (1 / 255,) * 3


def test_small_images_that_are_resized_by_threads_equal_those_resized_alone(tmp_path):
    write_folder(tmp_path, {"a": 40, "b": 40}, size=(150, 140))
    parts = [
        load(str(tmp_path), options=DataOptions(workers=workers, image_size=32), streams=Streams(0)).train.images
        for workers in (0, 2)
    ]
    assert parts[0].shape == (51, 3, 32, 32)
    assert torch.equal(*parts)


@pytest.mark.parametrize("limit", [10**9, 1000])
def test_what_does_not_fit_into_memory_stays_encoded(tmp_path, monkeypatch, limit):
    for module in ("layout", "parts"):
        monkeypatch.setattr(f"trueshot.training.data.{module}.RESIDENT_BYTES", limit)
    root = write_folder(tmp_path, {"a": 10, "b": 10})
    dataset = load(str(root), options=DataOptions(workers=0), streams=Streams(0))
    assert isinstance(dataset.train.images, EncodedImages) == (limit == 1000)
    assert isinstance(dataset.test.images, EncodedImages) == (limit == 1000)
    assert dataset.preprocessing.crop == 1


def test_scaling_does_not_depend_on_whether_images_stay_encoded(tmp_path, monkeypatch):
    root = write_folder(tmp_path, {"a": 10, "b": 10})
    scalings = []
    for limit in (10**9, 1000):
        for module in ("layout", "parts"):
            monkeypatch.setattr(f"trueshot.training.data.{module}.RESIDENT_BYTES", limit)
        scalings.append(load(str(root), options=DataOptions(workers=0), streams=Streams(0)).preprocessing)
    assert scalings[0] == scalings[1]
