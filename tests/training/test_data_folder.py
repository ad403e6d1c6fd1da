import pytest
from data_files import encoded, write_folder, write_parquet

from trueshot.core.errors import DataError
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
        path.rename(path.with_suffix(".dat"))
    with pytest.raises(DataError, match=r"class 'b' has no images in .*b: add some \(\.bmp"):
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
