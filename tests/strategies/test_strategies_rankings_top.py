"""What a ranking's top is worth: curves of the best found, and the top ordered by a column or by trainings."""

import numpy as np
import pandas as pd
import pytest
import torch

from trueshot.cli.names import find
from trueshot.core.errors import ConfigError, DataError
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.spaces import NasBench201
from trueshot.strategies.rankings.config import RankingConfig, RankingOptions
from trueshot.strategies.rankings.ranking import Ranking
from trueshot.strategies.rankings.top import DRAWS, RANDOM, found_curves, networks, short_seconds, shortened
from trueshot.strategies.rankings.truth import Truth
from trueshot.strategies.setup import Context, load_dataset

SPACE = NasBench201(channels=2, cells=1, image_size=8, in_channels=1)
RECIPE = {"recipe": {"epochs": 4, "batch_size": 32, "lr": 0.1}}
TWINS = ["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "|skip_connect~0|+|none~0|none~1|+|none~0|none~1|none~2|"]
OTHERS = [
    f"|nor_conv_3x3~0|+|none~0|none~1|+|{last}~0|none~1|none~2|"
    for last in ("skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
]
ARCHS = np.stack([SPACE.parse(text) for text in TWINS + OTHERS])
TRUE = np.array([10.0, 11.0, 90.0, 93.0, 94.0, 80.0])
SHORT = np.array([10.0, 12.0, 70.0, 75.0, 72.0, 74.0])
SCORES = np.array([0.95, 0.9, 0.8, 0.7, 0.6, 0.5])


def setup(path, *, short=None, column=SHORT, **more):
    values = {"supernet": RECIPE, "data": {"max_images": 120}, "retraining": RECIPE, "short": short or {}, **more}
    config = RankingConfig.make(values, find)
    context = Context(
        space=SPACE,
        dataset=load_dataset("digits", config.data),
        run=RunDirectory(path),
        device=torch.device("cpu"),
        data=config.data,
        fusion=config.fusion,
        retraining=config.retraining,
    )
    return Ranking(config=config, context=context, truth=Truth(ARCHS, TRUE, {}, column))


def test_curves_of_evaluators_supernets_baselines_and_chance(tmp_path):
    ranking = setup(tmp_path, short={"column": "acc_12"})
    supernets = [pd.DataFrame({"supernet": SCORES}), pd.DataFrame({"supernet": -SCORES})]
    some = np.array([1, 3, 4])
    found = found_curves(ranking, {"supernet": SCORES}, supernets, {"params": (some, np.array([1.0, 1.0, 2.0]), 0.1)})
    assert (found["column"], found["looks"], found["draws"]) == ("acc_12", [1, 2, 3, 4, 5, 6], DRAWS)
    assert list(found["curves"]) == [RANDOM, "params", "supernet"]
    # By score: 10, then 12 of the column, 70, 75, and nothing better than 75 after that.
    main = found["curves"]["supernet"]
    assert main["median"] == main["low"] == main["high"] == [10.0, 11.0, 90.0, 93.0, 93.0, 93.0]
    assert main["supernets"] == [main["median"], [80.0, 80.0, 93.0, 93.0, 93.0, 93.0]]
    # The fifth comes first, then the second or the fourth by chance: 94, or 93 of the better short training.
    params = found["curves"]["params"]
    assert (params["n"], params["low"][1], params["high"][1], params["median"][2]) == (3, 93.0, 94.0, 93.0)
    chance = found["curves"][RANDOM]
    assert (chance["low"][0], chance["high"][0], chance["median"][-1]) == (10.0, 94.0, 93.0)
    assert found_curves(setup(tmp_path, column=None), {"supernet": SCORES}, supernets, {}) is None


def test_a_column_stands_for_the_trainings(tmp_path):
    ranking = setup(tmp_path, short={"architectures": 3, "column": "acc_12"})
    found = shortened(ranking, SCORES)
    # Of the two first, which are one function, one is looked up.
    assert [SPACE.parse(one["arch"]).tolist() for one in found["top"]] == ARCHS[[3, 2, 0]].tolist()
    assert [one["short"] for one in found["top"]] == [[75.0], [70.0], [10.0]]
    assert [one["truth"] for one in found["top"]] == [93.0, 90.0, 10.0]
    assert found["first"] == {"by_score": 10.0, "by_short": 93.0}
    assert (found["epochs"], found["column"], short_seconds(ranking)) == ([], "acc_12", 0.0)
    assert shortened(setup(tmp_path), SCORES) is None


def test_networks_of_full_depth_are_trained_without_a_column(tmp_path):
    full = {"zero_cost": {"networks": {"nasbench201": {"channels": 4, "cells": 2}}}}
    short = {"architectures": 3, "shares": [0.25, 0.5], "pool": 0}
    ranking = setup(tmp_path, short=short, column=None, fusion=full)
    context = networks(ranking)
    assert (context.space.channels, context.space.cells, context.space.image_size) == (4, 2, 8)
    assert short_seconds(ranking) > 0
    found = shortened(ranking, SCORES)
    recipe = ranking.config.retraining.recipe
    alone = []
    for epochs in (1, 2):
        own = context.replace(retraining=ranking.config.retraining.replace(recipe=recipe.with_epochs(epochs)))
        evaluator = own.stand_alone("accuracy", kept=f"plain-{epochs}").evaluator._scoring.evaluator
        alone.append({SPACE.format(row): evaluator(SPACE.canonical(row[None]))[0] for row in ARCHS[[0, 2, 3]]})
    twice = sorted(alone[0], key=alone[0].get, reverse=True)[:2]
    expected = {arch: [alone[0][arch], alone[1][arch] if arch in twice else None] for arch in alone[0]}
    assert {one["arch"]: one["short"] for one in found["top"]} == expected
    assert found["epochs"] == [1, 2]
    assert [one["arch"] in twice for one in found["top"]] == [True, True, False]


def test_what_is_lacking_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"trains networks: set retraining\.recipe, or give a column"):
        RankingConfig.make({"supernet": RECIPE, "short": {"architectures": 3}}, find)
    table = tmp_path / "truth.csv"
    rows = np.unique(SPACE.sample(40, 0), axis=0)[:12]
    content = pd.DataFrame({"arch": [SPACE.format(row) for row in rows], "acc": np.arange(12.0)})
    content["acc_12"] = np.where(np.arange(12) < 9, 1.0, np.nan)
    content.to_csv(table, index=False)
    read = (table, "acc", SPACE, RankingOptions(), Streams(0))
    with pytest.raises(DataError, match=r"column acc_12 of .* stands for short trainings and lacks 3 of 12"):
        Truth.read(*read, short="acc_12")
    with pytest.raises(DataError, match="acc_13"):
        Truth.read(*read, short="acc_13")
    assert np.array_equal(Truth.read(*read, short="acc").short, np.arange(12.0))
    assert Truth.read(*read).short is None
