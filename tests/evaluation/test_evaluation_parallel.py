"""Scores computed by workers are those of the evaluator itself, kept one by one by the parent alone."""

import os
import pickle
import signal
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from evaluation_parts import SPACE, batches
from test_evaluation_trained import ARCHS, Cycle

from trueshot.core.cache import EvaluationCache
from trueshot.core.errors import TrainingError
from trueshot.core.executor import InProcess, Local
from trueshot.core.random import Streams
from trueshot.evaluation import Evaluator, Spread, StandAlone, Trial
from trueshot.training.config import Recipe

LOCAL = Local(2, method="fork")


def stand_alone():
    recipe = Recipe(epochs=1, batch_size=8, lr=0.05)
    trial = Trial(Cycle(), batches(2, 8, 1), recipe, Streams(0), data="cycle", steps=3, metric="loss")
    return StandAlone(SPACE, trial)


class Marked:
    """Scores by the first gene; leaves a file for each row, dies or fails at rows marked so."""

    digest = "marked"

    def __init__(self, folder, failing=(), deadly=()):
        self.folder, self.failing, self.deadly = folder, failing, deadly

    def __call__(self, archs):
        for row in archs.tolist():
            file = self.folder / f"{row}"
            if row in self.deadly and not file.exists():
                file.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if row in self.failing:
                raise TrainingError(f"{row} diverges")
            with file.open("a") as marks:
                print(os.getpid(), file=marks)
        return archs[:, 0].astype(np.float64)


ROWS = np.array([[3, 0], [1, 1], [2, 0], [1, 1], [0, 5]], dtype=np.uint8)


@pytest.mark.parametrize("executor", [InProcess(), LOCAL], ids=["here", "fork"])
def test_trained_scores_are_those_of_the_evaluator(tmp_path, executor):
    cache = EvaluationCache(tmp_path / "evaluations.parquet")
    spread = Spread(stand_alone, executor, cache=cache)
    assert isinstance(spread, Evaluator)
    assert spread.digest == stand_alone().digest
    twice = np.concatenate([ARCHS, ARCHS[::-1]])
    assert np.array_equal(spread(twice), stand_alone()(twice))
    assert spread(ARCHS[:0]).shape == (0,)
    # As a fresh process or another machine gets it: the evaluator that was made here stays here.
    fresh = pickle.loads(pickle.dumps(spread._scoring))
    assert vars(fresh).keys() == {"_make"}
    assert fresh(ARCHS, lambda units: None)[0].tolist() == spread(ARCHS).tolist()


@pytest.mark.parametrize("chunk", [1, 2, 9])
def test_rows_are_scored_once_and_kept_by_the_parent(tmp_path, chunk):
    path = tmp_path / "evaluations.parquet"
    make = partial(Marked, tmp_path)
    spread = Spread(make, LOCAL, cache=EvaluationCache(path), chunk=chunk, describe=lambda rows: {"x": rows[:, 1]})
    assert spread(ROWS[:2]).tolist() == [3, 1]
    assert spread(ROWS).tolist() == [3, 1, 2, 1, 0]
    marks = {file.name: file.read_text().split() for file in tmp_path.glob("[[]*")}
    assert {name: len(pids) for name, pids in marks.items()} == {"[3, 0]": 1, "[1, 1]": 1, "[2, 0]": 1, "[0, 5]": 1}
    assert str(os.getpid()) not in {pid for pids in marks.values() for pid in pids}
    # On disk without a flush of ours.
    assert EvaluationCache(path).get("marked", ROWS).tolist() == [3, 1, 2, 1, 0]


class Deadly(Cycle):
    """Batches that count the steps in a file and kill the process, once, before a step."""

    def __init__(self, folder, kill_at):
        self.folder, self.kill_at = folder, kill_at

    def iterate(self, start_step, stop_step):
        for step, batch in enumerate(super().iterate(start_step, stop_step), start=start_step):
            died = self.folder / "died"
            if step == self.kill_at and not died.exists():
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            with (self.folder / "steps").open("a") as steps:
                print(step, file=steps)
            yield batch


@pytest.mark.parametrize("kill_at", [0, 3])
def test_a_training_that_is_killed_goes_on_from_its_checkpoint(tmp_path, kill_at):
    recipe = Recipe(epochs=2, batch_size=8, lr=0.05, ema_decay=0.9)

    def make():
        trial = Trial(Deadly(tmp_path, kill_at), batches(2, 8, 1), recipe, Streams(0), data="cycle", metric="loss")
        return StandAlone(SPACE, trial, checkpoint=lambda name: tmp_path / f"{name}.ckpt", save_every=0.0)

    spread = Spread(make, LOCAL, cache=EvaluationCache(None))
    scores = spread(ARCHS[:1])
    assert (tmp_path / "steps").read_text().split() == ["0", "1", "2", "3"]
    uninterrupted = Trial(Cycle(), batches(2, 8, 1), recipe, Streams(0), data="cycle", metric="loss")
    assert scores.tolist() == StandAlone(SPACE, uninterrupted)(ARCHS[:1]).tolist()
    assert list(tmp_path.glob("*.ckpt")) == []
    # What a kill between a score and the end of its checkpoint left is removed by the next call.
    left = make()._plan(ARCHS[0]).checkpoint
    left.write_bytes(b"left")
    assert spread(ARCHS[:1]).tolist() == scores.tolist()
    assert not left.exists()


def test_one_that_fails_or_dies_harms_no_other(tmp_path):
    make = partial(Marked, tmp_path, failing=([1, 1],), deadly=([2, 0],))
    cache = EvaluationCache(None)
    with pytest.raises(TrainingError, match=r"\[1, 1\] diverges"):
        Spread(make, LOCAL, cache=cache)(ROWS)
    np.testing.assert_array_equal(cache.get("marked", ROWS), [3, np.nan, 2, np.nan, 0])
