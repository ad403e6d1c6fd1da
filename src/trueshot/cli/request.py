"""From what a user asked for to a run that is ready to start."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trueshot.cli.fitting import fitted_space
from trueshot.cli.names import space_class
from trueshot.core.errors import BudgetError, ConfigError
from trueshot.core.observe import Observer
from trueshot.core.run import RunDirectory
from trueshot.core.units import format_count, parse_count, parse_duration
from trueshot.evaluation.fingerprint import fingerprint
from trueshot.search.bounds import cost_range
from trueshot.spaces import Space
from trueshot.spaces.description import describe, rebuild
from trueshot.strategies.config import SearchConfig
from trueshot.strategies.forecast import forecast, measure_rates, scale_to
from trueshot.strategies.one_shot import make_proposer
from trueshot.strategies.picking import budgets_of
from trueshot.strategies.presets import assignment, choose_preset, merge, read_config, read_preset
from trueshot.strategies.setup import Setup, choose_device, load_dataset
from trueshot.strategies.weights import borrowed_snapshots, describe_sampler, load_teacher, make_sampler
from trueshot.training.data.dataset import Dataset
from trueshot.training.data.options import DataOptions

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

    A value is taken from, in this order: ``--set``, the other options, the configuration file, the preset, and with
    ``--supernet`` the run that trained it. Whatever is wrong is said before the run directory is made.
    """
    if request.out is not None and not request.resume:
        RunDirectory(request.out).stored({}, resume=False)
    device = choose_device(request.device)
    earlier = None if request.supernet is None else RunDirectory.existing(request.supernet)
    said, inherited = _values(request), {} if earlier is None else _inherited(earlier)
    values = merge(inherited, said)
    source, preset = values.get("source"), values.get("preset")
    if not isinstance(source, str):
        raise ConfigError("say what to train on: --data digits, a folder, a Parquet file, cifar10 or subimagenet64")
    chosen = {} if preset is None else read_preset(preset)
    dataset = load_dataset(source, _options(values.get("data", {})))
    for note in dataset.notes:
        observer.say(f"note: {note}")
    if preset is None:
        preset = choose_preset(dataset.image_size, device.type)
        chosen = read_preset(preset)
    below = merge(inherited, chosen) if "preset" in said else merge(chosen, inherited)
    values = merge(below, said)
    config = _search_config(values)
    config = config.model_copy(update={"threads": config.threads or torch.get_num_threads()})
    torch.set_num_threads(config.threads or 1)
    space = _space(values, dataset, earlier)
    run = RunDirectory(request.out or _default_out(request, dataset, space))
    setup = Setup(config=config, space=space, dataset=dataset, run=run, device=device, observer=observer)
    content = {
        "command": "search",
        "source": source,
        "preset": preset,
        "space": describe(space),
        "asked": {
            "search": config.model_dump(mode="json"),
            "time_budget": request.time_budget and parse_duration(request.time_budget, "--time-budget"),
            "device": device.type,
            "supernet": request.supernet and str(request.supernet.resolve()),
        },
        "identity": setup.identity(),
        "preprocessing": dataset.preprocessing.to_dict(),
    }
    stored = run.stored(content, resume=request.resume)
    _check(setup, earlier)
    _announce(setup, preset)
    setup = _scheduled(setup, request) if stored is None else _resumed(setup, stored)
    RunDirectory.open(run.path, {**content, "search": setup.config.model_dump(mode="json")}, resume=request.resume)
    return setup


def _values(request: Request) -> dict[str, Any]:
    """Merge configuration file, options and assignments."""
    values: dict[str, Any] = {} if request.config is None else read_config(request.config)
    # People write `data: digits` where they mean the source.
    if isinstance(values.get("data"), str):
        values = {"source": values.pop("data"), **values}
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
    if request.preset is not None:
        options["preset"] = request.preset
    if request.seed is not None:
        options["seed"] = request.seed
    if request.max_bad_images is not None:
        options["data"] = {"max_bad_images": request.max_bad_images}
    values = merge(values, options)
    for text in request.assignments:
        values = merge(values, assignment(text))
    return values


def _inherited(earlier: RunDirectory) -> dict[str, Any]:
    """Return what a search takes over from the run whose supernet it searches: all but bounds and space."""
    stored = earlier.config
    search = dict(stored["search"])
    search["budget"] = {"fractions": search["budget"]["fractions"]}
    return {**search, "source": stored["source"], "preset": stored["preset"]}


def _default_out(request: Request, dataset: Dataset, space: Space) -> Path:
    name = f"{dataset.name}-{space.name}"
    if request.supernet is not None:
        name += f"-{request.max_madds or request.max_params or 'again'}"
    return Path("runs") / name


def _options(values: Any) -> DataOptions:
    config = _search_section("data", values)
    return DataOptions(**config)


def _search_section(name: str, values: Any) -> dict[str, Any]:
    """Check one section by itself, with the one-line errors of the whole configuration."""
    minimal = {"epochs": 1}
    made = SearchConfig.make({"supernet": {"recipe": minimal}, "retraining": {"recipe": minimal}, name: values})
    section: dict[str, Any] = getattr(made, name).model_dump()
    return section


def _space(values: dict[str, Any], dataset: Dataset, earlier: RunDirectory | None) -> Space:
    """Make the space; with the supernet of an earlier run and no arguments, the one it was trained for."""
    chosen = values.get("space", {})
    chosen = {"name": chosen} if isinstance(chosen, str) else chosen
    presets = values.get("spaces", {})
    if not isinstance(chosen, dict) or set(chosen) - {"name", "arguments"} or not isinstance(presets, dict):
        raise ConfigError("configuration value space: give a name, and arguments for it")
    name, given = str(chosen.get("name", "topology")), chosen.get("arguments") or {}
    if earlier is not None and not given:
        # A class in a file of the user's is imported by its name first.
        named = space_class(name) if "name" in chosen else None
        trained = rebuild(earlier.config["space"])
        if named in (None, type(trained)):
            return trained
    return fitted_space(name, given, presets, dataset)


def _search_config(values: dict[str, Any]) -> SearchConfig:
    return SearchConfig.make({key: value for key, value in values.items() if key not in _OUTSIDE})


def _check(setup: Setup, earlier: RunDirectory | None) -> None:
    """Find what would stop the run only later: bounds, budgets, teachers, the supernet of the earlier run.

    Raises:
        TrueshotError: naming it.
    """
    config, space = setup.config, setup.space
    if earlier is not None:
        borrowed_snapshots(setup, earlier)
    setup.bounds.check(space)
    make_proposer(setup)
    if not budgets_of(space, config.budget, config.evolution.objective):
        raise BudgetError(
            f"none of the shares budget.fractions = {list(config.budget.fractions)} allows even the cheapest"
            f" architecture of {space.name}: choose larger ones"
        )
    teachers = [config.retraining.distillation, None if earlier is not None else config.supernet.distillation]
    for teacher in teachers:
        load_teacher(setup, teacher)


def _resumed(setup: Setup, stored: dict[str, Any]) -> Setup:
    """Return the setup with the schedule of the run to go on with."""
    setup.observer.say(f"going on with {setup.run.path}")
    return dataclasses.replace(setup, config=SearchConfig.make(stored["search"]))


def _scheduled(setup: Setup, request: Request) -> Setup:
    """Return the setup with the schedule that fits the time budget, and print the forecast."""
    rates = measure_rates(setup, train=request.supernet is None)
    config = setup.config
    if request.time_budget is not None:
        config = scale_to(config, rates, parse_duration(request.time_budget, "--time-budget"))
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
        f" MAdds; bounds: {setup.bounds}"
    )
    observer.say(
        f"run: {setup.run.path}; preset {preset}; {config.evolution.evaluations} architectures to score (the paper"
        f" scores 990); training samples {describe_sampler(sampler)}; fingerprint {fingerprint(setup.identity())[:8]}"
    )
