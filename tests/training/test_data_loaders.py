import random

import pytest
import torch
from data_files import encoded, write_folder

from trueshot.core.errors import DataError
from trueshot.core.random import Streams
from trueshot.training.data.augment import PRESETS
from trueshot.training.data.batches import eval_batches, train_batches
from trueshot.training.data.dataset import EncodedImages
from trueshot.training.data.loaders import _seeded, iterate_views
from trueshot.training.data.options import DataOptions
from trueshot.training.data.sources import load

CPU = torch.device("cpu")
FIVE = Streams(5)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("images"), {"a": 10, "b": 10}, size=(110, 90))


def _load(root, workers):
    return load(str(root), options=DataOptions(workers=workers, image_size=80), streams=Streams(0))


def _views(dataset, asked, streams=FIVE, scale=(0.2, 1.0)):
    return [
        pixels for pixels, _ in iterate_views(dataset.train.images, asked, scale=scale, streams=streams, device=CPU)
    ]


def test_batches_do_not_depend_on_the_number_of_workers(root):
    batches = []
    for workers in (0, 1, 2):
        dataset = _load(root, workers)
        assert isinstance(dataset.train.images, EncodedImages)
        training = train_batches(
            dataset.train,
            dataset,
            batch_size=4,
            augmentation=PRESETS["imagenet"],
            streams=Streams(1),
            device="cpu",
        )
        batches.append([images for images, _ in training.iterate(1, 5)])
    for other in batches[1:]:
        assert all(torch.equal(one, two) for one, two in zip(batches[0], other, strict=True))


def test_a_view_depends_on_epoch_and_position_alone(root):
    dataset = _load(root, 0)
    together = _views(dataset, [(0, [3, 4]), (1, [3])])
    assert torch.equal(_views(dataset, [(0, [4])])[0][0], together[0][1])
    assert torch.equal(_views(dataset, [(1, [3])])[0][0], together[1][0])
    assert not torch.equal(together[0][0], together[1][0])
    assert not torch.equal(_views(dataset, [(0, [3])], Streams(6))[0][0], together[0][0])


def test_views_are_crops_of_the_size_asked_for(root):
    dataset = _load(root, 0)
    (batch,) = _views(dataset, [(0, [0, 1, 2])])
    assert batch.shape == (3, 3, 80, 80)
    assert batch.dtype == torch.uint8


def test_the_global_generators_are_left_alone(root):
    dataset = _load(root, 0)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    _views(dataset, [(0, [0, 1])])
    assert torch.equal(torch.get_rng_state(), before)


def test_seeding_for_a_view_is_undone():
    random.seed(1)
    before, drawn = random.getstate(), []
    for _ in range(2):
        with _seeded(7):
            drawn.append((random.random(), torch.rand(1).item()))
    assert random.getstate() == before
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_broke_meanwhile_is_named(tmp_path, workers):
    write_folder(tmp_path, {"a": 6, "b": 6}, size=(110, 90))
    dataset = _load(tmp_path, workers)
    victim = next(iter(dataset.train.images.name(position) for position in range(1)))
    with open(victim, "wb") as stream:
        stream.write(encoded(1)[:50])
    with pytest.raises(DataError, match=r"cannot read .*\.png \(.*\): put one that can be read in its place") as caught:
        _views(dataset, [(0, [1, 0])])
    assert victim in str(caught.value)
    assert "Traceback" not in str(caught.value)
    with pytest.raises(DataError, match="put one that can be read in its place"):
        eval_batches(dataset.train, dataset, batch_size=4, device="cpu")


def test_grey_images_stay_grey(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for index in range(6):
            (tmp_path / name / f"{index}.png").write_bytes(encoded(index, (100, 90), channels=1))
    dataset = _load(tmp_path, 0)
    assert dataset.channels == 1
    assert _views(dataset, [(0, [0, 1])])[0].shape == (2, 1, 80, 80)
