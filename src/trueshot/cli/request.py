"""From what a user asked for to a search that is ready to start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from trueshot.cli.early import FALLBACK, search_config
from trueshot.cli.names import TABLE, find, find_class, members_of
from trueshot.cli.values import NO_DATA, OUTSIDE, Said, fitted_space, let_workers_import, loaded
from trueshot.core.config import make_own
from trueshot.core.errors import ConfigError
from trueshot.core.executor import make_executor
from trueshot.core.observe import Observer
from trueshot.core.run import RunDirectory
from trueshot.core.units import parse_duration
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions
from trueshot.spaces.description import describe, rebuild
from trueshot.strategies.config import SearchConfig
from trueshot.strategies.presets import merge, read_preset
from trueshot.strategies.run import SearchRun
from trueshot.strategies.setup import Context, choose_device
from trueshot.training.data.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of ``trueshot search`` that are no values of its configuration; ``None`` where nothing was said."""

    said: Said
    out: Path | None
    resume: bool
    supernet: Path | None
    preset: str | None
    device: str | None
    time_budget: str | None
    costs: tuple[str, ...] = ()
    workers: int | None = None
    executor: str = "local"
    ray: str | None = None


def prepare(request: Request, observer: Observer) -> SearchRun:
    """Load the data, settle the configuration, open the run directory and print the forecast.

    A value is taken from, in this order: ``--set``, the other options, the configuration file, the preset, and with
    ``--supernet`` the run that trained it. Whatever is wrong is said before the run directory is made.
    """
    if request.out is not None and not request.resume:
        RunDirectory(request.out).stored({}, resume=False)
    device = choose_device(request.device)
    earlier = None if request.supernet is None else RunDirectory.existing(request.supernet)
    inherited = {} if earlier is None else _inherited(earlier)
    said = Said(values=merge({key: inherited[key] for key in ("source",) if key in inherited}, request.said.values))
    dataset, data, preset = None, None, request.preset or inherited.get("preset")
    named = request.preset is not None
    if said.source is not None:
        dataset, data, preset = loaded(said, device.type, preset=preset, below=inherited)
        for note in dataset.notes:
            observer.say(f"note: {note}")
    chosen = read_preset(preset or FALLBACK)
    if named and inherited.get("proposer", {}).get("kind") in chosen.get("proposers", {}):
        del inherited["proposer"]
    below = merge(inherited, chosen) if named else merge(chosen, inherited)
    config = search_config(said.values, below)
    config = config.replace(threads=config.threads or torch.get_num_threads())
    torch.set_num_threads(config.threads or 1)
    space = _space(said, below, dataset, earlier)
    let_workers_import(space)
    costs = make_costs(space, request.costs)
    config = config.replace(budget=config.budget.counted(costs))
    run = RunDirectory(request.out or _default_out(request, dataset, space))
    context = Context(
        space=space,
        dataset=dataset,
        run=run,
        device=device,
        seed=config.seed,
        save_every=config.save_every,
        data=config.data if data is None else data,
        costs=costs,
        bounds=config.budget.bounds(costs),
        observer=observer,
        executor=make_executor(request.executor, request.workers or 1, request.ray),
        earlier=earlier,
        retraining=config.retraining,
    )
    content = {
        "command": "search",
        "source": said.source,
        "preset": preset or FALLBACK,
        "space": describe(space),
        "costs": list(request.costs),
        "asked": {
            "search": config.flattened(),
            "time_budget": request.time_budget and parse_duration(request.time_budget, "--time-budget"),
            "device": device.type,
            "supernet": request.supernet and str(request.supernet.resolve()),
        },
        "identity": context.identity(),
        "preprocessing": None if dataset is None else dataset.preprocessing.to_dict(),
    }
    stored = run.stored(content, resume=request.resume)
    search = SearchRun(config=config, context=context)
    search.check()
    for line in search.announce():
        observer.say(line)
    search = _scheduled(search, request) if stored is None else _resumed(search, stored)
    RunDirectory.open(run.path, {**content, "search": search.config.flattened()}, resume=request.resume)
    return search


def make_costs(space: Space, own: tuple[str, ...]) -> CostFunctions:
    """Return all costs of the table, and those of the user's own files, as functions of a space.

    Raises:
        ConfigError: when a file holds no cost, or the cost cannot be made.
    """
    members = members_of("cost")
    made = (make_own(name, find_class("cost", name), {"space": space}, (), members) for name in (*TABLE["cost"], *own))
    return CostFunctions(space, tuple(made))


def _inherited(earlier: RunDirectory) -> dict[str, Any]:
    """Return what a search takes over from the run whose supernet it searches: all but bounds and space."""
    stored = earlier.config
    search = dict(stored["search"])
    search["budget"] = {"fractions": search["budget"]["fractions"]}
    return {**search, "source": stored["source"], "preset": stored["preset"]}


def _default_out(request: Request, dataset: Dataset | None, space: Space) -> Path:
    name = f"{'table' if dataset is None else dataset.name}-{space.name}"
    if request.supernet is not None:
        bounds = request.said.values.get("budget", {})
        told = next((str(value) for key, value in bounds.items() if key.startswith("max_")), "again")
        name += f"-{told}"
    return Path("runs") / name


def _space(said: Said, below: Mapping[str, Any], dataset: Dataset | None, earlier: RunDirectory | None) -> Space:
    """Make the space; with the supernet of an earlier run and no arguments, the one it was trained for."""
    name, given = said.space
    if earlier is not None and not given:
        # A class in a file of the user's is imported by its name first.
        wanted = None if name is None else find_class("space", name)
        trained = rebuild(earlier.config["space"])
        if wanted in (None, type(trained)):
            return trained
    default = "topology" if dataset is not None else None
    chosen = name or default
    if chosen is None:
        raise ConfigError(f"{NO_DATA}; to search a table of truth, name the space: --space nasbench201")
    spaces = below.get("spaces", {}) if dataset is not None else {}
    return fitted_space(chosen, given, merge(spaces, said.spaces), dataset)


def _resumed(search: SearchRun, stored: dict[str, Any]) -> SearchRun:
    """Return the run with the schedule of the one to go on with."""
    search.context.observer.say(f"going on with {search.context.run.path}")
    values = {key: value for key, value in stored["search"].items() if key not in OUTSIDE}
    return SearchRun(config=SearchConfig.flat(values, find), context=search.context)


def _scheduled(search: SearchRun, request: Request) -> SearchRun:
    """Return the run with the schedule that fits the time budget, and print the forecast."""
    say = search.context.observer.say
    if request.time_budget is not None:
        search = search.scaled(parse_duration(request.time_budget, "--time-budget"))
        search = replace(search, context=search.context.replace(retraining=search.config.retraining))
        say("the schedule is scaled to the time budget")
    say(str(search.forecast()))
    return search
