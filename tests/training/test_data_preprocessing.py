import json

import pytest
import torch
from data_files import encoded, write_folder

from trueshot.core.errors import DataError
from trueshot.core.random import Streams
from trueshot.training.data.batches import eval_batches
from trueshot.training.data.options import DataOptions
from trueshot.training.data.preprocessing import Preprocessing, decode_image
from trueshot.training.data.sources import load

GREY = Preprocessing(channels=1, image_size=8, mean=(0.3,), std=(0.4,))
COLOUR = Preprocessing(channels=3, image_size=16, mean=(0.1, 0.2, 1 / 3), std=(0.5, 0.25, 0.125), crop=0.875)


@pytest.mark.parametrize("preprocessing", [GREY, COLOUR])
def test_json_keeps_every_bit(preprocessing):
    assert Preprocessing.from_dict(json.loads(json.dumps({"version": 1, **preprocessing.to_dict()}))) == preprocessing


@pytest.mark.parametrize("change", [{"mean": None}, {"std": "x"}, {"channels": "many"}, {"crop": []}])
def test_unfit_saved_values_are_errors(change):
    with pytest.raises(DataError, match="saved preprocessing is not usable"):
        Preprocessing.from_dict({**COLOUR.to_dict(), **change})
    with pytest.raises(DataError, match="saved preprocessing is not usable"):
        Preprocessing.from_dict({key: value for key, value in COLOUR.to_dict().items() if key not in change})


@pytest.mark.parametrize("change", [{"channels": 2}, {"mean": (0.1,)}, {"std": (0.0, 1.0, 1.0)}, {"crop": 1.5}])
def test_values_that_do_not_fit_together_are_errors(change):
    with pytest.raises(DataError, match="preprocessing"):
        Preprocessing(**{**COLOUR.to_dict(), "mean": COLOUR.mean, "std": COLOUR.std, **change})


def test_normalising_is_the_textbook_formula():
    images = torch.randint(0, 256, (4, 3, 5, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in (COLOUR.mean, COLOUR.std))
    before = images.clone()
    torch.testing.assert_close(COLOUR.normalise(images).double(), (images / 255 - mean) / std, atol=1e-5, rtol=1e-5)
    assert torch.equal(images, before)


@pytest.mark.parametrize("size", [None, 96])
def test_an_image_of_a_user_is_prepared_exactly_as_evaluation_does(tmp_path, size):
    root = write_folder(tmp_path, {"a": 8, "b": 8}, size=(30, 20))
    dataset = load(str(root), options=DataOptions(workers=0, image_size=size), streams=Streams(1))
    batches = eval_batches(dataset.validation, dataset, batch_size=2, device="cpu")
    evaluated = torch.cat([images for images, _ in batches])
    saved = Preprocessing.from_dict(json.loads(json.dumps(dataset.preprocessing.to_dict())))
    alone = [decode_image(path, saved) for path in sorted(tmp_path.rglob("*.png"))]
    for image in evaluated:
        assert any(torch.equal(image, single[0]) for single in alone)


def test_bytes_and_files_give_the_same_and_colour_becomes_grey(tmp_path):
    path = tmp_path / "x.jpg"
    path.write_bytes(encoded(4, (20, 20), kind="JPEG"))
    assert torch.equal(decode_image(path, GREY), decode_image(path.read_bytes(), GREY))
    assert decode_image(path, GREY).shape == (1, 1, 8, 8)
    assert decode_image(encoded(4, (20, 20), channels=1), COLOUR).shape == (1, 3, 16, 16)


def test_an_unreadable_image_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*gone\.png: file is missing; give a whole JPEG"):
        decode_image(tmp_path / "gone.png", GREY)
    with pytest.raises(DataError, match="cannot read image: not an image"):
        decode_image(b"text", GREY)
