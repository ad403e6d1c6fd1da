import time

import numpy as np
import pandas as pd
import pytest

from trueshot.core.cache import EvaluationCache
from trueshot.core.errors import RunError
from trueshot.search.bounds import Bounds
from trueshot.search.evolve import described, run_search
from trueshot.search.nsga2 import NSGA2, NSGA2Config
from trueshot.spaces import Chain

SPACE = Chain()
WEIGHTS = np.random.default_rng(0).normal(size=(19, 6))
BOUNDS = Bounds(max_madds=400_000_000)


class Counting:
    """A separable score that counts its rows and dies, as if killed, before the one after ``limit``."""

    def __init__(self, limit=10**9):
        self.rows, self.limit, self.calls = [], limit, []

    def __call__(self, archs):
        if len(self.rows) + len(archs) > self.limit:
            raise KeyboardInterrupt
        self.rows += [row.tobytes() for row in archs]
        self.calls.append(len(archs))
        return WEIGHTS[np.arange(19), archs].sum(axis=1)


def proposer():
    return NSGA2(SPACE, config=NSGA2Config(population=10, generations=8), bounds=BOUNDS, seed=5)


def same(left, right):
    for name in ("archs", "scores", "generations"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


@pytest.mark.parametrize("limit", [3, 10, 47, 79])
def test_a_killed_search_goes_on_as_if_it_had_not_been(tmp_path, limit):
    whole = run_search(proposer(), Counting(), EvaluationCache(None), "d")
    path, killed = tmp_path / "evaluations.parquet", Counting(limit)
    with pytest.raises(KeyboardInterrupt):
        run_search(proposer(), killed, EvaluationCache(path, interval=0.0), "d", batch=1)
    assert len(killed.rows) == limit
    saved = len(EvaluationCache(path))
    # What a generation before had is safe; of the last one, all but what came since the last flush.
    assert limit // 10 * 10 <= saved <= limit
    rest = Counting()
    resumed = run_search(proposer(), rest, EvaluationCache(path), "d")
    same(whole, resumed)
    assert len(rest.rows) == resumed.fresh == 80 - saved
    assert len(set(rest.rows) & set(killed.rows)) == limit - saved


def test_an_interrupted_block_keeps_every_score(tmp_path):
    def interrupted():
        with EvaluationCache(tmp_path / "evaluations.parquet") as cache:
            run_search(proposer(), Counting(47), cache, "d", batch=1)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert run_search(proposer(), Counting(), EvaluationCache(tmp_path / "evaluations.parquet"), "d").fresh == 33


def test_a_finished_search_is_replayed_without_the_evaluator(tmp_path):
    path = tmp_path / "evaluations.parquet"
    first = run_search(proposer(), Counting(), EvaluationCache(path), "d")
    again = run_search(proposer(), Counting(limit=0), EvaluationCache(path), "d")
    same(first, again)
    assert again.fresh == 0
    assert run_search(proposer(), Counting(), EvaluationCache(path), "other").fresh == 80


def test_batches_change_nothing_but_the_calls():
    one, three = Counting(), Counting()
    same(
        run_search(proposer(), one, EvaluationCache(None), "d"),
        run_search(proposer(), three, EvaluationCache(None), "d", batch=3),
    )
    assert one.calls == [10] * 8
    assert three.calls == [3, 3, 3, 1] * 8


def test_a_row_proposed_twice_is_evaluated_once():
    class Stubborn:
        finished = False
        left = 3

        def ask(self):
            return np.zeros((2 if self.left else 0, 19), dtype=np.uint8)

        def tell(self, archs, scores):
            self.left -= 1

    evaluate = Counting()
    history = run_search(Stubborn(), evaluate, EvaluationCache(None), "d")
    assert len(evaluate.rows) == history.fresh == 1
    assert len(history) == 6
    np.testing.assert_array_equal(history.generations, [1, 1, 2, 2, 3, 3])


def test_the_cache_file_describes_every_row(tmp_path):
    path = tmp_path / "evaluations.parquet"
    history = run_search(proposer(), Counting(), EvaluationCache(path), "d", columns=described(SPACE))
    frame = pd.read_parquet(path)
    assert frame["arch"].tolist() == [SPACE.format(row) for row in history.archs]
    assert frame["madds"].tolist() == SPACE.cost(history.archs).madds.tolist()
    assert frame["params"].tolist() == SPACE.cost(history.archs).params.tolist()
    assert (frame["seconds"] >= 0).all()


def test_callback_sees_each_generation_and_the_file_is_written_by_then(tmp_path):
    path, sizes, stored = tmp_path / "evaluations.parquet", [], []

    def seen(history):
        sizes.append(len(history))
        stored.append(len(EvaluationCache(path)))

    run_search(proposer(), Counting(), EvaluationCache(path, interval=1e9), "d", on_generation=seen)
    assert sizes == stored == list(range(10, 81, 10))


def test_own_time_leaves_out_the_evaluator():
    counting = Counting()

    def slow(archs):
        time.sleep(0.05)
        return counting(archs)

    history = run_search(proposer(), slow, EvaluationCache(None), "d")
    assert 8 * 0.05 <= history.evaluate_seconds < 8 * 0.05 + 0.3
    assert 0 < history.own_seconds < 0.4


def test_a_score_that_is_not_finite_names_the_architecture():
    with pytest.raises(RunError, match="not finite"):
        run_search(proposer(), lambda archs: np.full(len(archs), np.nan), EvaluationCache(None), "d")
