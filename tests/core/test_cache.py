import threading
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trueshot.core import cache as module
from trueshot.core.cache import EvaluationCache, row_keys
from trueshot.core.errors import RunError


def rows(n, start=0, width=5):
    return np.array([[start + i, *range(width - 1)] for i in range(n)], dtype=np.uint8).reshape(n, width)


def test_unknown_is_nan_and_digests_are_apart():
    cache = EvaluationCache(None)
    cache.put("a", rows(2), np.array([1.0, 2.0]))
    np.testing.assert_array_equal(cache.get("a", rows(3)), [1.0, 2.0, np.nan])
    assert np.isnan(cache.get("b", rows(3))).all()
    assert cache.get("a", rows(0)).shape == (0,)
    assert len(cache) == 2


@settings(max_examples=30, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(0, 20), st.integers(1, 4)), elements=st.integers(0, 2)))
def test_keys_are_equal_exactly_for_equal_rows(archs):
    keys = row_keys(archs)
    assert len(keys) == len(archs)
    for i in range(len(archs)):
        for j in range(len(archs)):
            assert (keys[i] == keys[j]) == np.array_equal(archs[i], archs[j])


def test_rows_of_views_are_their_own_content():
    archs = rows(6)[::2, ::-1]
    cache = EvaluationCache(None)
    cache.put("a", archs, np.arange(3.0))
    np.testing.assert_array_equal(cache.get("a", np.ascontiguousarray(archs)), np.arange(3.0))


def test_file_brings_back_exact_scores_and_columns(tmp_path):
    path = tmp_path / "run" / "evaluations.parquet"
    scores = np.random.default_rng(0).normal(size=4)
    with EvaluationCache(path) as cache:
        cache.put("a", rows(4), scores, arch=list("wxyz"), madds=np.arange(4), seconds=np.full(4, 0.5))
        cache.put("b", rows(2, width=3), np.array([7.0, 8.0]))
    again = EvaluationCache(path)
    np.testing.assert_array_equal(again.get("a", rows(4)), scores)
    np.testing.assert_array_equal(again.get("b", rows(2, width=3)), [7.0, 8.0])
    frame = pd.read_parquet(path)
    assert frame["arch"].fillna("").tolist() == [*"wxyz", "", ""]
    assert frame["madds"][:4].tolist() == [0, 1, 2, 3]
    with again:
        again.put("a", rows(1, start=9), np.array([3.0]), arch=["v"])
    frame = pd.read_parquet(path)
    assert len(frame) == 7
    assert frame["seconds"].tolist()[:4] == [0.5] * 4


def test_nothing_is_written_without_rows_and_no_temporary_stays(tmp_path):
    path = tmp_path / "evaluations.parquet"
    with EvaluationCache(path):
        pass
    assert not path.exists()
    with EvaluationCache(path) as cache:
        cache.put("a", rows(1), np.ones(1))
    assert {item.name for item in tmp_path.iterdir()} == {path.name, f".{path.name}.lock"}


def test_put_flushes_by_itself_after_the_interval(tmp_path, monkeypatch):
    # However long a write takes on a busy machine.
    monkeypatch.setattr(module, "_SHARE", 0.0)
    path = tmp_path / "evaluations.parquet"
    cache = EvaluationCache(path, interval=0.02)
    cache.put("a", rows(1), np.ones(1))
    time.sleep(0.03)
    cache.put("a", rows(1, start=1), np.ones(1))
    assert len(EvaluationCache(path)) == 2


def test_rows_are_written_when_the_block_fails(tmp_path):
    path = tmp_path / "evaluations.parquet"

    def fail():
        with EvaluationCache(path) as cache:
            cache.put("a", rows(3), np.ones(3))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert len(EvaluationCache(path)) == 3


def test_writers_that_take_turns_lose_nothing(tmp_path):
    path = tmp_path / "evaluations.parquet"
    one, two = EvaluationCache(path), EvaluationCache(path)
    for start in range(0, 6, 2):
        one.put("a", rows(1, start=start), np.array([float(start)]))
        one.flush()
        two.put("a", rows(1, start=start + 1), np.array([start + 1.0]))
        two.flush()
    np.testing.assert_array_equal(two.get("a", rows(6)), np.arange(6.0))
    np.testing.assert_array_equal(EvaluationCache(path).get("a", rows(6)), np.arange(6.0))


def test_writers_at_the_same_time_lose_nothing(tmp_path):
    path = tmp_path / "evaluations.parquet"

    def write(start):
        cache = EvaluationCache(path)
        for step in range(10):
            cache.put("a", rows(1, start=start + step), np.array([float(start + step)]))
            cache.flush()

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(EvaluationCache(path).get("a", rows(40)), np.arange(40.0))


@pytest.mark.parametrize("content", [b"", b"not a table", b"PAR1 cut short"])
def test_damaged_file_is_one_line(tmp_path, content):
    path = tmp_path / "evaluations.parquet"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"cannot read the evaluations in .*delete the file") as caught:
        EvaluationCache(path)
    assert "\n" not in str(caught.value)


def test_truncated_file_is_one_line(tmp_path):
    path = tmp_path / "evaluations.parquet"
    with EvaluationCache(path) as cache:
        cache.put("a", rows(50), np.arange(50.0))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RunError, match="cannot read the evaluations"):
        EvaluationCache(path)


def test_foreign_table_is_refused(tmp_path):
    path = tmp_path / "evaluations.parquet"
    pq.write_table(pa.table({"digest": ["a"], "row": [b"x"], "score": [1.0]}), path)
    with pytest.raises(RunError, match="no evaluation cache"):
        EvaluationCache(path)


def test_scores_must_be_finite_and_columns_fit():
    cache = EvaluationCache(None)
    with pytest.raises(RunError, match=r"1 of 2 scores are not finite.*\[1, 0, 1, 2, 3\]"):
        cache.put("a", rows(2), np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="one value for each"):
        cache.put("a", rows(2), np.ones(2), arch=["x"])
    with pytest.raises(ValueError, match="own"):
        cache.put("a", rows(1), np.ones(1), row=[b"x"])
    assert len(cache) == 0


def test_what_a_job_puts_is_handed_over_and_not_written(tmp_path):
    path, handed, archs = tmp_path / "evaluations.parquet", [], np.arange(6, dtype=np.uint8).reshape(3, 2)
    parent = EvaluationCache(path)
    parent.put("one", archs[:1], np.array([0.5]))
    parent.flush()
    before = path.read_bytes()
    with EvaluationCache(path, interval=0.0, hand=handed.append) as job:
        assert job.get("one", archs[:1]).tolist() == [0.5]
        job.put("one", archs[1:3], np.array([0.25, 0.75]), seconds=np.array([1.0, 2.0]))
        assert job.get("one", archs[:3]).tolist() == [0.5, 0.25, 0.75]
    assert path.read_bytes() == before
    (scored,) = handed
    parent.put(scored.digest, scored.archs, scored.scores, **scored.columns)
    assert parent.get("one", archs[:3]).tolist() == [0.5, 0.25, 0.75]
    assert scored.columns == {"seconds": [1.0, 2.0]}
