"""The configuration of a ranking from what a user said; needs neither images nor PyTorch."""

from __future__ import annotations

from trueshot.cli.names import find
from trueshot.cli.values import Said, over_preset
from trueshot.strategies.presets import read_preset
from trueshot.strategies.rank_config import RankingConfig


def ranking_config(said: Said, preset: str) -> RankingConfig:
    """Validate what the user said over a preset.

    Raises:
        ConfigError: naming the first value that is wrong.
    """
    return RankingConfig.make(over_preset(read_preset(preset), said.values, set(RankingConfig.model_fields)), find)
