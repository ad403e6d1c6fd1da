import math

import numpy as np
import pytest
import torch
from data_files import write_folder

from trueshot.core.errors import DataError
from trueshot.core.random import Streams
from trueshot.training.data.augment import PRESETS, Augmentation
from trueshot.training.data.batches import Batches, EncodedBatches, ResidentBatches, eval_batches, train_batches
from trueshot.training.data.dataset import Part
from trueshot.training.data.options import DataOptions
from trueshot.training.data.sources import load

STREAMS = Streams(11)


@pytest.fixture(scope="module")
def digits():
    return load("digits", options=DataOptions(max_images=200, max_test_images=50), streams=STREAMS)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    root = write_folder(tmp_path_factory.mktemp("large"), {"a": 15, "b": 15}, size=(90, 80))
    return load(str(root), options=DataOptions(workers=0, image_size=72), streams=STREAMS)


def _train(dataset, batch_size=16, augmentation=PRESETS["none"], streams=STREAMS, part=None):
    part = part or dataset.train
    return train_batches(part, dataset, batch_size=batch_size, augmentation=augmentation, streams=streams, device="cpu")


def _equal(first, second):
    return len(first) == len(second) and all(
        torch.equal(one, two)
        for left, right in zip(first, second, strict=True)
        for one, two in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("name", ["digits", "large"])
def test_an_epoch_shows_each_image_at_most_once_and_epochs_differ(name, request):
    dataset = request.getfixturevalue(name)
    batches = _train(dataset, batch_size=7)
    assert isinstance(batches, Batches)
    assert isinstance(batches, EncodedBatches if name == "large" else ResidentBatches)
    assert batches.steps_per_epoch == len(dataset.train) // 7
    steps = batches.steps_per_epoch
    orders = []
    for epoch in range(2):
        shown = [
            image.numpy().tobytes()
            for images, _ in batches.iterate(epoch * steps, (epoch + 1) * steps)
            for image in images
        ]
        assert len(shown) == len(set(shown)) == steps * 7
        orders.append(shown)
    assert orders[0] != orders[1]


def test_batches_hold_the_scaled_images_with_their_labels(digits):
    scaled = digits.preprocessing.normalise(digits.train.images)
    labels = {image.numpy().tobytes(): int(label) for image, label in zip(scaled, digits.train.labels, strict=True)}
    for images, found in _train(digits).iterate(0, 10):
        assert images.dtype == torch.float32
        assert found.dtype == torch.int64
        assert [labels[image.numpy().tobytes()] for image in images] == found.tolist()


@pytest.mark.parametrize(("name", "augmentation"), [("digits", PRESETS["digits"]), ("large", PRESETS["imagenet"])])
def test_any_stretch_equals_that_of_a_whole_run(name, augmentation, request):
    dataset = request.getfixturevalue(name)
    whole = list(_train(dataset, 5, augmentation).iterate(0, 9))
    for start, stop in ((0, 3), (4, 9), (8, 9), (3, 3)):
        assert _equal(list(_train(dataset, 5, augmentation).iterate(start, stop)), whole[start:stop])
    other = list(_train(dataset, 5, augmentation, Streams(12)).iterate(0, 9))
    assert not _equal(other, whole)


def test_a_part_smaller_than_a_batch_makes_smaller_batches(digits):
    part = Part(images=digits.train.images[:5], labels=digits.train.labels[:5])
    batches = _train(digits, 64, part=part)
    assert (batches.batch_size, batches.steps_per_epoch) == (5, 1)
    assert [len(labels) for _, labels in batches.iterate(0, 3)] == [5, 5, 5]


def test_cutout_paints_the_mean_colour(digits):
    for images, _ in _train(digits, augmentation=Augmentation(cutout=40)).iterate(0, 2):
        assert torch.equal(images, torch.zeros_like(images))


def test_training_batches_leave_the_global_generators_alone(digits, large):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    for dataset in (digits, large):
        list(_train(dataset, augmentation=PRESETS["imagenet"]).iterate(0, 2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["digits", "large"])
@pytest.mark.parametrize("batch_size", [3, 1000])
def test_evaluation_shows_every_image_in_order_every_time(name, batch_size, request):
    dataset = request.getfixturevalue(name)
    batches = eval_batches(dataset.validation, dataset, batch_size=batch_size, device="cpu")
    first, second = list(batches), list(batches)
    assert len(first) == len(batches) == math.ceil(len(dataset.validation) / min(batch_size, len(dataset.validation)))
    assert _equal(first, second)
    assert torch.equal(torch.cat([labels for _, labels in first]), dataset.validation.labels)
    assert torch.equal(batches.labels, dataset.validation.labels)
    assert first[0][0].data_ptr() == second[0][0].data_ptr(), "scaled once, then shared"


@pytest.mark.parametrize("name", ["digits", "large"])
@pytest.mark.parametrize("limit", [0, 10**4])
def test_evaluation_is_the_same_when_memory_does_not_hold_it(name, limit, request, monkeypatch):
    dataset = request.getfixturevalue(name)
    kept = list(eval_batches(dataset.validation, dataset, batch_size=4, device="cpu"))
    monkeypatch.setattr("trueshot.training.data.batches.RESIDENT_BYTES", limit)
    again = eval_batches(dataset.validation, dataset, batch_size=4, device="cpu")
    assert _equal(list(again), kept)
    assert _equal(list(again), kept)


@pytest.mark.parametrize("name", ["digits", "large"])
def test_limited_evaluation_takes_the_same_images_in_proportion(name, request):
    dataset = request.getfixturevalue(name)
    classes = len(dataset.classes)
    batches = eval_batches(dataset.train, dataset, batch_size=8, device="cpu", limit=2 * classes)
    assert torch.bincount(batches.labels, minlength=classes).tolist() == [2] * classes
    whole = torch.cat([images for images, _ in eval_batches(dataset.train, dataset, batch_size=8, device="cpu")])
    for image in torch.cat([images for images, _ in batches]):
        assert any(torch.equal(image, other) for other in whole)
    unlimited = eval_batches(dataset.train, dataset, batch_size=8, device="cpu", limit=10**6)
    assert torch.equal(unlimited.labels, dataset.train.labels)


def test_evaluation_decodes_once(large, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "trueshot.training.data.listing.FileImages.item",
        lambda self, row: calls.append(row) or self.root / self.paths[row],
    )
    batches = eval_batches(large.validation, large, batch_size=4, device="cpu")
    assert len(calls) == len(large.validation)
    list(batches), list(batches)
    assert len(calls) == len(large.validation)


def test_impossible_batches_are_errors(digits):
    with pytest.raises(DataError, match="cannot make batches of 0 from"):
        _train(digits, 0)
    empty = Part(images=digits.train.images[:0], labels=digits.train.labels[:0])
    with pytest.raises(DataError, match="from 0 images"):
        eval_batches(empty, digits, batch_size=4, device="cpu")


def test_epochs_are_uniform_permutations(digits):
    part = Part(images=digits.train.images[:4], labels=torch.arange(4))
    first = [labels[0].item() for _, labels in _train(digits, 1, part=part).iterate(0, 4 * 1000)][::4]
    np.testing.assert_allclose(np.bincount(first) / 1000, 0.25, atol=0.07)
