"""From what ``trueshot truth build`` was asked for to a build that is ready to start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from trueshot.cli.early import truth_config
from trueshot.cli.values import Said, fitted_space, let_workers_import, loaded, worker_count
from trueshot.core.errors import ConfigError, DataError, RunError
from trueshot.core.executor import cores, make_executor
from trueshot.core.files import write_json
from trueshot.core.fingerprint import fingerprint
from trueshot.core.observe import Observer
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.core.tables import read_table
from trueshot.core.units import format_duration
from trueshot.evaluation.truth import rows_of
from trueshot.spaces import Space
from trueshot.spaces.description import describe
from trueshot.strategies.presets import merge, read_preset
from trueshot.strategies.setup import Context, choose_device, environment
from trueshot.strategies.truth.build import Training, TruthBuild, choose_architectures, share_decoders

TABLE = "truth.parquet"
"""The table in the directory of a build."""

_DEFAULT_N = 50


@dataclass(frozen=True, kw_only=True)
class TruthRequest:
    """The options of ``trueshot truth build`` that are no values of its configuration.

    Attributes:
        said: values, the source of the images and the space among them.
        table: where the table is written.
        work: directory that holds the trainings.
    """

    said: Said
    table: Path
    work: Path
    n: int | None
    seeds: int
    archs: Path | None
    epochs: int | None
    workers: int | None
    executor: str
    ray: str | None
    preset: str | None
    device: str | None
    resume: bool


def prepare(request: TruthRequest, observer: Observer) -> tuple[TruthBuild, list[Training]]:
    """Load the data, settle the configuration, choose the architectures, open the directory, print the forecast.

    A value is taken from, in this order: ``--set``, the other options, the preset. Whatever is wrong is said before
    anything is written.

    Returns:
        The build, and its trainings (all architectures under the first seed, then under the next).
    """
    run, said = RunDirectory(request.work), request.said
    if request.table.exists() and not run.config_path.exists():
        raise RunError(f"{request.table} exists and trueshot did not build it: choose another --out")
    device = choose_device(request.device)
    workers = worker_count(request.workers, device.type, request.executor)
    dataset, data, preset = loaded(said, device.type, preset=request.preset)
    dataset = share_decoders(dataset, workers or cores())
    for note in dataset.notes:
        observer.say(f"note: {note}")
    config = truth_config(said, preset, request.epochs).replace(data=data)
    name, given = said.space
    space = fitted_space(name or "", given, merge(read_preset(preset).get("spaces", {}), said.spaces), dataset).final()
    let_workers_import(space)
    context = Context(
        space=space,
        dataset=dataset,
        run=run,
        device=device,
        seed=config.seed,
        save_every=config.save_every,
        data=data,
        observer=observer,
        executor=make_executor(request.executor, workers, request.ray),
    )
    setup = TruthBuild(config=config, context=context)
    rows = _architectures(request, setup)
    texts = [space.format(row) for row in rows]
    trainings = [Training(text, config.seed + repeat) for repeat in range(request.seeds) for text in texts]
    _open(setup, request, preset, texts)
    _announce(setup, trainings, texts, request.seeds, preset)
    return setup, trainings


def _announce(setup: TruthBuild, trainings: list[Training], texts: list[str], seeds: int, preset: str) -> None:
    context, say = setup.context, setup.context.observer.say
    dataset = context.images
    say(
        f"data: {dataset.name}, {len(dataset.train)} training, {len(dataset.validation)} validation and"
        f" {dataset.test_size} test images of {dataset.image_size} pixels, {len(dataset.classes)} classes"
    )
    todo = [training for training in trainings if not setup.record(training).exists()]
    say(
        f"truth: {len(texts)} architectures of {context.space.name}, {seeds} seeds, {setup.steps} steps each; preset"
        f" {preset}; {len(trainings) - len(todo)} of {len(trainings)} trainings done before"
    )
    if todo:
        workers = min(context.executor.workers or len(todo), len(todo))
        say(
            f"forecast: about {format_duration(setup.forecast_seconds(todo))} for {len(todo)} trainings on"
            f" {context.device.type}; workers: {workers}, threads of each: {setup.config.threads}"
        )


def space_beside(table: Path) -> dict[str, Any] | None:
    """Return the description of the space that a table was built of; ``None`` where no build lies beside the table."""
    folders = [table.with_suffix(".work")] + ([table.parent] if table.name == TABLE else [])
    for run in map(RunDirectory, folders):
        if run.config_path.is_file() and run.config.get("command") == "truth build":
            description: dict[str, Any] = run.config["space"]
            return description
    return None


def _architectures(request: TruthRequest, setup: TruthBuild) -> UInt8[np.ndarray, "n decisions"]:
    """Return the architectures to train."""
    config, space = setup.config, setup.context.space
    if request.archs is not None:
        if "sampler" in request.said.values:
            raise ConfigError("--archs says which architectures, and so does --sampler: give one of them")
        return _read(request.archs, space, request.n)
    sampler = config.sampler.build(setup.context)
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


def _open(setup: TruthBuild, request: TruthRequest, preset: str, texts: list[str]) -> None:
    """Open the directory; a build of other settings is refused, one of other architectures needs ``--resume``."""
    run, config = setup.context.run, setup.config
    whole = config.whole()
    content = {
        "command": "truth build",
        "source": request.said.source,
        "space": describe(setup.context.space),
        "training": {key: whole[key] for key in ("threads", "data", "retraining")},
        "device": setup.context.device.type,
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
        more = {"chosen": chosen, "preset": preset, "environment": environment(setup.context.device)}
        write_json(run.config_path, {**content, **more})
