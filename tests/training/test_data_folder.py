import os

import pytest
from data_files import encoded, write_folder, write_parquet

from trueshot.core.errors import DataError
from trueshot.training.data.decode import open_image
from trueshot.training.data.folder import list_folder


def test_images_are_listed_by_class_and_name(tmp_path):
    write_folder(tmp_path, {"b": 2, "a": 1})
    (tmp_path / "a" / "deep").mkdir()
    (tmp_path / "a" / "deep" / "x.JPG").write_bytes(encoded(1, kind="JPEG"))
    (tmp_path / "a" / "notes.txt").write_text("no image")
    (tmp_path / "a" / ".hidden.png").write_bytes(b"")
    (tmp_path / ".cache").mkdir()
    listing = list_folder(tmp_path)
    assert listing.classes == ("a", "b")
    assert listing.train.images.paths == ("a/000.png", "a/deep/x.JPG", "b/000.png", "b/001.png")
    assert listing.train.labels.tolist() == [0, 0, 1, 1]
    assert listing.test is None


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match="is empty: give a folder with one sub-folder of images per class"):
        list_folder(tmp_path)


def test_a_folder_without_sub_folders_is_an_error(tmp_path):
    (tmp_path / "x.png").write_bytes(encoded(1))
    with pytest.raises(DataError, match="has no sub-folders: give a folder"):
        list_folder(tmp_path)
    write_parquet(tmp_path / "y-train.parquet", [0, 1])
    with pytest.raises(DataError, match=r"no sub-folders but y-train\.parquet: give that file itself"):
        list_folder(tmp_path)


def test_a_single_class_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"one class only \('a'\): at least 2"):
        list_folder(write_folder(tmp_path, {"a": 3}))


@pytest.mark.parametrize("part", [".", "train", "val"])
def test_a_class_without_images_is_an_error(tmp_path, part):
    for folder in ["train", "val"] if part != "." else ["."]:
        write_folder(tmp_path / folder, {"a": 2, "b": 2})
    for path in (tmp_path / part / "b").iterdir():
        path.rename(path.with_suffix(".dat")).write_text("no image")
    with pytest.raises(DataError, match=r"class 'b' has no images in .*b: add some \(\.avif, \.bmp"):
        list_folder(tmp_path)


def test_a_class_that_train_lacks_is_an_error(tmp_path):
    write_folder(tmp_path / "train", {"a": 2, "b": 2})
    write_folder(tmp_path / "test", {"a": 2, "c": 2})
    with pytest.raises(DataError, match="has class 'c', which train lacks"):
        list_folder(tmp_path)


def test_an_empty_part_is_an_error(tmp_path):
    write_folder(tmp_path / "train", {"a": 2, "b": 2})
    (tmp_path / "val").mkdir()
    with pytest.raises(DataError, match="val is empty"):
        list_folder(tmp_path)


def part(root, name, classes=("a", "b")):
    write_folder(root / name, dict.fromkeys(classes, 2))


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"), ("Train", "Val", "Test"), ("training_set", "valid", "test_set"),
        ("TRAINING", "validation", "Testing"), ("train-set", "dev", "test set"), ("training_set", None, "test_set"),
    ],
)  # fmt: skip
def test_parts_are_known_by_their_usual_names(tmp_path, train, validation, test):
    for name in filter(None, (train, validation, test)):
        part(tmp_path, name)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "all.csv").write_text("file,label")
    listing = list_folder(tmp_path)
    assert listing.classes == ("a", "b")
    assert listing.train.images.root == tmp_path / train
    assert listing.test.images.root == tmp_path / test
    assert (listing.validation is None) == (validation is None)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["val/a", "val/b", "test/a", "test/b"], r"has val/ and test/, but no train/: add it, or name folders of"),
        (["valid/a", "Test/b"], r"has valid/ and Test/, but no train/"),
        (["val", "test"], r"has val/ and test/, but no train/"),
        (["train", "test"], r"has train/ and test/, but train/ has no class folders: put the images of each class"),
        (["train/a", "train/b", "test"], r"but test/ has no class folders"),
        (["train/a", "train/b", "val/a", "valid/a"], r"has val/ and valid/, which say the same: keep one of them"),
        (["Train/a", "Train/b", "training/a", "training/b"], r"has Train/ and training/, which say the same"),
        (["train/a", "train/b", "extra/a"], r"has train/, and extra/ with images, which is none of these parts: move"),
    ],
)
def test_folders_that_may_be_parts_or_classes_are_errors(tmp_path, folders, message):
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "0.png").write_bytes(encoded(1))
    with pytest.raises(DataError, match=message):
        list_folder(tmp_path)


def test_a_class_may_be_called_after_a_part(tmp_path):
    write_folder(tmp_path, {"bus": 1, "car": 1, "train": 1})
    assert list_folder(tmp_path).classes == ("bus", "car", "train")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.jfif", "JPEG"), ("x.jpe", "JPEG"), ("x.avif", "AVIF"), ("x.TIFF", "TIFF"), ("x", "PNG"), ("x.1", "JPEG"),
        ("photo.jpg_large", "JPEG"), ("x.dat", "GIF"), ("y", "WEBP"), ("z", "AVIF"), ("y.tmp", "TIFF"),
    ],
)  # fmt: skip
def test_images_are_known_by_their_bytes_too(tmp_path, name, kind):
    write_folder(tmp_path, {"a": 1, "b": 1})
    (tmp_path / "a" / name).write_bytes(encoded(1, kind=kind))
    listing = list_folder(tmp_path)
    assert f"a/{name}" in listing.train.images.paths
    assert listing.notes == ()
    assert open_image(listing.train.images.item(listing.train.images.paths.index(f"a/{name}"))).size == (12, 12)


def test_what_is_left_out_is_noted(tmp_path):
    for name in ("train", "test"):
        part(tmp_path, name)
    for file in ("train/cover.png", "test/p", "test/q.jpg"):
        (tmp_path / file).write_bytes(encoded(1))
    for file in ("train/a/notes.txt", "train/b/labels.json", "train/b/Thumbs.db", "readme.md"):
        (tmp_path / file).write_text("no image")
    assert list_folder(tmp_path).notes == (
        f"1 images beside the class folders of {tmp_path / 'train'} are left out, such as cover.png",
        f"2 files in {tmp_path / 'train'} are no images and are left out, such as a/notes.txt",
        f"2 images beside the class folders of {tmp_path / 'test'} are left out, such as p",
    )


def test_runs_are_no_classes(tmp_path):
    write_folder(tmp_path, {"a": 1, "b": 1, "result/winners": 1, "runs/mine/log": 1, "runs/other/log": 1})
    for run in ("result", "runs/mine", "runs/other"):
        (tmp_path / run / "config.json").write_text('{"version": 1, "command": "search"}')
    assert list_folder(tmp_path).classes == ("a", "b")
    # What only looks like one is.
    (tmp_path / "runs" / "mine" / "config.json").write_text('{"version": 1}')
    assert list_folder(tmp_path).classes == ("a", "b", "runs")


def test_names_that_are_no_text(tmp_path):
    write_folder(tmp_path, {"a": 2, "b": 2})
    os.rename(tmp_path / "a" / "000.png", os.fsencode(tmp_path / "a") + b"/caf\xe9.png")
    listing = list_folder(tmp_path)
    assert len(listing.digest()) == 32
    assert open_image(listing.train.images.item(1)).size == (12, 12)
    os.rename(tmp_path / "b", os.fsencode(tmp_path) + b"/b\xe9")
    with pytest.raises(DataError, match=r"has class 'b\\udce9', whose name cannot be written as text: rename it"):
        list_folder(tmp_path)
