import io
import os
import zlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from data_files import encoded, pixels
from PIL import Image, ImageOps

from trueshot.training.data import decode
from trueshot.training.data.decode import (
    DECODER_ERRORS,
    Geometry,
    decode_rows,
    fit,
    fit_all,
    look,
    map_chunked,
    open_image,
    reason_of,
)
from trueshot.training.data.listing import FileImages

NOTHING = torch.zeros(3, 64, 64, dtype=torch.uint8)


def _saved(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _geometry(size=12, channels=3, crop=1.0):
    return Geometry(channels=channels, image_size=size, crop=crop)


@pytest.mark.parametrize("options", [{"quality": 50}, {"quality": 95, "subsampling": 0}, {"progressive": True}])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_pixels_equal_those_of_pillow(options, channels):
    content = _saved(Image.fromarray(pixels(3, (33, 17), channels)), "JPEG", **options)
    expected = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(np.asarray(open_image(content)), expected)
    seen, small = look(content, 64)
    np.testing.assert_array_equal(small, expected)
    assert (seen.width, seen.height, seen.grey) == (33, 17, channels == 1)
    assert look(content, 32)[1] is None
    assert look(content, 32)[0] == seen


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = _saved(Image.fromarray(pixels(1, (30, 20))), kind, exif=exif)
    upright = open_image(content)
    size = (20, 30) if orientation >= 5 else (30, 20)
    assert upright.size == size
    for limit in (64, 0):
        seen, _ = look(content, limit)
        assert (seen.width, seen.height) == size
    np.testing.assert_array_equal(np.asarray(upright), ImageOps.exif_transpose(Image.open(io.BytesIO(content))))


def test_sixteen_bit_grey_keeps_the_upper_bits():
    deep = (np.arange(144).reshape(12, 12) * 450).astype(np.uint16)
    for kind in ("PNG", "TIFF"):
        image = open_image(_saved(Image.fromarray(deep), kind))
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), deep >> 8)


def test_transparency_lies_on_white():
    colour = np.zeros((4, 4, 4), dtype=np.uint8)
    colour[:2, :, :] = (200, 100, 0, 255)
    for image in (Image.fromarray(colour), Image.fromarray(colour).convert("PA")):
        seen = np.asarray(open_image(_saved(image, "PNG" if image.mode == "RGBA" else "TIFF")))
        assert seen.shape == (4, 4, 3)
        np.testing.assert_array_equal(seen[3, 3], [255, 255, 255])
    grey = Image.merge("LA", [Image.new("L", (4, 4), 90), Image.new("L", (4, 4), 0)])
    assert np.asarray(open_image(_saved(grey))).tolist() == [[255] * 4] * 4
    marked = _saved(Image.new("L", (4, 4), 7), transparency=7)
    assert np.asarray(open_image(marked)).max() == 255 == np.asarray(open_image(marked)).min()


def test_palettes_bits_and_inks_become_colour_or_grey():
    image = Image.fromarray(pixels(5))
    palette = image.quantize(16)
    np.testing.assert_array_equal(np.asarray(open_image(_saved(palette))), np.asarray(palette.convert("RGB")))
    bits = image.convert("1")
    assert open_image(_saved(bits)).mode == "L"
    assert look(_saved(bits), 0)[0].grey
    assert open_image(_saved(image.convert("CMYK"), "JPEG")).mode == "RGB"


@pytest.mark.parametrize("limit", [0, 64])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_truncated_empty_and_foreign_files_are_refused(kind, limit, tmp_path):
    whole = encoded(1, (40, 40), kind=kind)
    for content in (whole[: len(whole) // 2], whole[:10], b"", b"no image"):
        with pytest.raises(DECODER_ERRORS):
            look(content, limit)
        path = tmp_path / "x.img"
        path.write_bytes(content)
        with pytest.raises(DECODER_ERRORS):
            look(path, limit)
        with pytest.raises(DECODER_ERRORS):
            open_image(path)


def test_whole_images_with_bytes_behind_them_pass():
    for kind in ("JPEG", "PNG"):
        content = encoded(1, (100, 90), kind=kind) + b"trailing"
        assert look(content, 0)[0].width == 100


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "AVIF"])
@pytest.mark.parametrize("size", [(40, 30), (300, 260)])
def test_half_an_image_of_any_kind_and_size_is_found_at_first_sight(kind, size):
    whole = encoded(1, size, kind=kind)
    assert look(whole, 64)[0] == look(whole, 0)[0] == look(whole, 0, known_good=True)[0]
    for limit in (0, 64):
        with pytest.raises(DECODER_ERRORS):
            look(whole[: len(whole) // 2], limit)


@pytest.mark.parametrize("size", [(40, 30), (300, 260)])
@pytest.mark.parametrize("exif", [False, True])
def test_a_changed_byte_is_found_at_first_sight(size, exif):
    told = Image.Exif()
    told[0x0112] = 6
    whole = bytearray(_saved(Image.fromarray(pixels(1, size)), **({"exif": told} if exif else {})))
    whole[whole.index(b"IDAT") + 20] ^= 255
    for limit in (0, 64):
        with pytest.raises(DECODER_ERRORS):
            look(bytes(whole), limit)


def bomb(kind, width, height):
    """A small file whose header tells of a large image."""
    whole = bytearray(encoded(1, (16, 16), kind=kind))
    if kind == "JPEG":
        place = whole.index(b"\xff\xc0") + 5
        whole[place : place + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    elif kind == "PNG":
        header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + whole[24:29]
        whole[12:33] = header + zlib.crc32(header).to_bytes(4, "big")
    elif kind == "BMP":
        whole[18:26] = width.to_bytes(4, "little") + height.to_bytes(4, "little")
    else:
        whole[6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return bytes(whole)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF"])
def test_no_decoder_is_asked_for_more_pixels_than_pillow_allows(kind, monkeypatch, tmp_path):
    def decode(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr("torch.ops.image.decode_jpeg", decode)
    content = bomb(kind, 25000, 25000)
    (tmp_path / "x").write_bytes(content)
    for item in (content, tmp_path / "x"):
        for limit in (0, 64):
            with pytest.raises(Image.DecompressionBombError) as caught:
                look(item, limit)
        with pytest.raises(Image.DecompressionBombError):
            open_image(item)
    assert reason_of(caught.value) == "more than 178,956,970 pixels"


@pytest.mark.parametrize("size", [(2, 2000), (2000, 2), (3, 97), (1, 4000)])
def test_only_the_middle_of_a_strip_is_resized(size, monkeypatch):
    wide = Image.fromarray(pixels(1, size))
    geometry = _geometry(size=64, crop=0.875)
    found = fit(wide, geometry)
    asked = []
    monkeypatch.setattr(decode, "_resizing", lambda _: lambda image: asked.append(image.size) or NOTHING)
    fit(wide, geometry)
    shorter = min(size)
    assert asked == [tuple(min(side, 32 * shorter) for side in size)]
    monkeypatch.undo()
    # As if the whole were resized; a few pixels longer or shorter, the centre moves by less than one.
    monkeypatch.setattr(decode, "LONGEST", 10**6)
    assert np.abs(fit(wide, geometry).astype(float) - found).mean() < 3


def test_images_that_are_long_but_no_strips_are_as_before(monkeypatch):
    image = Image.fromarray(pixels(1, (320, 10)))
    before = fit(image, _geometry(size=16))
    monkeypatch.setattr(decode, "LONGEST", 10**6)
    np.testing.assert_array_equal(fit(image, _geometry(size=16)), before)


def test_floating_point_pixels_are_refused():
    content = _saved(Image.fromarray(np.ones((4, 4), dtype=np.float32)), "TIFF")
    with pytest.raises(ValueError, match="floating-point pixels"):
        open_image(content)


def test_fit_resizes_the_shorter_side_and_crops_the_centre():
    image = Image.fromarray(pixels(2, (40, 20)))
    expected = image.resize((24, 12), Image.Resampling.BICUBIC).crop((6, 0, 18, 12))
    np.testing.assert_array_equal(fit(image, _geometry()), np.asarray(expected).transpose(2, 0, 1))
    wide = fit(image, _geometry(size=14, crop=0.875))
    whole = image.resize((32, 16), Image.Resampling.BICUBIC).crop((9, 1, 23, 15))
    np.testing.assert_array_equal(wide, np.asarray(whole).transpose(2, 0, 1))
    assert fit(image, _geometry(channels=1)).shape == (1, 12, 12)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sizes", [[(12, 12)] * 3, [(12, 12), (14, 20), (12, 13)]])
def test_fit_all_equals_fit_one_by_one(channels, sizes):
    images = [pixels(seed, size, channels) for seed, size in enumerate(sizes)]
    expected = np.stack([fit(Image.fromarray(image), _geometry(channels=channels)) for image in images])
    np.testing.assert_array_equal(fit_all(images, _geometry(channels=channels)), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_decode_rows_lists_what_it_cannot_read(tmp_path, workers):
    for row in range(130):
        (tmp_path / f"{row}.png").write_bytes(encoded(row % 7, (14, 14)))
    (tmp_path / "69.png").write_bytes(b"")
    images = FileImages(root=tmp_path, paths=(*(f"{row}.png" for row in range(130)), "gone.png"))
    rows = list(range(130, -1, -1))
    decoded, bad = decode_rows(images, rows, _geometry(), workers)
    assert [(image.row, Path(image.name).name, image.reason) for image in bad] == [
        (0, "gone.png", "file is missing"),
        (61, "69.png", "not an image"),
    ]
    np.testing.assert_array_equal(decoded[130], fit(Image.fromarray(pixels(0, (14, 14))), _geometry()))
    assert not decoded[0].any()


def test_map_chunked_keeps_the_order():
    rows = list(range(1000, 0, -1))
    assert map_chunked(lambda row: row * 2, rows, 2) == [row * 2 for row in rows]


@pytest.mark.skipif("TRUESHOT_DATA" not in os.environ, reason="TRUESHOT_DATA does not name the data folder")
@pytest.mark.parametrize("name", ["cifar10", "subimagenet64"])
def test_real_jpegs_decode_as_with_pillow(name):
    path = Path(os.environ["TRUESHOT_DATA"]) / f"{name}-train.parquet"
    column = next(pq.ParquetFile(path).iter_batches(200, columns=["image"])).column(0)
    for entry in column.to_pylist():
        expected = np.asarray(Image.open(io.BytesIO(entry["bytes"])))
        np.testing.assert_array_equal(np.asarray(look(entry["bytes"], 64)[1]), expected)
