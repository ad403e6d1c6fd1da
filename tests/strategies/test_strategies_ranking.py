"""What a ranking has to score: what was asked for, and the twins that a mean needs besides."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from trueshot.cli.names import find
from trueshot.core.cache import EvaluationCache
from trueshot.core.errors import TrainingError
from trueshot.core.observe import SILENT
from trueshot.core.run import RunDirectory
from trueshot.evaluation import OneShot
from trueshot.spaces import NasBench201
from trueshot.spaces.canonical.classes import every, positions
from trueshot.strategies import scoring
from trueshot.strategies.rankings.config import RankingConfig
from trueshot.strategies.rankings.jobs import train_all
from trueshot.strategies.rankings.ranking import Ranking
from trueshot.strategies.rankings.truth import Truth
from trueshot.strategies.setup import Context, load_dataset

SPACE = NasBench201(channels=2, cells=1, image_size=8)
RECIPE = {"recipe": {"epochs": 3, "batch_size": 8, "lr": 0.1}}


def setup(tmp_path, archs, *evaluators, **options):
    ranking = {"evaluators": evaluators, "curve_architectures": 10, **options}
    config = RankingConfig.make({"supernet": RECIPE, "data": {"max_images": 100}, "ranking": ranking}, find)
    context = Context(
        space=SPACE,
        dataset=load_dataset("digits", config.data),
        run=RunDirectory(tmp_path),
        device=torch.device("cpu"),
        data=config.data,
    )
    return Ranking(config=config, context=context, truth=Truth(archs, np.arange(len(archs), dtype=float), {}))


def named(ranking, name):
    return next(part for part in ranking.evaluators if part.kind == name)


@pytest.fixture
def some():
    return np.unique(SPACE.sample(40, 3), axis=0)


def members(archs):
    """All architectures with a canonical form among those of ``archs``, one by one."""
    wanted = {row.tobytes() for row in SPACE.canonical(archs)}
    rows = every(SPACE)
    return rows[[row.tobytes() in wanted for row in SPACE.canonical(rows)]]


def test_positions_are_those_in_the_list_of_all():
    rows = every(SPACE)
    assert np.array_equal(positions(SPACE, rows), np.arange(15_625))
    assert np.array_equal(rows[positions(SPACE, rows[[7, 15_000]])], rows[[7, 15_000]])


def test_single_architectures_are_scored_as_asked(tmp_path, some):
    made = setup(tmp_path, some, "supernet", "supernet:median")
    assert np.array_equal(made.to_score(named(made, "supernet:median")), some)
    assert made.scores_each == 2 * len(some)


def test_the_mean_over_twins_needs_every_member_once(tmp_path, some):
    expected = members(some)
    assert len(expected) > len(some)
    alone = setup(tmp_path, some, "supernet+twins")
    assert np.array_equal(alone.to_score(named(alone, "supernet+twins")), expected)
    assert alone.scores_each == len(expected)
    both = setup(tmp_path, some, "supernet", "supernet+twins", "supernet:median+twins", curve=2)
    besides = both.to_score(named(both, "supernet+twins"))
    assert np.array_equal(np.unique(np.concatenate([besides, some]), axis=0), expected)
    assert len(besides) == len(expected) - len(some)
    # Medians of single architectures are not asked for; and ten architectures at each of two earlier epochs.
    assert both.scores_each == 2 * len(expected) + 2 * 10


def test_a_score_that_is_asked_for_and_added_up_too_is_one(tmp_path, some):
    made = setup(tmp_path, some, "supernet+twins", "fused")
    assert [part.kind for part in made.shared] == ["supernet+twins"]
    assert all(part in made.shared or part in made.fused for part in made.evaluators)


def test_of_the_whole_space_the_mean_needs_nothing_besides(tmp_path):
    made = setup(tmp_path, every(SPACE))
    assert [part.kind for part in made.evaluators] == ["supernet", "supernet+twins"]
    assert made.to_score(made.evaluators[1]).shape == (0, 6)
    assert made.scores_each == 15_625


def test_the_parent_keeps_scores_as_they_come_and_a_repeated_ranking_scores_only_the_rest(tmp_path, some, monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK", 10)
    scored, score, breaks = [], OneShot.__call__, True

    def counted(one_shot, archs):
        if breaks and len(scored) == 2:
            raise TrainingError("stopped in the middle")
        scored.append(len(archs))
        return score(one_shot, archs)

    monkeypatch.setattr(OneShot, "__call__", counted)
    made = setup(tmp_path, some, "supernet", supernets=1, curve=0)
    space = NasBench201(channels=2, cells=1, image_size=8, in_channels=1)
    made = replace(made, context=made.context.replace(space=space))
    with pytest.raises(TrainingError, match="stopped in the middle"):
        train_all(made, SILENT)
    assert len(EvaluationCache(tmp_path / "evaluations.parquet")) == sum(scored) == 20
    breaks = False
    train_all(made, SILENT)
    assert sum(scored) == len(some)
    assert len(EvaluationCache(tmp_path / "evaluations.parquet")) == len(some)
    assert list(tmp_path.rglob("evaluations.parquet")) == [tmp_path / "evaluations.parquet"]
