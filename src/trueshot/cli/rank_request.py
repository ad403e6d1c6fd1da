"""From what ``trueshot rank`` was asked for to a ranking that is ready to start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueshot.cli.fitting import cores, fitted_space, given_arguments, let_workers_import
from trueshot.cli.names import shared_file
from trueshot.core.errors import ConfigError
from trueshot.core.observe import Observer
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.core.units import format_duration
from trueshot.spaces.description import describe
from trueshot.strategies.config import BudgetConfig
from trueshot.strategies.presets import assignment, merge, read_config, read_preset
from trueshot.strategies.ranking_forecast import forecast_seconds
from trueshot.strategies.ranking_setup import RankingConfig, RankingSetup, Truth
from trueshot.strategies.setup import choose_device, load_dataset
from trueshot.strategies.sharing import step_options
from trueshot.strategies.weights import describe_sampler, make_sampler, make_supernet

_OUTSIDE = ("source", "preset", "space", "spaces")


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
    values = merge(read_preset(request.preset), _said(request))
    source = values.get("source")
    if not isinstance(source, str):
        raise ConfigError("say what to train on: --data digits, a folder, a Parquet file, cifar10 or subimagenet64")
    config = RankingConfig.make({key: value for key, value in values.items() if key not in _OUTSIDE})
    dataset = load_dataset(source, config.data)
    for note in dataset.notes:
        observer.say(f"note: {note}")
    space = fitted_space(request.space, given_arguments(values.get("space", {})), values.get("spaces", {}), dataset)
    let_workers_import(space)
    truth = Truth.read(shared_file(request.truth), request.column, space, config.ranking, Streams(config.seed))
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
