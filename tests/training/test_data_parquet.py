import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_files import encoded, write_parquet

from trueshot.core.errors import DataError
from trueshot.training.data.parquet import list_parquet


def test_class_names_come_from_the_metadata(tmp_path):
    listing = list_parquet(write_parquet(tmp_path / "x.parquet", [1, 0, 2], names=["ant", "bee", "cow"]))
    assert (listing.name, listing.classes, listing.test) == ("x", ("ant", "bee", "cow"), None)
    assert listing.train.labels.tolist() == [1, 0, 2]
    assert listing.train.images.item(1) == encoded(1, kind="JPEG")
    assert listing.train.images.name(1) == f"row 1 of {tmp_path / 'x.parquet'}"


def test_without_metadata_classes_are_numbers_and_foreign_metadata_is_passed_over(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", [0, 1, 1])
    assert list_parquet(path).classes == ("0", "1")
    for metadata in (b"not json", b"[]", b'{"info": {"features": {"label": {"_type": "Value"}}}}'):
        pq.write_table(pq.read_table(path).replace_schema_metadata({b"huggingface": metadata}), path)
        assert list_parquet(path).classes == ("0", "1")


def test_plain_binary_columns_are_read(tmp_path):
    pq.write_table(pa.table({"image": [b"one", b"two"], "label": pa.array([0, 1], pa.int8())}), tmp_path / "x.parquet")
    listing = list_parquet(tmp_path / "x.parquet")
    assert [listing.train.images.item(row) for row in range(2)] == [b"one", b"two"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": [0, 1]}, r"lacks the column image \(it has label\): rename"),
        ({"image": [b"a", b"b"], "y": [0, 1]}, r"lacks the column label \(it has image, y\)"),
        ({"img": [b"a"], "y": [0]}, "lacks the column image and label"),
        ({"image": [b"a", b"b"], "label": [0.0, 1.0]}, "column label of .* is double, not an integer"),
        ({"image": [b"a", b"b"], "label": ["a", "b"]}, "column label of .* is string, not an integer"),
        ({"image": ["a", "b"], "label": [0, 1]}, "column image of .* is string: it must hold image files as bytes"),
        ({"image": [b"a", b"b"], "label": [0, -1]}, r"row 1 of .* has label -1, outside 0 to 0 .*\(1 such rows\)"),
        ({"image": [b"a", b"b"], "label": [0, None]}, r"row 1 of .* has no label \(1 rows in all\)"),
        ({"image": [b"a", b"b"], "label": [0, 0]}, "has one class only"),
        ({"image": [b"a", b"b", b"c"], "label": [0, 2, 2]}, "class '1' has no images"),
        ({"image": [b"a", b"b"], "label": [0, 10**9]}, "has label 1000000000 but only 2 rows"),
        ({"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}, "has no rows"),
    ],
)
def test_unfit_columns_are_errors(tmp_path, columns, message):
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=message):
        list_parquet(tmp_path / "x.parquet")


def test_labels_beyond_the_class_names_are_errors(tmp_path):
    with pytest.raises(DataError, match=r"row 2 of .* has label 2, outside 0 to 1 of its 2 classes"):
        list_parquet(write_parquet(tmp_path / "x.parquet", [0, 1, 2], names=["a", "b"]))


def test_a_named_class_without_rows_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"class 'b' has no images in .* \(1 of 3 classes are empty\)"):
        list_parquet(write_parquet(tmp_path / "x.parquet", [0, 2], names=["a", "b", "c"]))


def test_siblings_with_other_classes_are_an_error(tmp_path):
    path = write_parquet(tmp_path / "x-train.parquet", [0, 1], names=["a", "b"])
    write_parquet(tmp_path / "x-test.parquet", [0, 1], names=["b", "a"])
    with pytest.raises(DataError, match=r"x-test\.parquet has other class names than its train file"):
        list_parquet(path)


@pytest.mark.parametrize("cut", [0, 3, 200])
def test_a_corrupt_file_is_an_error(tmp_path, cut):
    path = write_parquet(tmp_path / "x.parquet", [0, 1])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"x\.parquet is not a readable Parquet file \(.*\): download"):
        list_parquet(path)


@pytest.mark.skipif("TRUESHOT_DATA" not in os.environ, reason="TRUESHOT_DATA does not name the data folder")
def test_the_shared_files_are_listed():
    listing = list_parquet(Path(os.environ["TRUESHOT_DATA"]) / "cifar10-train.parquet")
    assert listing.classes[:3] == ("airplane", "automobile", "bird")
    assert (len(listing.train), len(listing.test), listing.validation) == (50_000, 10_000, None)
