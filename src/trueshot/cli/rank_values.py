"""The configuration of a ranking from what a user said; needs neither images nor PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueshot.cli.early import refuse_idle_parts
from trueshot.cli.names import TABLE, find
from trueshot.cli.values import Said, over_preset
from trueshot.core.errors import ConfigError
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
    for name in dict(said.values.get("ranking") or {}).get("evaluators") or ():
        if name in TABLE["predictor"]:
            raise ConfigError(f"evaluator {name} is fitted to a table: write {name}:FILE:COLUMN")
    config = RankingConfig.make(over_preset(below, said.values, set(RankingConfig.model_fields)), find)
    evaluators = config.ranking.evaluators
    # Without any a supernet scores.
    if evaluators and not any(part.says("needs_supernet", False) for part in evaluators):
        _refuse_supernet(said.values, ", ".join(part.kind for part in evaluators))
    refuse_idle_parts(said.values, evaluators)
    return config


def _refuse_supernet(said: Mapping[str, Any], kinds: str) -> None:
    """Refuse values of supernets where none is trained."""
    ranking = dict(said.get("ranking") or {})
    for told, value in {
        "--sampler, --sharing, --epochs and all other values of supernet": said.get("supernet"),
        "weight_sampling": said.get("weight_sampling"),
        "--supernets": ranking.get("supernets"),
        "ranking.curve": ranking.get("curve"),
    }.items():
        if value:
            raise ConfigError(f"evaluator {kinds} uses no supernet: leave out {told}")
