"""The configuration: one value that reads back as itself, and refuses what it does not know."""

import json

import pytest
from strategy_parts import make_config

from trueshot.cli.early import search_config
from trueshot.cli.names import find
from trueshot.cli.rank_values import ranking_config
from trueshot.cli.values import Said
from trueshot.core.errors import ConfigError
from trueshot.strategies.config import SearchConfig
from trueshot.strategies.presets import preset_names, read_preset
from trueshot.strategies.rankings.config import RankingConfig


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_valid_and_read_back_to_the_letter(name):
    if name.startswith("rank"):
        config = ranking_config(Said(values={}), name)
        again = RankingConfig.make(json.loads(json.dumps(config.whole())), find)
    else:
        config = search_config({}, read_preset(name))
        again = SearchConfig.flat(json.loads(json.dumps(config.flattened())), find)
    # Identities of checkpoints are made of representations: 0 for 0.0 would lock a run out of its own checkpoints.
    assert repr(again) == repr(config)


def test_supernets_train_without_momentum_by_default():
    """ST-NAS, section 3.2; presets of other papers follow theirs."""
    for name in ("digits", "small-cpu", "small-gpu", "large-cpu", "large-gpu"):
        assert read_preset(name)["supernet"]["recipe"]["momentum"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sead": 1}, "sead: there is no such value: did you mean seed"),
        ({"seed": -1}, "seed: -1 is too small: give at least 0"),
        ({"threads": 0}, "threads: "),
        ({"save_every": -1}, "save_every: "),
        ({"save_every": float("inf")}, "save_every: "),
        ({"supernet": {"recipe": {"epoch": 1}}}, "supernet.recipe.epoch: there is no such value: did you mean epochs"),
        (
            {"evaluation": {"metric": "luck"}},
            "evaluation.metric: 'luck' is none of its values: choose 'accuracy' or 'loss'",
        ),
        ({"evaluation": {"recalibration": {"mode": "reset", "batches": 0}}}, "needs batches of 1 or more"),
        ({"budget": {"fractions": [0.5, 0.0]}}, "budget.fractions.1: 0.0 is too small: give more than 0"),
        ({"weight_sampling": {"temperature": -1}, "seed": "x"}, r"\(and 1 more\)"),
    ],
)
def test_the_first_wrong_value_is_named(change, message):
    with pytest.raises(ConfigError, match=message):
        make_config(**change)


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        make_config().seed = 3
