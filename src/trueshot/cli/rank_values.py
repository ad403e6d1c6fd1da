"""The configuration of a ranking from what a user said; needs neither images nor PyTorch."""

from __future__ import annotations

from trueshot.cli.names import find
from trueshot.cli.values import Said, over_preset
from trueshot.strategies.presets import read_preset
from trueshot.strategies.rankings.config import RankingConfig
from trueshot.strategies.truth.config import TruthTraining


def ranking_config(said: Said, preset: str) -> RankingConfig:
    """Validate what the user said over a preset.

    Raises:
        ConfigError: naming the first value that is wrong.
    """
    below = read_preset(preset)
    if "retraining" in below:
        own = {key: value for key, value in below["retraining"].items() if key in TruthTraining.model_fields}
        below = {**below, "retraining": own}
    return RankingConfig.make(over_preset(below, said.values, set(RankingConfig.model_fields)), find)
