"""From what a user asked for to a run that is ready to start."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trueshot.cli.names import make_space
from trueshot.core.errors import ConfigError
from trueshot.core.files import read_json
from trueshot.core.observe import Observer
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.core.units import format_count, parse_count, parse_duration
from trueshot.evaluation.fingerprint import fingerprint
from trueshot.search.bounds import cost_range
from trueshot.spaces import Space
from trueshot.spaces.checks import as_tuples
from trueshot.spaces.description import describe
from trueshot.strategies.config import SearchConfig
from trueshot.strategies.forecast import forecast, measure_rates, scale_to
from trueshot.strategies.presets import assignment, choose_preset, merge, read_config, read_preset
from trueshot.strategies.setup import Setup, choose_device
from trueshot.strategies.weights import describe_sampler, make_sampler
from trueshot.training.data.dataset import Dataset
from trueshot.training.data.options import DataOptions
from trueshot.training.data.sources import load

_OUTSIDE = ("source", "space", "preset", "spaces")
"""Keys of a configuration file that are not part of :class:`SearchConfig`."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of ``trueshot search`` as given; ``None`` where nothing was said."""

    config: Path | None
    data: str | None
    space: str | None
    max_madds: str | None
    max_params: str | None
    out: Path | None
    resume: bool
    supernet: Path | None
    preset: str | None
    device: str | None
    seed: int | None
    time_budget: str | None
    max_bad_images: int | None
    assignments: tuple[str, ...] = ()


def prepare(request: Request, observer: Observer) -> Setup:
    """Load the data, settle the configuration, open the run directory and print the forecast.

    A value is taken from, in this order: ``--set``, the other options, the configuration file, the preset.
    """
    values = _values(request)
    source = values.get("source")
    if not isinstance(source, str):
        raise ConfigError("say what to train on: --data digits, a folder, a Parquet file, cifar10 or subimagenet64")
    device = choose_device(request.device)
    seed = int(values.get("seed", 0))
    dataset = load(source, options=_options(values.get("data", {})), streams=Streams(seed).child("data"))
    for note in dataset.notes:
        observer.say(f"note: {note}")
    preset_name = request.preset or values.get("preset") or choose_preset(dataset.image_size, device.type)
    values = merge(read_preset(preset_name), values)
    space = _space(values, dataset)
    config = _search_config(values)
    threads = config.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    config = config.model_copy(update={"threads": threads})
    asked = {
        "search": config.model_dump(mode="json"),
        "time_budget": request.time_budget and parse_duration(request.time_budget, "--time-budget"),
        "device": device.type,
        "supernet": request.supernet and str(request.supernet.resolve()),
    }
    run = RunDirectory(request.out or Path("runs") / f"{dataset.name}-{space.name}")
    setup = Setup(config=config, space=space, dataset=dataset, run=run, device=device, observer=observer)
    setup.bounds.check(space)
    setup = _scheduled(setup, asked, request)
    content = {
        "command": "search",
        "source": source,
        "preset": preset_name,
        "space": describe(space),
        "asked": asked,
        "search": setup.config.model_dump(mode="json"),
        "identity": setup.identity(),
        "preprocessing": dataset.preprocessing.to_dict(),
    }
    RunDirectory.open(run.path, content, resume=request.resume)
    _announce(setup, preset_name)
    return setup


def _values(request: Request) -> dict[str, Any]:
    """Merge configuration file, options and assignments."""
    values: dict[str, Any] = {} if request.config is None else read_config(request.config)
    budget: dict[str, Any] = {}
    if request.max_madds is not None:
        budget["max_madds"] = parse_count(request.max_madds, "--max-madds")
    if request.max_params is not None:
        budget["max_params"] = parse_count(request.max_params, "--max-params")
    options: dict[str, Any] = {"budget": budget} if budget else {}
    if request.data is not None:
        options["source"] = request.data
    if request.space is not None:
        options["space"] = {"name": request.space}
    if request.seed is not None:
        options["seed"] = request.seed
    if request.max_bad_images is not None:
        options["data"] = {"max_bad_images": request.max_bad_images}
    values = merge(values, options)
    for text in request.assignments:
        values = merge(values, assignment(text))
    return values


def _options(values: Any) -> DataOptions:
    config = _search_section("data", values)
    return DataOptions(**config)


def _search_section(name: str, values: Any) -> dict[str, Any]:
    """Check one section by itself, with the one-line errors of the whole configuration."""
    minimal = {"epochs": 1}
    made = SearchConfig.make({"supernet": {"recipe": minimal}, "retraining": {"recipe": minimal}, name: values})
    section: dict[str, Any] = getattr(made, name).model_dump()
    return section


def _space(values: dict[str, Any], dataset: Dataset) -> Space:
    chosen = values.get("space", {})
    chosen = {"name": chosen} if isinstance(chosen, str) else chosen
    if not isinstance(chosen, dict) or set(chosen) - {"name", "arguments"}:
        raise ConfigError("configuration value space: give a name, and arguments for it")
    name = chosen.get("name", "topology")
    arguments = merge(values.get("spaces", {}).get(name, {}), chosen.get("arguments") or {})
    shape = {
        "image_size": dataset.image_size,
        "classes": len(dataset.classes),
        "in_channels": dataset.channels,
    }
    return make_space(name, {**{key: as_tuples(value) for key, value in arguments.items()}, **shape})


def _search_config(values: dict[str, Any]) -> SearchConfig:
    return SearchConfig.make({key: value for key, value in values.items() if key not in _OUTSIDE})


def _scheduled(setup: Setup, asked: dict[str, Any], request: Request) -> Setup:
    """Return the setup with the schedule that fits the time budget, or that of the run to go on with."""
    path = setup.run.config_path
    stored = read_json(path) if request.resume and path.exists() else {}
    if stored.get("asked") == asked:
        return dataclasses.replace(setup, config=SearchConfig.make(stored["search"]))
    rates = measure_rates(setup, train=request.supernet is None)
    config = setup.config
    if asked["time_budget"] is not None:
        config = scale_to(config, rates, asked["time_budget"])
        setup.observer.say(
            f"schedule scaled to the time budget: supernet {config.supernet.recipe.epochs} epochs,"
            f" {config.weight_sampling.samples} weight samples, {config.evolution.evaluations} architectures,"
            f" retraining {config.retraining.recipe.epochs} epochs"
        )
    setup.observer.say(str(forecast(config, rates)))
    return dataclasses.replace(setup, config=config)


def _announce(setup: Setup, preset: str) -> None:
    """Say in a few lines what is about to happen."""
    config, space, dataset = setup.config, setup.space, setup.dataset
    low, high = cost_range(space, "madds")
    sampler = make_sampler(space, config.supernet.sampler, config.budget)
    observer = setup.observer
    observer.say(
        f"data: {dataset.name}, {len(dataset.train)} training, {len(dataset.validation)} validation and"
        f" {dataset.test_size} test images of {dataset.image_size} pixels, {len(dataset.classes)} classes"
    )
    observer.say(
        f"space: {space.name}, {space.architectures:.3g} architectures of {format_count(low)} to {format_count(high)}"
        f" MAdds; bounds: {setup.bounds}; preset {preset}"
    )
    observer.say(
        f"search: {config.evolution.evaluations} architectures (the paper evaluates 990); training samples"
        f" {describe_sampler(sampler)}; run {setup.run.path}, fingerprint {fingerprint(setup.identity())[:8]}"
    )
