"""What a ranking has to score: what was asked for, and the twins that a mean needs besides."""

import numpy as np
import pytest
import torch

from trueshot.core.run import RunDirectory
from trueshot.spaces import NasBench201
from trueshot.spaces.canonical.classes import every, positions
from trueshot.strategies.ranking_setup import RankingConfig, RankingSetup, Spec, Truth
from trueshot.strategies.setup import load_dataset

SPACE = NasBench201(channels=2, cells=1, image_size=8)
RECIPE = {"recipe": {"epochs": 3, "batch_size": 8, "lr": 0.1}}


def setup(tmp_path, archs, *evaluators, **options):
    ranking = {"evaluators": evaluators, "curve_architectures": 10, **options}
    config = RankingConfig.make({"supernet": RECIPE, "data": {"max_images": 100}, "ranking": ranking})
    truth = Truth(archs, np.arange(len(archs), dtype=float), {})
    return RankingSetup(
        config=config,
        space=SPACE,
        dataset=load_dataset("digits", config.data),
        truth=truth,
        run=RunDirectory(tmp_path),
        device=torch.device("cpu"),
    )


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
    made = setup(tmp_path, some, "one-shot", "median")
    assert np.array_equal(made.to_score(Spec("median")), some)
    assert made.scores_each == 2 * len(some)


def test_the_mean_over_twins_needs_every_member_once(tmp_path, some):
    expected = members(some)
    assert len(expected) > len(some)
    alone = setup(tmp_path, some, "one-shot+twins")
    assert np.array_equal(alone.to_score(Spec("one-shot", twins=True)), expected)
    assert alone.scores_each == len(expected)
    both = setup(tmp_path, some, "one-shot", "one-shot+twins", "median+twins", curve=2)
    besides = both.to_score(Spec("one-shot", twins=True))
    assert np.array_equal(np.unique(np.concatenate([besides, some]), axis=0), expected)
    assert len(besides) == len(expected) - len(some)
    # Medians of single architectures are not asked for; and ten architectures at each of two earlier epochs.
    assert both.scores_each == 2 * len(expected) + 2 * 10


def test_of_the_whole_space_the_mean_needs_nothing_besides(tmp_path):
    made = setup(tmp_path, every(SPACE))
    assert list(map(str, made.specs)) == ["one-shot", "one-shot+twins"]
    assert made.to_score(made.specs[1]).shape == (0, 6)
    assert made.scores_each == 15_625
