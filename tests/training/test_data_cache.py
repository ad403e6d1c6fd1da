import numpy as np
import pytest
import torch
from data_files import write_parquet

from trueshot.core.random import Streams
from trueshot.training.data import cache, sources
from trueshot.training.data.layout import survey
from trueshot.training.data.options import DataOptions

LABELS = [0, 1] * 12


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "LEAST", 4)
    return write_parquet(tmp_path / "some.parquet", LABELS)


def read(path, **options):
    return sources.load(str(path), options=DataOptions(workers=0, **options), streams=Streams(3))


def kept():
    return sorted(cache.folder().glob("*.npy"))


def same(first, second):
    parts = [(getattr(first, name), getattr(second, name)) for name in ("train", "validation", "test")]
    assert all(torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels) for a, b in parts)
    assert first.preprocessing == second.preprocessing
    assert (first.notes, first.digest) == (second.notes, second.digest)


def test_the_second_time_nothing_is_decoded(source, monkeypatch):
    fresh = read(source)
    assert len(kept()) == 1

    def headers_only(images, rows, *, keep, workers, known_good):
        assert not keep, "decoded again"
        assert known_good, "decoded again"
        return survey(images, rows, keep=keep, workers=workers, known_good=known_good)

    monkeypatch.setattr(sources, "survey", headers_only)
    same(fresh, read(source))


def test_a_broken_cache_is_made_anew(source):
    fresh = read(source)
    kept()[0].write_bytes(b"\x93NUMPY broken")
    same(fresh, read(source))
    assert np.load(kept()[0]).shape[1:] == (12, 12, 3)


def test_other_rows_and_other_images_are_other_entries(source, tmp_path):
    read(source)
    read(source, max_images=10)
    assert len(kept()) == 2
    read(write_parquet(tmp_path / "other.parquet", LABELS, start=100))
    assert len(kept()) == 3


def test_without_a_place_to_write_all_goes_on(source, monkeypatch, tmp_path):
    fresh = read(source)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    same(fresh, read(source))


def test_few_images_are_not_kept(source, monkeypatch):
    monkeypatch.setattr(cache, "LEAST", 1000)
    read(source)
    assert not kept()
