"""From what ``trueshot rank`` was asked for to a ranking that is ready to start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueshot.cli.fitting import cores, fitted_space, given_arguments, let_workers_import
from trueshot.cli.names import shared_file
from trueshot.cli.truth_request import space_beside
from trueshot.core.errors import ArchitectureError, ConfigError, DataError
from trueshot.core.observe import Observer
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.core.units import format_duration
from trueshot.spaces import Space
from trueshot.spaces.description import describe, rebuild
from trueshot.strategies.config import BudgetConfig, SearchConfig
from trueshot.strategies.presets import assignment, merge, read_config, read_preset
from trueshot.strategies.ranking_forecast import forecast_seconds
from trueshot.strategies.ranking_setup import RankingConfig, RankingSetup, Truth
from trueshot.strategies.setup import choose_device, load_dataset
from trueshot.strategies.sharing import step_options
from trueshot.strategies.weights import describe_sampler, make_sampler, make_supernet
from trueshot.training.data.dataset import Dataset

_OUTSIDE = ("source", "preset", "space", "spaces")
_OF_SEARCHES = SearchConfig.model_fields.keys() - RankingConfig.model_fields.keys()


@dataclass(frozen=True, kw_only=True)
class RankRequest:
    """The options of ``trueshot rank`` as given; ``None`` where nothing was said."""

    config: Path | None
    data: str | None
    space: str
    truth: Path
    column: str
    sampler: str | None
    sharing: str | None
    evaluators: tuple[str, ...]
    rivals: tuple[str, ...]
    supernets: int | None
    architectures: int | None
    epochs: int | None
    good: float | None
    out: Path
    resume: bool
    preset: str
    device: str | None
    seed: int | None
    workers: int | None
    assignments: tuple[str, ...] = ()


def prepare(request: RankRequest, observer: Observer) -> tuple[RankingSetup, int]:
    """Load data and truth, settle the configuration, open the directory, print the forecast.

    A value is taken from, in this order: ``--set``, the other options, the configuration file, the preset.

    Returns:
        The ranking and the number of workers.
    """
    run = RunDirectory(request.out)
    if not request.resume:
        run.stored({}, resume=False)
    device = choose_device(request.device)
    # What a preset says only to searches does not matter here; from the user it is an error.
    preset = {key: value for key, value in read_preset(request.preset).items() if key not in _OF_SEARCHES}
    values = merge(preset, _said(request))
    source = values.get("source")
    if not isinstance(source, str):
        raise ConfigError("say what to train on: --data digits, a folder, a Parquet file, cifar10 or subimagenet64")
    config = RankingConfig.make({key: value for key, value in values.items() if key not in _OUTSIDE})
    dataset = load_dataset(source, config.data)
    for note in dataset.notes:
        observer.say(f"note: {note}")
    table = shared_file(request.truth)
    space = _space(request, values, table, dataset, observer)
    let_workers_import(space)
    truth = _truth(table, request.column, space, config)
    setup = RankingSetup(config=config, space=space, dataset=dataset, truth=truth, run=run, device=device)
    if not setup.lists_twins and any(spec.twins for spec in setup.specs):
        raise ConfigError(f"space {space.name} has no isomorphic twins that could be listed: leave out +twins")
    content = {
        "command": "rank",
        "source": source,
        "preset": request.preset,
        "space": describe(space),
        "ranking": config.model_dump(mode="json"),
        "truth": {"file": request.truth.name, "column": request.column},
        "device": device.type,
        "identity": setup.supernet(0).identity(truth.archs.tolist(), truth.values.tolist()),
    }
    # Whatever the supernet refuses is said before anything is written.
    supernet = make_supernet(setup.supernet(0))
    step_options(config.supernet, 1)
    RunDirectory.open(run.path, content, resume=request.resume)
    sampler = make_sampler(space, config.supernet.sampler, BudgetConfig())
    workers = min(request.workers or (1 if device.type == "cuda" else cores()), config.ranking.supernets)
    observer.say(
        f"data: {dataset.name}, {len(dataset.train)} training and {len(dataset.validation)} validation images of"
        f" {dataset.image_size} pixels, {len(dataset.classes)} classes"
    )
    observer.say(
        f"ranking: {len(truth.archs)} architectures of {space.name} by {config.ranking.supernets} supernets of"
        f" {sum(p.numel() for p in supernet.parameters())} parameters, sharing {config.supernet.sharing.kind}, sampling"
        f" {describe_sampler(sampler)}; truth {request.column} of {request.truth}"
    )
    if not run.result.exists():
        expected = forecast_seconds(setup, supernet, workers)
        observer.say(f"forecast: about {format_duration(expected)} with {workers} workers of {config.threads} threads")
    return setup, workers


def _space(request: RankRequest, values: dict[str, Any], table: Path, dataset: Dataset, observer: Observer) -> Space:
    """Make the space with the arguments of the user, else the preset's or those of the build that wrote the table.

    The preset's are taken where it has some for this space and they make the decisions of the table; a supernet may be
    narrower than the networks. What a supernet has otherwise than its ``final`` is never taken from the table.
    """
    presets = values.get("spaces") or {}
    given = given_arguments(values.get("space", {}))
    space = fitted_space(request.space, given, presets, dataset)
    description = space_beside(table)
    said = _said(request).get("spaces") or {}
    if given or request.space in said or description is None or description.get("class") != describe(space)["class"]:
        return space
    built = rebuild(description)
    if request.space in presets and built.decisions == space.decisions:
        return space
    networks = space.final().arguments()
    kept = {key: value for key, value in space.arguments().items() if networks[key] != value}
    shape = ("image_size", "classes", "in_channels")
    arguments = {key: value for key, value in {**built.arguments(), **kept}.items() if key not in shape}
    observer.say(f"note: space {request.space} has the arguments of the build of {table}")
    return fitted_space(request.space, arguments, {}, dataset)


def _truth(table: Path, column: str, space: Space, config: RankingConfig) -> Truth:
    """Read the truth; where its architectures are of another space, say what to do."""
    try:
        return Truth.read(table, column, space, config.ranking, Streams(config.seed))
    except DataError as error:
        if not isinstance(error.__cause__, ArchitectureError):
            raise
        raise DataError(
            f"{table}: {error}; if the table is of another {space.name}, give its arguments by --set"
            " space.arguments={...}"
        ) from error


def _said(request: RankRequest) -> dict[str, Any]:
    """Merge configuration file, options and assignments."""
    values: dict[str, Any] = {} if request.config is None else read_config(request.config)
    if isinstance(values.get("data"), str):
        values = {"source": values.pop("data"), **values}
    ranking = {
        "supernets": request.supernets,
        "architectures": request.architectures,
        "evaluators": request.evaluators or None,
        "rivals": request.rivals or None,
        "good": request.good,
    }
    supernet: dict[str, Any] = {}
    if request.sampler is not None:
        supernet["sampler"] = {"kind": request.sampler}
    if request.sharing is not None:
        supernet["sharing"] = {"kind": request.sharing}
    if request.epochs is not None:
        supernet["recipe"] = {"epochs": request.epochs}
    options: dict[str, Any] = {
        "source": request.data,
        "seed": request.seed,
        "supernet": supernet or None,
        "ranking": {key: value for key, value in ranking.items() if value is not None} or None,
    }
    values = merge(values, {key: value for key, value in options.items() if value is not None})
    for text in request.assignments:
        values = merge(values, assignment(text))
    return values
