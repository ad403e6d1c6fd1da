"""From what a user asked for to a search that is ready to start."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from trueshot.cli.costs import make_costs
from trueshot.cli.earlier import check_out, of_other_images
from trueshot.cli.early import FALLBACK, search_config
from trueshot.cli.names import find, find_class, refuse_own_code
from trueshot.cli.values import NO_TABLE, OUTSIDE, Said, fitted_space, let_workers_import, loaded
from trueshot.core.errors import ConfigError
from trueshot.core.executor import make_executor
from trueshot.core.modules import source_of
from trueshot.core.observe import SILENT, Observer
from trueshot.core.run import RunDirectory
from trueshot.core.units import format_duration, parse_duration
from trueshot.search.extremes import cost_range
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions
from trueshot.spaces.description import describe, rebuild
from trueshot.strategies.config import BudgetConfig, SearchConfig
from trueshot.strategies.deadline import Deadline
from trueshot.strategies.finish.pretrained import anywhere
from trueshot.strategies.forecast import (
    FILLED,
    Fit,
    Rates,
    at_size,
    bare,
    ends,
    fit,
    refuse,
    shortest,
    smaller_sizes,
)
from trueshot.strategies.presets import merge, read_preset
from trueshot.strategies.run import SearchRun
from trueshot.strategies.setup import Context, choose_device, identity_of
from trueshot.strategies.sizing import fitted
from trueshot.strategies.supernet import check_start
from trueshot.strategies.teacher import Teacher
from trueshot.training.data.dataset import Dataset
from trueshot.training.data.sources import DIGITS, SHARED

_GUESSED = 1.4
"""Share of the time left up to which a schedule for smaller images, foretold and not measured, is tried."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of ``trueshot search`` that are no values of its configuration; ``None`` where nothing was said.

    Attributes:
        began: value of ``time.monotonic`` at which the command began.
    """

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
    trust_code: bool = False
    began: float = field(default_factory=time.monotonic)


def prepare(request: Request, observer: Observer) -> SearchRun:
    """Load the data, settle the configuration, open the run directory and print the forecast.

    A value is taken from, in this order: ``--set``, the other options, the configuration file, the preset fitted to the
    data, and with ``--supernet`` the run that trained it. Whatever is wrong is said before the run directory is made.
    """
    began = request.began
    if request.resume and request.out is not None and not RunDirectory(request.out).config_path.is_file():
        observer.say(f"note: there is no run in {request.out} to go on with: a new one is begun")
    made = _made(request, observer)
    kept = _schedule_of(made.search.context.run) if request.resume else {}
    if (size := kept.get("image_size")) is not None:
        made = _made(request, observer, size)
    run = made.search.context.run
    # A directory that nobody named is known only now.
    check_out(run.path, resume=request.resume)
    stored = run.stored(made.content, resume=request.resume)
    made.search.check()
    for note in [] if made.search.context.dataset is None else made.search.context.dataset.notes:
        observer.say(f"note: {note}")
    if stored is not None:
        for line in made.search.announce():
            observer.say(line)
        search, schedule = _resumed(made.search, stored), stored.get("schedule")
    else:
        made, search, schedule = _scheduled(made, request, observer, began)
        run = made.search.context.run
    content = {**made.content, "search": search.config.flattened(), **_place(made.content["source"])}
    content |= _own(made.search.context.space)
    # Runs without a time budget have no such key, nor have those of earlier releases.
    content |= {} if schedule is None else {"schedule": schedule}
    RunDirectory.open(run.path, content, resume=request.resume)
    if schedule is None:
        return search
    deadline = Deadline(run, schedule["seconds"], schedule["ends"], cut=schedule["cut"], started=began)
    return replace(search, context=search.context.replace(deadline=deadline))


def searched_again(supernet: Path, *, device: str | None = None, trust_code: bool = False) -> SearchRun:
    """Return the search of an earlier run's supernet on the data of that run; nothing is written, nor told.

    Args:
        supernet: directory of the earlier run.
        device: its type; the GPU where there is one without it.
        trust_code: whether code of its own, which the run names, may be run.

    Raises:
        TrueshotError: naming what of the run is not usable, such as its images.
    """
    request = Request(
        said=Said(values={}),
        out=None,
        resume=False,
        supernet=supernet,
        preset=None,
        device=device,
        time_budget=None,
        trust_code=trust_code,
    )
    return _made(request, SILENT).search


@dataclass(frozen=True)
class _Made:
    """A search before its schedule is settled, and what its directory keeps of what was asked."""

    search: SearchRun
    content: dict[str, Any]
    sized_by_user: bool


def _made(request: Request, observer: Observer, image_size: int | None = None) -> _Made:
    """Load the data and settle everything but the schedule.

    Args:
        request: what was asked.
        observer: of the run.
        image_size: of the images where there is no time for larger ones.
    """
    device = choose_device(request.device)
    earlier = None if request.supernet is None else RunDirectory.existing(request.supernet)
    inherited = {} if earlier is None else _inherited(earlier)
    if not request.trust_code:
        refuse_own_code(inherited, request.said.values, f"the run in {request.supernet}")
    values = merge({key: inherited[key] for key in ("source",) if key in inherited}, request.said.values)
    sized = earlier is not None or "image_size" in dict(values.get("data") or {})
    if image_size is not None:
        values = merge(values, {"data": {"image_size": image_size}})
    said = Said(values=values)
    dataset, data, preset = None, None, request.preset or inherited.get("preset")
    named = request.preset is not None
    if said.source is not None:
        dataset, data, preset = loaded(said, device.type, preset=preset, below=inherited)
    others = False
    if earlier is not None and dataset is not None and data is not None and of_other_images(said.source, earlier):
        trained = rebuild(earlier.config["space"], trust_code=request.trust_code)
        # Images are the same ones wherever they lie.
        taught = earlier.config.get("teacher")
        others = identity_of(trained, dataset.digest, data, taught) != earlier.config.get("identity")
        if others:
            inherited = _inherited_by_others(inherited, trained)
        if others and dataset.image_size != trained.image_size:
            dataset, data, preset = loaded(said, device.type, preset=preset, below=inherited)
    chosen = read_preset(preset or FALLBACK)
    if dataset is not None:
        size = {"images": len(dataset.train), "classes": len(dataset.classes), "pixels": dataset.image_size}
        chosen = fitted(chosen, **size)
    if named and inherited.get("proposer", {}).get("kind") in chosen.get("proposers", {}):
        del inherited["proposer"]
    below = merge(inherited, chosen) if named else merge(chosen, inherited)
    config = search_config(said.values, below)
    space = _space(said, below, dataset, earlier, trust_code=request.trust_code)
    let_workers_import(space)
    if not space.decisions:
        raise ConfigError(f"space {space.name} has no decisions, so that there is nothing to search: place a site")
    costs = make_costs(space, request.costs)
    budget = config.budget.counted(costs)
    config = config.replace(budget=budget if image_size is None else _within_reach(budget, costs))
    run = RunDirectory(request.out or _default_out(request, dataset, space))
    if config.teacher.name is not None:
        config = config.replace(teacher=config.teacher.replace(name=anywhere(config.teacher.name)))
    config = config.replace(threads=_threads(config.threads, run if request.resume else None))
    torch.set_num_threads(config.threads or 1)
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
        executor=make_executor(request.executor, _workers(request), request.ray),
        earlier=earlier,
        retraining=config.retraining,
        teacher=Teacher(config=config.teacher) if config.teacher.wanted else None,
    )
    context = _as_before(context, earlier if earlier is not None else run if request.resume else None)
    if earlier is not None and others:
        check_start(context, earlier)
        context = context.replace(earlier=None, start=earlier)
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
        "teacher": None if context.teacher is None else context.teacher.identity,
        "identity": context.identity(),
        "preprocessing": None if dataset is None else dataset.preprocessing.to_dict(),
    }
    if context.start is not None:
        config = _transferred(config, context.start)
    return _Made(SearchRun(config=config, context=context), content, sized)


_MOST_THREADS = 4
"""Threads for each processor beyond which PyTorch does nothing but wait."""


def _threads(asked: int | None, resumed: RunDirectory | None) -> int:
    """Return the number of threads: the one asked for, that of the run that is gone on with, or PyTorch's own.

    Raises:
        ConfigError: when so many cannot work.
    """
    stored = resumed.config if resumed is not None and resumed.config_path.is_file() else {}
    before = stored.get("search", {}).get("threads")
    most = _MOST_THREADS * (os.cpu_count() or 1)
    if asked is not None and asked != before and asked > most:
        raise ConfigError(f"threads={asked} are too many for {os.cpu_count()} processors: give at most {most}, or none")
    return asked or before or torch.get_num_threads()


def _as_before(context: Context, run: RunDirectory | None) -> Context:
    """Return the context with the fingerprint of the images that an earlier release gave a run, where it has that."""
    dataset = context.dataset
    if run is None or dataset is None or dataset.listing is None or not run.config_path.is_file():
        return context
    stored = run.config.get("identity")
    if stored == context.identity():
        return context
    before = context.replace(dataset=replace(dataset, digest=dataset.listing.digest()))
    return before if before.identity() == stored else context


def _place(source: str | None) -> dict[str, str]:
    """Return where the data lies whatever the working folder, for commands that are given in another one."""
    path = None if source is None else Path(source).expanduser()
    return {} if path is None or source in (DIGITS, *SHARED) or not path.exists() else {"place": str(path.resolve())}


def _own(space: Space) -> dict[str, str]:
    """Return where the class of a user's space is, as the command line takes it."""
    file = None if type(space).__module__.startswith("trueshot.") else source_of(type(space))
    return {} if file is None else {"own": f"{file}:{type(space).__qualname__}"}


def _within_reach(budget: BudgetConfig, costs: CostFunctions) -> BudgetConfig:
    """Return bounds that the architectures for smaller images can still reach: all of them may be cheap enough."""
    return budget.replace(most={name: min(most, cost_range(costs, name)[1]) for name, most in budget.most.items()})


def _schedule_of(run: RunDirectory) -> dict[str, Any]:
    return (run.config.get("schedule") or {}) if run.config_path.is_file() else {}


def _inherited(earlier: RunDirectory) -> dict[str, Any]:
    """Return what a search takes over from the run whose supernet it searches: all but bounds and space."""
    stored = earlier.config
    search = dict(stored["search"])
    search["budget"] = {"fractions": search["budget"]["fractions"]}
    return {**search, "source": stored.get("place") or stored["source"], "preset": stored["preset"]}


def _inherited_by_others(inherited: dict[str, Any], space: Space) -> dict[str, Any]:
    """Return what a search of other images takes over: not how long trainings were, but the size of the images."""
    kept = {key: value for key, value in inherited.items() if key not in ("retraining", "short")}
    if "supernet" in kept:
        kept["supernet"] = {key: value for key, value in dict(kept["supernet"] or {}).items() if key != "recipe"}
    kept["data"] = {**kept["data"], "image_size": space.image_size}
    return kept


def _transferred(config: SearchConfig, start: RunDirectory) -> SearchConfig:
    """Return the configuration whose supernet is fine-tuned from that of a run of other images.

    Raises:
        ConfigError: when its weights are split in the course of the training, which may be done once.
    """
    part = config.strategy
    supernet = getattr(part.config, "supernet", None)
    if supernet is None:
        return config
    if supernet.split_epoch is not None:
        raise ConfigError(
            f"the supernet in {start.path} split its weights, and cannot be fine-tuned to other images: train a new one"
        )
    changed = part.config.replace(supernet=supernet.transferred())
    return config.replace(strategy=replace(part, config=changed))


def _workers(request: Request) -> int | None:
    """Return how many jobs may run at a time: one where nothing was said, on a cluster as many as it has room for."""
    return request.workers or (1 if request.executor == "local" else None)


def _default_out(request: Request, dataset: Dataset | None, space: Space) -> Path:
    name = f"{'table' if dataset is None else dataset.name}-{space.name}"
    if request.supernet is not None:
        bounds = request.said.values.get("budget", {})
        told = next((str(value) for key, value in bounds.items() if key.startswith("max_")), "again")
        name += f"-{told}"
    return Path("runs") / name


def _space(
    said: Said,
    below: Mapping[str, Any],
    dataset: Dataset | None,
    earlier: RunDirectory | None,
    *,
    trust_code: bool = False,
) -> Space:
    """Make the space; with the supernet of an earlier run and no arguments, the one it was trained for."""
    name, given = said.space
    if earlier is not None and not given:
        # A class in a file of the user's is imported by its name first.
        wanted = None if name is None else find_class("space", name)
        trained = rebuild(earlier.config["space"], trust_code=trust_code)
        if wanted in (None, type(trained)):
            return trained if dataset is None else _for_data(trained, dataset)
    default = "topology" if dataset is not None else None
    chosen = name or default
    if chosen is None:
        raise ConfigError(NO_TABLE)
    spaces = below.get("spaces", {}) if dataset is not None else {}
    return fitted_space(chosen, given, merge(spaces, said.spaces), dataset)


def _for_data(space: Space, dataset: Dataset) -> Space:
    """Return the space for the shape and the classes of the images."""
    shape = {"image_size": dataset.image_size, "in_channels": dataset.channels, "classes": len(dataset.classes)}
    return space if all(getattr(space, key) == value for key, value in shape.items()) else replace(space, **shape)


def _resumed(search: SearchRun, stored: dict[str, Any]) -> SearchRun:
    """Return the run with the schedule of the one to go on with."""
    search.context.observer.say(f"going on with {search.context.run.path}")
    values = {key: value for key, value in stored["search"].items() if key not in OUTSIDE}
    # The same teacher may lie elsewhere by now.
    values["teacher"] = search.config.teacher.whole()
    return SearchRun(config=SearchConfig.flat(values, find), context=search.context)


def _scheduled(
    made: _Made, request: Request, observer: Observer, began: float
) -> tuple[_Made, SearchRun, dict[str, Any] | None]:
    """Return the run with the schedule that fits the time budget, and what is kept of it; print the forecast."""
    for line in made.search.announce():
        observer.say(line)
    if request.time_budget is None:
        observer.say(str(made.search.forecast()))
        return made, made.search, None
    seconds = parse_duration(request.time_budget, "--time-budget")
    made, size, found = _fit(made, request, observer, seconds, began)
    config = found.config
    search = SearchRun(config=config, context=made.search.context.replace(retraining=config.retraining))
    cut = [] if size is None else [f"images of more than {size} pixels"]
    for what in cut:
        observer.say(f"the time is too short for {what}: left out")
    for what in found.cut:
        observer.say(f"the time may be too short for {what}")
    observer.say(f"the schedule is {found.factor:.2g} times that of the preset, for {format_duration(seconds)} in all")
    observer.say(str(found.forecast))
    used = time.monotonic() - began
    return made, search, {"seconds": seconds, "ends": ends(found, seconds, used), "cut": cut, "image_size": size}


def _fit(
    made: _Made, request: Request, observer: Observer, seconds: float, began: float
) -> tuple[_Made, int | None, Fit]:
    """Return the search, the image size where it was reduced, and the schedule that fits the time budget.

    Images are reduced where networks would else not get the steps that the preset gives them, unless the user chose
    their size.

    Raises:
        ConfigError: when nothing can converge in the time, with what would do.
    """
    dataset = made.search.context.dataset
    first = None if dataset is None else dataset.image_size
    rates = Rates.of(made.search)

    def left() -> float:
        return FILLED * seconds - (time.monotonic() - began)

    whole = fit(rates, left())
    tried: list[tuple[_Made, int | None, Fit]] = [] if whole is None else [(made, None, whole)]
    needed: dict[int | None, float] = {first: (shortest(rates) + time.monotonic() - began) / FILLED}
    if first is None or made.sized_by_user or (whole is not None and whole.factor >= 1):
        smaller = []
    else:
        # What smaller images would take is foretold, lest the time goes by with measuring.
        guessed = {size: at_size(shortest(rates), size / first) for size in smaller_sizes(first)}
        needed |= {size: total / FILLED for size, total in guessed.items()}
        fitting = [size for size in guessed if at_size(bare(rates), size / first) <= left()]
        # A guess that is a little too long is worth measuring.
        smaller = fitting[:1] or [size for size, total in guessed.items() if total <= _GUESSED * left()][-1:]
    for size in smaller:
        observer.say(f"{format_duration(seconds)} are short for images of {first} pixels: {size} pixels are tried")
        reduced = _made(request, observer, size)
        reduced.search.check()
        found = fit(Rates.of(reduced.search), left())
        tried += [] if found is None else [(reduced, size, found)]
    if not tried:
        raise refuse(seconds, needed)
    return max(tried, key=lambda one: (one[2].factor >= 1, one[2].factor))
