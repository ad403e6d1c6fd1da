"""The loop of ask and tell, its log, and what is left of it by a kill."""

import json
import os
import signal
import time

import numpy as np
import pandas as pd
import pytest

from trueshot.core.cache import EvaluationCache
from trueshot.core.errors import ConfigError, RunError
from trueshot.search.bounds import Bounds
from trueshot.search.config import EvolutionConfig, NSGA2Config, RandomSearchConfig
from trueshot.search.evolution import Evolution
from trueshot.search.nsga2 import NSGA2
from trueshot.search.random_search import RandomSearch
from trueshot.spaces import Chain
from trueshot.spaces.costs import CostFunctions, standard_costs
from trueshot.spaces.size import Size
from trueshot.strategies.asking import Asking, described

SPACE = Chain()
WEIGHTS = np.random.default_rng(0).normal(size=(19, 6))
BOUNDS = Bounds.of(max_madds=400_000_000)


class Counting:
    """A separable score that counts its rows and dies, as if killed, before the one after ``limit``."""

    def __init__(self, limit=10**9, digest="d", factor=1.0):
        self.rows, self.limit, self.calls, self.digest, self.factor = [], limit, [], digest, factor

    def __call__(self, archs):
        if len(self.rows) + len(archs) > self.limit:
            raise KeyboardInterrupt
        self.rows += [row.tobytes() for row in archs]
        self.calls.append(len(archs))
        return self.factor * WEIGHTS[np.arange(19), archs].sum(axis=1)


PROPOSERS = {
    "nsga2": lambda: NSGA2(SPACE, config=NSGA2Config(population=10, generations=6), bounds=BOUNDS, seed=5),
    "evolution": lambda: Evolution(
        SPACE, config=EvolutionConfig(evaluations=60, population=10, sample=5), bounds=BOUNDS, seed=5
    ),
    "random": lambda: RandomSearch(SPACE, config=RandomSearchConfig(evaluations=60), bounds=BOUNDS, seed=5),
}
any_proposer = pytest.mark.parametrize("make", PROPOSERS.values(), ids=PROPOSERS)


def run(make, evaluator, cache=None, log=None, **more):
    return Asking(make(), EvaluationCache(None) if cache is None else cache, log=log, **more).run(evaluator)


def same(left, right):
    for name in ("archs", "scores", "asked"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


@any_proposer
def test_a_log_cut_at_every_line_is_gone_on_with_as_if_it_were_whole(tmp_path, make):
    whole = run(make, Counting(), EvaluationCache(tmp_path / "whole.parquet"), tmp_path / "whole.jsonl")
    assert len(whole) == whole.fresh == 60
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    kinds = ["ask" if b'"ask"' in line else "tell" for line in lines[1:]]
    assert kinds == ["ask", "tell"] * (len(kinds) // 2)
    for kept in range(len(lines) + 1):
        log, rest = tmp_path / f"{kept}.jsonl", Counting()
        # As a kill leaves it: some whole lines, and now and then the beginning of the next.
        torn = lines[kept][: len(lines[kept]) // 2] if kept < len(lines) and kept % 3 else b""
        log.write_bytes(b"".join(lines[:kept]) + torn)
        resumed = run(make, rest, None, log)
        same(whole, resumed)
        told = sum(len(json.loads(line)["rows"]) for line in lines[1:kept] if b'"tell"' in line)
        assert len(rest.rows) == resumed.fresh == 60 - told
        assert log.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


@any_proposer
@pytest.mark.parametrize("limit", [3, 10, 47])
def test_a_killed_search_goes_on_and_its_cache_is_whole(tmp_path, make, limit):
    whole = run(make, Counting(), EvaluationCache(tmp_path / "whole.parquet"), describe=described(SPACE))
    log, path, killed = tmp_path / "asked.jsonl", tmp_path / "evaluations.parquet", Counting(limit)
    # The cache is not written before the end, which a kill prevents.
    with pytest.raises(KeyboardInterrupt):
        run(make, killed, EvaluationCache(path, interval=1e9), log, describe=described(SPACE), chunk=1)
    assert not path.exists()
    same(whole, run(make, Counting(), EvaluationCache(path), log, describe=described(SPACE)))
    columns = ["row", "score", "arch", "madds", "params"]
    frames = [pd.read_parquet(tmp_path / f"{name}.parquet")[columns] for name in ("whole", "evaluations")]
    pd.testing.assert_frame_equal(*(frame.sort_values("row", ignore_index=True) for frame in frames))


class Slow(Counting):
    """Takes its time."""

    def __call__(self, archs):
        time.sleep(0.05)
        return super().__call__(archs)


@any_proposer
def test_a_search_killed_with_kill_9_ends_like_one_that_was_not(tmp_path, make):
    log, path = tmp_path / "asked.jsonl", tmp_path / "evaluations.parquet"
    whole = run(make, Counting(), EvaluationCache(None), tmp_path / "whole.jsonl", batch=4)
    child = os.fork()
    if child == 0:
        run(make, Slow(), EvaluationCache(path, interval=0.0), log, batch=4)
        os._exit(0)
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_bytes().count(b'"tell"') >= 5) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    resumed = run(make, Counting(), EvaluationCache(path), log, batch=4)
    same(whole, resumed)
    assert 0 < resumed.fresh <= 60 - 5 * 2
    assert log.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_a_finished_search_is_replayed_without_the_evaluator(tmp_path):
    make, log, path = PROPOSERS["nsga2"], tmp_path / "asked.jsonl", tmp_path / "evaluations.parquet"
    first = run(make, Counting(), EvaluationCache(path), log)
    for cache, kept in ((EvaluationCache(None), log), (EvaluationCache(path), None)):
        again = run(make, Counting(limit=0), cache, kept)
        same(first, again)
        assert again.fresh == 0
    assert run(make, Counting(digest="other"), EvaluationCache(path)).fresh == 60


def test_the_log_of_another_search_is_refused(tmp_path):
    make, log = PROPOSERS["nsga2"], tmp_path / "asked.jsonl"
    run(make, Counting(), None, log)
    with pytest.raises(RunError, match=r"asked.jsonl, line 2: 'rows' is not that of this search"):
        run(PROPOSERS["random"], Counting(), None, log)
    with pytest.raises(RunError, match=r"asked.jsonl, line 3: 'tell' is not that of this search, .* other weights"):
        run(make, Counting(digest="other"), None, log)
    with pytest.raises(RunError, match=r"asked.jsonl, line 2: 'ask' is not that of this search"):
        run(make, Counting(), None, log, batch=9)
    log.write_text('{"version":2}\n')
    with pytest.raises(RunError, match="is no log of asks of this trueshot"):
        run(make, Counting(), None, log)
    with pytest.raises(RunError, match="cannot write"):
        run(make, Counting(), None, tmp_path / "asked.jsonl" / "below")


@any_proposer
def test_chunks_change_nothing_but_the_calls(make):
    whole, three = Counting(), Counting()
    same(run(make, whole, batch=10), run(make, three, batch=10, chunk=3))
    assert max(whole.calls) > 3
    assert max(three.calls) == 3
    assert sum(whole.calls) == sum(three.calls) == 60


def test_a_search_in_rounds_tells_the_old_anew_and_is_replayed_over_them(tmp_path):
    def rounds(log, limit=10**9):
        """Two rounds, as if weights were trained between them: what was asked for is scored again first."""
        asking = Asking(PROPOSERS["nsga2"](), EvaluationCache(None), log=log)
        evaluators = [Counting(limit, "first"), Counting(limit, "second", factor=-1.0)]
        asking.run(evaluators[0], evaluations=25)
        asking.reevaluate(evaluators[1])
        return asking.run(evaluators[1]), [len(evaluator.rows) for evaluator in evaluators]

    whole, scored = rounds(tmp_path / "whole.jsonl")
    assert scored == [25, 60]
    np.testing.assert_array_equal(whole.scores, Counting(factor=-1.0)(whole.archs))
    assert len(whole) == 60
    # The first generation was told twice; its children follow the later scores.
    once = run(PROPOSERS["nsga2"], Counting())
    np.testing.assert_array_equal(once.archs[:20], whole.archs[:20])
    assert not np.array_equal(once.archs[30:40], whole.archs[30:40])
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    for kept in range(1, len(lines), 3):
        log = tmp_path / f"{kept}.jsonl"
        log.write_bytes(b"".join(lines[:kept]))
        same(whole, rounds(log)[0])
        assert log.read_bytes() == b"".join(lines)
    same(whole, rounds(tmp_path / "whole.jsonl", limit=0)[0])


def test_a_row_proposed_twice_is_evaluated_once():
    class Stubborn:
        left = 3

        @property
        def finished(self):
            return not self.left

        def ask(self, n):
            return np.zeros((2, 19), dtype=np.uint8)

        def tell(self, archs, scores):
            self.left -= 1

    evaluator = Counting()
    history = run(Stubborn, evaluator)
    assert len(evaluator.rows) == history.fresh == 1
    assert history.asked.tolist() == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("finished", "told"), [(False, "Idle asks for nothing more"), (True, "Idle had finished before it asked")]
)
def test_a_proposer_that_asks_for_nothing_is_told_of(finished, told):
    class Idle:
        def ask(self, n):
            return np.zeros((0, 19), dtype=np.uint8)

        def tell(self, archs, scores):
            raise AssertionError

    Idle.finished = finished
    with pytest.raises(ConfigError, match=told):
        run(Idle, Counting())


def test_what_a_proposer_asks_for_must_be_architectures():
    class Wide:
        finished = False

        def ask(self, n):
            return np.zeros((1, 20), dtype=np.uint8)

        def tell(self, archs, scores):
            raise AssertionError

    with pytest.raises(ConfigError, match=r"proposer Wide asked for what is no batch of architectures: .*\(n, 19\)"):
        run(Wide, Counting(), space=SPACE)


def test_the_cache_file_describes_every_row(tmp_path):
    path, costs = tmp_path / "evaluations.parquet", CostFunctions(SPACE, (*standard_costs(SPACE), Size(SPACE)))
    history = run(PROPOSERS["random"], Counting(), EvaluationCache(path), describe=described(SPACE, costs), batch=1)
    frame = pd.read_parquet(path)
    assert frame["arch"].tolist() == [SPACE.format(row) for row in history.archs]
    for name, values in costs(history.archs).items():
        assert frame[name].tolist() == values.tolist()
    assert (frame["seconds"] >= 0).all()


def test_it_reports_after_each_tell():
    seen = []
    asking = Asking(PROPOSERS["nsga2"](), EvaluationCache(None), batch=10)
    history = asking.run(Counting(), report=seen.append)
    assert [len(told) for told in seen] == list(range(10, 61, 10))
    same(history, seen[-1])
    np.testing.assert_array_equal(seen[2].archs, history.archs[:30])


def test_own_time_leaves_out_the_evaluator():
    history = run(PROPOSERS["nsga2"], Slow(), batch=10)
    assert 6 * 0.05 <= history.evaluate_seconds < 6 * 0.05 + 1.0
    assert 0 < history.own_seconds < 3.0


def test_a_score_that_is_not_finite_names_the_architecture():
    class Broken(Counting):
        def __call__(self, archs):
            return np.full(len(archs), np.nan)

    with pytest.raises(RunError, match=r"10 of 10 scores are not finite, the first \(nan\) of architecture E\dK\d-"):
        run(PROPOSERS["nsga2"], Broken(), describe=described(SPACE, standard_costs(SPACE)), batch=10)
