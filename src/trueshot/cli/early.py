"""Checks of a configuration that need neither images nor PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trueshot.cli.earlier import of_other_images
from trueshot.cli.names import TABLE, find, find_class
from trueshot.cli.values import NO_TABLE, Said, over_preset
from trueshot.core.config import Part
from trueshot.core.errors import ConfigError, did_you_mean
from trueshot.core.run import RunDirectory
from trueshot.core.tables import check_truth, shared_file
from trueshot.core.units import parse_quantity
from trueshot.evaluation.config import TableScoreConfig
from trueshot.evaluation.fusion_config import FusedConfig
from trueshot.strategies.config import STRATEGY, SearchConfig
from trueshot.strategies.presets import read_preset
from trueshot.strategies.truth.config import TruthConfig, TruthTraining
from trueshot.training.data.named import find_source

_OF_IMAGES = {
    "data": "--max-bad-images and all other values of data",
    "retraining": "--pretrained and all other values of retraining",
    "short": "--short-trainings and all other values of short",
}
"""Parts of a configuration that say nothing to a search without images, and what sets them."""

FALLBACK = "small-cpu"
"""The preset of a search without images, and the one by which values are checked before images are read."""


def check_values(said: Said, preset: str | None) -> SearchConfig:
    """Validate what the user said over a preset, before images are read.

    Raises:
        ConfigError: naming the first value that is wrong, or that would do nothing.
    """
    below = read_preset(preset or FALLBACK)
    if "ranking" in below:
        raise ConfigError(f"preset {preset} is for `trueshot rank`: choose another, or none")
    config = search_config(said.values, below)
    oracle = getattr(config.strategy.config, "oracle", None)
    if oracle is not None:
        refuse_idle_parts(said.values, [oracle])
        _refuse_two_columns(oracle, config.strategy.config)
    if oracle is not None and not oracle.says("needs_supernet", False):
        for key in ("supernet", "weight_sampling"):
            if key in said.values:
                told = "--sampler, --sharing and supernet" if key == "supernet" else key
                raise ConfigError(f"oracle {oracle.kind} uses no supernet: leave out {told}")
    return config


def refuse_trained(said: Mapping[str, Any], config: SearchConfig, earlier: RunDirectory) -> None:
    """Refuse other values of a training that is over, as that of an earlier run's supernet is, and what uses none.

    On other images the supernet is trained on, by values of its own.

    Raises:
        ConfigError: naming the first value, or what searches.
    """
    oracle = getattr(config.strategy.config, "oracle", None)
    if not (oracle or config.strategy).says("needs_supernet", False):
        user = f"strategy {config.strategy.kind}" if oracle is None else f"oracle {oracle.kind}"
        raise ConfigError(f"{user} uses no supernet: leave out --supernet")
    if of_other_images(said.get("source"), earlier):
        return
    stored = earlier.config["search"]
    for name in ("supernet", "weight_sampling"):
        if (key := _other(said.get(name), stored.get(name), name)) is not None:
            raise ConfigError(
                f"the supernet of {earlier.path} is trained with another {key}: leave it out, or --supernet"
            )


def _other(said: Any, stored: Any, key: str) -> str | None:
    """Return the dotted name of the first value that is said to be another than the stored one."""
    if said is None:
        return None
    if isinstance(said, Mapping):
        within = stored if isinstance(stored, Mapping) else {}
        found = (_other(value, within.get(name), f"{key}.{name}") for name, value in said.items())
        return next((one for one in found if one is not None), None)
    # A part stands under its name alone where it has no values.
    there = stored.get("kind") if isinstance(stored, Mapping) else stored
    return None if str(said) == str(there) else key


def refuse_idle_parts(said: Mapping[str, Any], evaluators: Sequence[Part]) -> None:
    """Refuse parts of a fusion where nothing is fused.

    Args:
        said: what the user said.
        evaluators: that score.

    Raises:
        ConfigError: naming what scores.
    """
    parts = dict(said.get("fusion") or {}).get("parts")
    if parts and not any(isinstance(part.config, FusedConfig) for part in evaluators):
        kinds = ", ".join(part.kind for part in evaluators) or "supernet"
        raise ConfigError(f"--fuse says what fused adds up, and {kinds} adds nothing up: leave it out, or choose fused")


def _refuse_two_columns(oracle: Part, asked: Any) -> None:
    own, named = getattr(oracle.config, "column", None), getattr(asked, "column", None)
    if own is not None and named is not None and own != named:
        raise ConfigError(f"oracle {oracle.kind} names column {own}, and --column {named}: leave one of them out")


def check_costs(config: SearchConfig, own: Sequence[str]) -> None:
    """Refuse bounds that are no values, and costs that there are not, before images are read.

    Args:
        config: of the search.
        own: names of the user's costs; an empty one where only the made cost can tell it.

    Raises:
        ConfigError: naming the value or the cost.
    """
    bounds = [
        *((name, value, f"budget.min_{name}") for name, value in config.budget.least.items()),
        *((name, value, f"--max-{name}") for name, value in config.budget.most.items()),
    ]
    for name, value, told in bounds:
        if name in TABLE["cost"]:
            parse_quantity(value, find_class("cost", name).unit, told)  # type: ignore[attr-defined]
    asker = getattr(config.strategy.config, "asker", None)
    minimised = () if asker is None else asker.says("minimise", ())
    known = [*TABLE["cost"], *own]
    for name in [*(name for name, *_ in bounds), *minimised]:
        if name not in known and "" not in own:
            raise ConfigError(f"there is no cost '{name}'{did_you_mean(name, known)}")


def check_images(said: Said, config: SearchConfig, earlier: RunDirectory | None) -> None:
    """Refuse data or a table of truth that is not there, and a search without the data that it needs.

    Args:
        said: what the user said.
        config: of the search.
        earlier: run whose supernet is searched again, and whose data is taken where the user names none.

    Raises:
        DataError: when there is no such data.
        ConfigError: when none is named.
    """
    oracle = getattr(config.strategy.config, "oracle", None)
    if oracle is not None and isinstance(oracle.config, TableScoreConfig):
        check_truth(shared_file(Path(oracle.config.file)))
    stored = None if earlier is None else earlier.config
    source = said.source
    if source is None and stored is not None:
        source = stored.get("place") or stored.get("source")
    if source is not None:
        find_source(source)
        return
    if config.teacher.wanted:
        raise ConfigError("--teacher is fitted to images, and there are none: give --data")
    if said.space[0] is None and earlier is None:
        raise ConfigError(NO_TABLE)
    if oracle is not None and oracle.says("needs_images", True):
        raise ConfigError(f"oracle {oracle.kind} needs images to score on: give --data")
    for key, told in _OF_IMAGES.items():
        if said.values.get(key):
            raise ConfigError(f"without --data there are no images, and no networks are trained: leave out {told}")


def search_config(said: Mapping[str, Any], below: Mapping[str, Any]) -> SearchConfig:
    """Return the configuration of a search from what the user said and from what stands below it.

    Raises:
        ConfigError: naming the first value that is wrong.
    """
    kind = said.get("strategy", below.get("strategy", STRATEGY))
    if not isinstance(kind, str):
        raise ConfigError("configuration value strategy: give its name; its values stand beside those of the run")
    strategy, common = find("strategy", kind), set(SearchConfig.model_fields)
    if strategy.cls is not None and below.get("strategy") != kind:
        # What a preset says to a strategy of this package may mean something else to one of the user's own.
        below = {key: value for key, value in below.items() if key in common}
    return SearchConfig.flat(over_preset(below, said, common | set(strategy.config.model_fields)), find)


def truth_config(said: Said, preset: str | None, epochs: int | None) -> TruthConfig:
    """Return the configuration of a table of truth from what the user said over a preset.

    Raises:
        ConfigError: naming the first value that is wrong.
    """
    chosen = read_preset(preset or FALLBACK)
    training = {key: value for key, value in chosen["retraining"].items() if key in TruthTraining.model_fields}
    below = {"data": chosen.get("data", {}), "retraining": training}
    config = TruthConfig.make(over_preset(below, said.values, set(TruthConfig.model_fields)), find)
    if epochs is None:
        return config
    recipe = config.retraining.recipe.with_epochs(epochs)
    return config.replace(retraining=config.retraining.replace(recipe=recipe))
