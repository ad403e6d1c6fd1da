"""From what ``trueshot truth build`` was asked for to a build that is ready to start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from trueshot.cli.fitting import cores, fitted_space, given_arguments, let_workers_import
from trueshot.core.errors import ConfigError, DataError, RunError
from trueshot.core.files import write_json
from trueshot.core.observe import Observer
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.core.tables import read_table
from trueshot.core.units import format_duration
from trueshot.evaluation.fingerprint import fingerprint
from trueshot.evaluation.truth import rows_of
from trueshot.spaces import Space
from trueshot.spaces.description import describe
from trueshot.strategies.config import BudgetConfig
from trueshot.strategies.presets import assignment, choose_preset, merge, read_preset
from trueshot.strategies.setup import choose_device, environment, load_dataset
from trueshot.strategies.truth import forecast_seconds
from trueshot.strategies.truth_setup import (
    Training,
    TruthConfig,
    TruthSetup,
    choose_architectures,
    share_decoders,
    with_epochs,
)
from trueshot.strategies.weights import make_sampler

TABLE = "truth.parquet"
"""The table in the directory of a build."""

_DEFAULT_N = 50
_MINIMAL = {"recipe": {"epochs": 1}}


@dataclass(frozen=True, kw_only=True)
class TruthRequest:
    """The options of ``trueshot truth build`` as given; ``None`` where nothing was said.

    Attributes:
        table: where the table is written.
        work: directory that holds the trainings.
    """

    space: str
    data: str
    table: Path
    work: Path
    n: int | None
    seeds: int
    archs: Path | None
    sampler: str | None
    epochs: int | None
    workers: int | None
    threads: int | None
    preset: str | None
    device: str | None
    seed: int | None
    max_bad_images: int | None
    resume: bool
    assignments: tuple[str, ...] = ()


def prepare(request: TruthRequest, observer: Observer) -> tuple[TruthSetup, list[Training], int]:
    """Load the data, settle the configuration, choose the architectures, open the directory, print the forecast.

    A value is taken from, in this order: ``--set``, the other options, the preset. Whatever is wrong is said before
    anything is written.

    Returns:
        The build, its trainings (all architectures under the first seed, then under the next) and the workers.
    """
    run = RunDirectory(request.work)
    if request.table.exists() and not run.config_path.exists():
        raise RunError(f"{request.table} exists and trueshot did not build it: choose another --out")
    device = choose_device(request.device)
    said = _said(request)
    space_values = said.pop("space", {})
    workers = request.workers or (1 if device.type == "cuda" else cores())
    # Checked before images are read, which can take long.
    options = TruthConfig.make({"data": said.get("data", {}), "retraining": _MINIMAL}).data
    dataset = share_decoders(load_dataset(request.data, options), workers)
    for note in dataset.notes:
        observer.say(f"note: {note}")
    preset = request.preset or choose_preset(dataset.image_size, device.type)
    config = _config(read_preset(preset), said, request)
    presets = read_preset(preset).get("spaces", {})
    space = fitted_space(request.space, given_arguments(space_values), presets, dataset).final()
    let_workers_import(space)
    setup = TruthSetup(config=config, space=space, dataset=dataset, run=run, device=device)
    rows = _architectures(request, setup)
    texts = [space.format(row) for row in rows]
    trainings = [Training(text, config.seed + repeat) for repeat in range(request.seeds) for text in texts]
    _open(setup, request, preset, texts)
    observer.say(
        f"data: {dataset.name}, {len(dataset.train)} training, {len(dataset.validation)} validation and"
        f" {dataset.test_size} test images of {dataset.image_size} pixels, {len(dataset.classes)} classes"
    )
    todo = [training for training in trainings if not setup.record(training).exists()]
    observer.say(
        f"truth: {len(texts)} architectures of {space.name}, {request.seeds} seeds, {setup.steps} steps each; preset"
        f" {preset}; {len(trainings) - len(todo)} of {len(trainings)} trainings done before"
    )
    if todo:
        expected = forecast_seconds(setup, todo, workers)
        observer.say(
            f"forecast: about {format_duration(expected)} for {len(todo)} trainings on {device.type};"
            f" workers: {min(workers, len(todo))}, threads of each: {config.threads}"
        )
    return setup, trainings, workers


def space_beside(table: Path) -> dict[str, Any] | None:
    """Return the description of the space that a table was built of; ``None`` where no build lies beside the table."""
    folders = [table.with_suffix(".work")] + ([table.parent] if table.name == TABLE else [])
    for run in map(RunDirectory, folders):
        if run.config_path.is_file() and run.config.get("command") == "truth build":
            description: dict[str, Any] = run.config["space"]
            return description
    return None


def _said(request: TruthRequest) -> dict[str, Any]:
    """Merge options and assignments."""
    values: dict[str, Any] = {}
    if request.seed is not None:
        values["seed"] = request.seed
    if request.threads is not None:
        values["threads"] = request.threads
    if request.sampler is not None:
        values["sampler"] = {"kind": request.sampler}
    if request.max_bad_images is not None:
        values["data"] = {"max_bad_images": request.max_bad_images}
    for text in request.assignments:
        values = merge(values, assignment(text))
    return values


def _config(preset: dict[str, Any], said: dict[str, Any], request: TruthRequest) -> TruthConfig:
    chosen = preset["retraining"]
    below = {
        "data": preset.get("data", {}),
        "sampler": {"kind": "uniform"},
        "retraining": {key: chosen[key] for key in ("recipe", "augmentation") if key in chosen},
    }
    config = TruthConfig.make(merge(below, said))
    if request.epochs is None:
        return config
    training = config.retraining
    recipe = with_epochs(training.recipe, request.epochs)
    return config.model_copy(update={"retraining": training.model_copy(update={"recipe": recipe})})


def _architectures(request: TruthRequest, setup: TruthSetup) -> UInt8[np.ndarray, "n decisions"]:
    """Return the architectures to train."""
    config, space = setup.config, setup.space
    if request.archs is not None:
        if request.sampler is not None:
            raise ConfigError("--archs says which architectures, and so does --sampler: give one of them")
        return _read(request.archs, space, request.n)
    sampler = make_sampler(space, config.sampler, BudgetConfig())
    return choose_architectures(sampler, space, request.n or _DEFAULT_N, Streams(config.seed))


def _read(path: Path, space: Space, n: int | None) -> UInt8[np.ndarray, "n decisions"]:
    """Read the first ``n`` architectures of a file, or all."""
    table = read_table(path, ("arch",))
    if not len(table):
        raise DataError(f"{path} has no architectures")
    if n is not None and n > len(table):
        raise DataError(f"--n {n}: {path} has only {len(table)} architectures: ask for fewer")
    try:
        return rows_of([str(text) for text in table["arch"]], space)[:n]
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _open(setup: TruthSetup, request: TruthRequest, preset: str, texts: list[str]) -> None:
    """Open the directory; a build of other settings is refused, one of other architectures needs ``--resume``."""
    run, config = setup.run, setup.config
    content = {
        "command": "truth build",
        "source": request.data,
        "space": describe(setup.space),
        "training": config.model_dump(mode="json", include={"threads", "data", "retraining"}),
        "device": setup.device.type,
        "settings": setup.settings,
    }
    chosen = {"n": len(texts), "seeds": request.seeds, "seed": config.seed, "architectures": fingerprint(texts)}
    stored = run.stored(content, resume=True)
    if stored is not None and stored.get("chosen") != chosen and not request.resume:
        before = stored.get("chosen", {})
        raise RunError(
            f"{run.path} holds a build of {before.get('n')} architectures under {before.get('seeds')} seeds, other than"
            " these: add --resume to take up its trainings for them, or choose another --out"
        )
    if stored is None or stored.get("chosen") != chosen:
        more = {"chosen": chosen, "preset": preset, "environment": environment(setup.device)}
        write_json(run.config_path, {**content, **more})
