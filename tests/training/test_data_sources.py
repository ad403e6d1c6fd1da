import os

import numpy as np
import pytest
import torch
from data_files import encoded, write_folder, write_parquet
from PIL import Image
from sklearn.datasets import load_digits

from trueshot.core.errors import DataError
from trueshot.core.random import Streams
from trueshot.training.data.options import DataOptions
from trueshot.training.data.sources import load

STREAMS = Streams(3)
needs_data = pytest.mark.skipif("TRUESHOT_DATA" not in os.environ, reason="TRUESHOT_DATA does not name the data folder")


def _load(spec, streams=STREAMS, **options):
    return load(str(spec), options=DataOptions(workers=0, **options), streams=streams)


def _keys(part):
    return {image.numpy().tobytes() for image in part.images}


def test_digits_are_the_scaled_originals_split_without_loss():
    dataset = _load("digits")
    whole = np.rint(load_digits().images * 255 / 16).astype(np.uint8)
    parts = [dataset.train, dataset.validation, dataset.test]
    assert (dataset.channels, dataset.image_size, dataset.classes) == (1, 8, tuple("0123456789"))
    assert sum(map(len, parts)) == 1797 == len(dataset.train) + len(dataset.validation) + dataset.test_size
    together = np.concatenate([part.images.numpy() for part in parts])
    order = np.lexsort(together.reshape(1797, -1).T)
    expected = np.lexsort(whole.reshape(1797, -1).T)
    np.testing.assert_array_equal(together[order][:, 0], whole[expected])
    assert dataset.notes == ()
    assert not dataset.imbalanced


def test_digits_parts_are_stratified_and_shuffled():
    dataset = _load("digits")
    for part, share in ((dataset.train, 0.64), (dataset.validation, 0.16), (dataset.test, 0.2)):
        counts = torch.bincount(part.labels, minlength=10).numpy()
        np.testing.assert_allclose(counts, share * np.bincount(load_digits().target), atol=1.5)
        assert len(part.labels[:64].unique()) == 10


def test_mean_and_deviation_are_those_of_the_training_pixels():
    dataset = _load("digits")
    unit = dataset.train.images.double() / 255
    assert dataset.mean[0] == pytest.approx(unit.mean().item(), abs=1e-12)
    assert dataset.std[0] == pytest.approx(unit.std(correction=0).item(), abs=1e-12)


def test_equal_streams_give_equal_parts_and_other_streams_do_not():
    first, again, other = _load("digits"), _load("digits"), _load("digits", Streams(4))
    assert torch.equal(first.train.images, again.train.images)
    assert torch.equal(first.test.labels, again.test.labels)
    assert not torch.equal(first.train.labels, other.train.labels)
    assert first.digest == again.digest == other.digest


def test_folder_with_classes_alone_is_split_three_ways(tmp_path):
    dataset = _load(write_folder(tmp_path / "animals", {"cat": 10, "dog": 15}))
    assert (dataset.name, dataset.classes, dataset.image_size, dataset.channels) == ("animals", ("cat", "dog"), 12, 3)
    assert (len(dataset.train), len(dataset.validation), dataset.test_size) == (16, 4, 5)
    parts = [_keys(part) for part in (dataset.train, dataset.validation, dataset.test)]
    assert len(parts[0] | parts[1] | parts[2]) == sum(map(len, parts)) == 25


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test"])
def test_a_lone_second_folder_is_the_test_part(tmp_path, name):
    write_folder(tmp_path / "train", {"a": 10, "b": 10})
    write_folder(tmp_path / name, {"a": 2, "b": 3}, start=500)
    dataset = _load(tmp_path)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (16, 4, 5)


def test_three_folders_are_the_three_parts(tmp_path):
    write_folder(tmp_path / "train", {"a": 6, "b": 6})
    write_folder(tmp_path / "val", {"a": 2, "b": 2}, start=300)
    write_folder(tmp_path / "test", {"a": 3, "b": 3}, start=600)
    dataset = _load(tmp_path)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (12, 4, 6)
    limited = _load(tmp_path, max_images=8, max_test_images=2)
    assert (len(limited.train), len(limited.validation), len(limited.test)) == (6, 2, 2)


def test_parquet_takes_its_sibling(tmp_path):
    train = write_parquet(tmp_path / "x-train.parquet", [0, 1] * 10, names=["ant", "bee"])
    write_parquet(tmp_path / "x-valid.parquet", [0, 1] * 2, names=["ant", "bee"], start=50)
    dataset = _load(train)
    assert (dataset.name, dataset.classes) == ("x", ("ant", "bee"))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (16, 4, 4)
    write_parquet(tmp_path / "x-test.parquet", [0, 1] * 3, start=70)
    both = _load(train)
    assert (len(both.train), len(both.validation), len(both.test)) == (20, 4, 6)


def test_limits_keep_the_classes_in_proportion(tmp_path):
    write_folder(tmp_path, {"a": 60, "b": 30})
    dataset = _load(tmp_path, max_images=30, max_test_images=6)
    assert dataset.class_counts.tolist() == [20, 10]
    assert torch.bincount(dataset.test.labels).tolist() == [4, 2]
    assert dataset.notes == (
        "only 30 of the images for training and validation are used (max_images)",
        "only 6 of the test images are used (max_test_images)",
    )


def test_limited_data_is_not_read_beyond_the_limit(tmp_path):
    write_folder(tmp_path / "train", {"a": 40, "b": 40})
    write_folder(tmp_path / "test", {"a": 2, "b": 2}, start=500)
    used = _load(tmp_path, max_images=8)
    needed = _keys(used.train) | _keys(used.validation)
    for path in (tmp_path / "train").rglob("*.png"):
        if np.asarray(Image.open(path)).transpose(2, 0, 1).tobytes() not in needed:
            path.write_bytes(b"broken")
    with pytest.raises(DataError, match=r"72 of 84 images cannot be read"):
        _load(tmp_path)
    again = _load(tmp_path, max_images=8)
    assert torch.equal(again.train.images, used.train.images)


def test_imbalance_is_said(tmp_path):
    write_folder(tmp_path, {"common": 50, "rare": 5})
    dataset = _load(tmp_path)
    assert dataset.imbalanced
    assert "'common' has 40 images and 'rare' 4 (ratio 10.0); balanced accuracy" in dataset.notes[0]


def test_unreadable_images_are_named_counted_and_skipped_up_to_the_limit(tmp_path):
    write_folder(tmp_path, {"a": 10, "b": 10})
    whole = encoded(1, (40, 40), kind="JPEG")
    (tmp_path / "a" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "b" / "text.png").write_bytes(b"no image at all")
    with pytest.raises(DataError, match=r"2 of 22 images cannot be read: .*--max-bad-images \(now 1\)") as caught:
        _load(tmp_path, max_bad_images=1)
    assert "cut.jpg" in str(caught.value)
    assert "text.png (not an image)" in str(caught.value)
    assert "\n" not in str(caught.value)
    dataset = _load(tmp_path, max_bad_images=2)
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 20
    assert any("2 unreadable images are skipped" in note and "cut.jpg" in note for note in dataset.notes)


def test_truncated_test_images_are_found_at_once(tmp_path):
    write_folder(tmp_path / "train", {"a": 10, "b": 10})
    write_folder(tmp_path / "test", {"a": 2, "b": 2}, start=500)
    victim = tmp_path / "test" / "b" / "000.png"
    victim.write_bytes(victim.read_bytes()[:-60])
    with pytest.raises(DataError, match=r"1 of 24 images cannot be read: .*000\.png"):
        _load(tmp_path)


@pytest.mark.parametrize("size", [(12, 12), (300, 260)])
def test_test_images_damaged_inside_are_found_at_once(tmp_path, size):
    write_folder(tmp_path / "train", {"a": 10, "b": 10}, size=size)
    write_folder(tmp_path / "test", {"a": 2, "b": 2}, start=500, size=size)
    victim = tmp_path / "test" / "b" / "000.png"
    content = bytearray(victim.read_bytes())
    middle = content.index(b"IDAT") + 12
    content[middle : middle + 30] = bytes(30)
    victim.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"1 of 24 images cannot be read: .*000\.png"):
        _load(tmp_path)
    tolerant = _load(tmp_path, max_bad_images=1)
    assert len(tolerant.test) == 3
    assert "000.png" in tolerant.notes[0]


def test_test_images_damaged_later_are_found_when_asked_for(tmp_path):
    write_folder(tmp_path / "train", {"a": 10, "b": 10})
    write_folder(tmp_path / "test", {"a": 2, "b": 2}, start=500)
    (strict, tolerant), victim = (
        (_load(tmp_path, max_bad_images=n) for n in (0, 1)),
        tmp_path / "test" / "b" / "000.png",
    )
    victim.write_bytes(victim.read_bytes()[:-60])
    with pytest.raises(DataError, match=r"1 of 4 images cannot be read: .*000\.png"):
        _ = strict.test
    assert len(tolerant.test) == 3
    assert "000.png" in tolerant.test.skipped[0]


@pytest.mark.parametrize("own_test", [True, False])
def test_test_images_have_a_digest_of_their_own(tmp_path, own_test):
    train = {"a": 20, "b": 20}
    write_folder(tmp_path / "train" if own_test else tmp_path, train)
    if own_test:
        write_folder(tmp_path / "test", {"a": 4, "b": 4}, start=500)
    before = _load(tmp_path)
    for part, same in (("test", True), ("train", False)):
        encoded_part = before.held_back.encoded if part == "test" else None
        rows = set() if encoded_part is None else {encoded_part.name(n) for n in range(len(encoded_part))}
        files = sorted(tmp_path.rglob("*.png"))
        victim = next(file for file in files if (str(file) in rows) == same and (same or "test" not in file.parts))
        victim.write_bytes(encoded(99))
        after = _load(tmp_path)
        assert (after.digest == before.digest, after.test_digest == before.test_digest) == (same, not same)
        assert torch.equal(after.train.labels, before.train.labels)
        before = after
    moved = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    assert (_load(moved).digest, _load(moved).test_digest) == (before.digest, before.test_digest)


def test_a_removed_test_image_leaves_the_identity(tmp_path):
    write_folder(tmp_path / "train", {"a": 10, "b": 10})
    write_folder(tmp_path / "test", {"a": 4, "b": 4}, start=500)
    before = _load(tmp_path)
    (tmp_path / "test" / "a" / "000.png").unlink()
    after = _load(tmp_path)
    assert after.digest == before.digest
    assert after.test_digest != before.test_digest


def test_names_that_may_mean_two_things(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "digits", {"a": 10, "b": 10})
    told = "digits are the images of that name; the folder beside this command is written ./digits"
    assert told in _load("digits").notes
    assert _load("./digits").classes == ("a", "b")
    for empty in ("", "  "):
        with pytest.raises(DataError, match="the name of the data is empty: give digits"):
            _load(empty)


def test_the_test_part_is_decoded_once_and_not_before(tmp_path, monkeypatch):
    calls = []
    original = type(_load("digits").held_back).part
    monkeypatch.setattr("trueshot.training.data.dataset.HeldBack.part", lambda self: calls.append(1) or original(self))
    dataset = _load("digits")
    assert calls == []
    assert dataset.test is dataset.test
    assert calls == [1]


def test_mixed_sizes_and_modes_become_alike(tmp_path):
    write_folder(tmp_path, {"a": 6, "b": 6}, size=(20, 30))
    (tmp_path / "a" / "grey.png").write_bytes(encoded(7, (25, 25), channels=1))
    dataset = _load(tmp_path)
    assert dataset.train.images.shape[1:] == (3, 24, 24)
    assert "images of 20x25 to 25x30 pixels are resized and centre-cropped to 24x24" in dataset.notes
    assert "1 of 13 images are grey among colour images: all are read as colour" in dataset.notes


def test_image_size_can_be_asked_for(tmp_path):
    dataset = _load(write_folder(tmp_path, {"a": 6, "b": 6}), image_size=16)
    assert dataset.train.images.shape[1:] == (3, 16, 16)


def test_changed_images_or_labels_change_the_digest(tmp_path):
    root = write_folder(tmp_path / "one", {"a": 6, "b": 6})
    before = _load(root).digest
    assert _load(write_folder(tmp_path / "two", {"a": 6, "b": 6})).digest == before
    (root / "a" / "000.png").write_bytes(encoded(99))
    changed = _load(root).digest
    (root / "a" / "001.png").rename(root / "b" / "moved.png")
    assert len({before, changed, _load(root).digest}) == 3


@pytest.mark.parametrize("counts", [{"a": 10, "b": 2}, {"a": 1, "b": 10}])
def test_a_class_too_small_to_split_is_an_error(tmp_path, counts):
    scarce = min(counts, key=counts.get)
    with pytest.raises(DataError, match=rf"class '{scarce}' has {counts[scarce]} images, too few to split into 3"):
        _load(write_folder(tmp_path, counts))


def test_a_part_of_one_class_is_an_error(tmp_path):
    write_folder(tmp_path / "train", {"a": 5, "b": 5})
    write_folder(tmp_path / "test", {"b": 5}, start=50)
    with pytest.raises(DataError, match=r"test part of .* fewer than 2 classes"):
        _load(tmp_path)


def test_too_small_a_limit_is_an_error():
    with pytest.raises(DataError, match="max_images leaves 10 images for 10 classes, which need 2 each: raise it"):
        _load("digits", max_images=10)


def test_an_unknown_source_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no data at 'nowhere': give digits, cifar10"):
        _load("nowhere")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"neither a folder nor a \.parquet file"):
        _load(tmp_path / "notes.txt")


def test_shared_data_names_its_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("TRUESHOT_DATA", raising=False)
    with pytest.raises(DataError, match=r"cifar10 needs cifar10-train\.parquet: set TRUESHOT_DATA"):
        _load("cifar10")
    monkeypatch.setenv("TRUESHOT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"subimagenet64-train\.parquet, which TRUESHOT_DATA .* lacks"):
        _load("subimagenet64")


@needs_data
@pytest.mark.parametrize(("name", "classes", "size"), [("cifar10", 10, 32), ("subimagenet64", 100, 64)])
def test_real_data_loads(name, classes, size):
    dataset = _load(name, max_images=400, max_test_images=200)
    assert (len(dataset.classes), dataset.image_size, dataset.channels) == (classes, size, 3)
    assert (len(dataset.train) + len(dataset.validation), len(dataset.test)) == (400, 200)
    assert dataset.train.images.shape[1:] == (3, size, size)
    assert dataset.class_counts.tolist() == [400 // classes] * classes
    assert all(0.3 < mean < 0.6 for mean in dataset.mean)
