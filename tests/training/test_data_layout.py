import numpy as np
import pytest
from data_files import encoded, write_folder

from trueshot.training.data.folder import list_folder
from trueshot.training.data.layout import choose_size, survey


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(8, 8)], 8),
        ([(28, 28), (28, 28)], 28),
        ([(64, 64)], 64),
        ([(28, 28), (30, 28)], 32),
        ([(5, 5), (4, 9)], 8),
        ([(50, 60), (64, 64)], 64),
        ([(96, 96)], 64),
        ([(128, 200), (200, 128)], 64),
        ([(129, 200)], 224),
        ([(640, 480), (32, 32), (500, 375)], 224),
    ],
)
def test_the_size_follows_the_shorter_sides(sizes, expected):
    assert choose_size(np.asarray(sizes)) == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_a_survey_describes_each_readable_image(tmp_path, workers):
    write_folder(tmp_path, {"a": 60, "b": 60}, size=(20, 10))
    (tmp_path / "a" / "003.png").write_bytes(b"broken")
    (tmp_path / "b" / "004.png").write_bytes(encoded(1, (9, 9), channels=1))
    images = list_folder(tmp_path).train.images
    rows = np.arange(119, -1, -1)
    seen = survey(images, rows, keep=True, workers=workers)
    assert seen.rows.tolist() == [row for row in rows if row != 3]
    assert [image.row for image in seen.bad] == [3]
    position = seen.rows.tolist().index(64)
    assert seen.sizes[position].tolist() == [9, 9]
    assert seen.grey.nonzero()[0].tolist() == [position]
    assert seen.pixels[position].shape == (9, 9)
    part = seen.take(np.asarray([position, 0]))
    assert part.rows.tolist() == [64, 119]
    assert part.pixels[0] is seen.pixels[position]
    headers = survey(images, rows, keep=False, workers=workers)
    assert headers.pixels is None
    np.testing.assert_array_equal(headers.sizes, seen.sizes)
    np.testing.assert_array_equal(headers.grey, seen.grey)


def test_large_images_are_not_kept(tmp_path):
    write_folder(tmp_path, {"a": 2, "b": 2}, size=(70, 10))
    assert survey(list_folder(tmp_path).train.images, np.arange(4), keep=True, workers=0).pixels is None
