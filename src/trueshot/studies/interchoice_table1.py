"""Inter-choice weights, Table 1: what bias, split weights and attention add to the time and memory of training."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from trueshot.core.files import read_json, write_json
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.criteria.bootstrap import Interval
from trueshot.evaluation.fingerprint import fingerprint
from trueshot.sampling import Uniform
from trueshot.spaces import Chain, NasBench201, Space
from trueshot.spaces.description import describe
from trueshot.strategies.setup import environment
from trueshot.studies import interchoice as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.cost import supernet_seconds
from trueshot.studies.images import Images
from trueshot.studies.interchoice_steps import BASELINE, SHARINGS, measure_steps
from trueshot.studies.result import Estimate, Part, Row, Scale, StudyResult
from trueshot.training.data.augment import Augmentation
from trueshot.training.recipe import Recipe

NAME = "interchoice-table1"
TITLE = "Inter-choice weights, Table 1: time and memory that they add to training"
FOLDER = shared.FOLDER


@dataclass(frozen=True, kw_only=True)
class _Published:
    """A column of the table: per cent of time added and per cent of a GPU's memory; for splits by their epoch."""

    epochs: int
    time: Mapping[str, float]
    memory: Mapping[str, float]


_PAPER: Mapping[str, _Published] = MappingProxyType(
    {
        "all operations": _Published(
            epochs=250,
            time={"bias D=1": 24, "bias D=2": 25, "bias D=3": 32, "125": 21, "175": 13, "200": 14},
            memory={"baseline": 15.8, "bias D=1": 17.4, "bias D=2": 17.4, "bias D=3": 17.7, "split": 15.9},
        ),
        "no Zero": _Published(
            epochs=250,
            time={"bias D=1": 18, "bias D=2": 26, "bias D=3": 38, "125": 10, "175": 8, "200": 6},
            memory={"baseline": 16.0, "bias D=1": 17.4, "bias D=2": 17.4, "bias D=3": 17.5, "split": 16.0},
        ),
        "only convolutions": _Published(
            epochs=250,
            time={"bias D=1": 18, "bias D=2": 27, "bias D=3": 34, "125": 3, "175": 1, "200": 1},
            memory={"baseline": 16.6, "bias D=1": 17.7, "bias D=2": 17.7, "bias D=3": 17.8, "split": 16.7},
        ),
        "chain": _Published(epochs=600, time={"bias D=1": 1, "400": 1, "500": 1}, memory={}),
    }
)


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """What is timed at one scale.

    Attributes:
        cells: NAS-Bench-201 by the name of its column, with ``batch`` images in a step.
        chain: the last column, with ``chain_batch``.
        archs: architectures timed.
        repeats: of each step.
    """

    cells: Mapping[str, Space]
    batch: int
    chain: Chain
    chain_batch: int
    archs: int
    repeats: int

    @property
    def columns(self) -> list[tuple[str, Space, int]]:
        """Name, space and images in a step of each column."""
        cells = [(name, space, self.batch) for name, space in self.cells.items()]
        return [*cells, ("chain", self.chain, self.chain_batch)]


def _cells(**arguments: Any) -> dict[str, Space]:
    fixed: dict[str, Any] = {"affine": False, "skip": "linear_transformer"}
    return {told: NasBench201(sub_space=name, **fixed, **arguments) for name, told in shared.SPACES.items()}


_SMALL = Chain(
    image_size=16,
    classes=10,
    layers=((8, 2), (8, 1), (12, 1)),
    stem_width=8,
    fixed_width=8,
    head_width=16,
    kernels=(3,),
)

_SETTINGS: Mapping[Scale, _Setting] = MappingProxyType(
    {
        Scale.SMOKE: _Setting(
            cells=_cells(image_size=8, channels=2, cells=1), batch=2, chain=_SMALL, chain_batch=2, archs=2, repeats=1
        ),
        Scale.CPU: _Setting(
            cells=_cells(cells=2), batch=32, chain=Chain(classes=100), chain_batch=16, archs=16, repeats=3
        ),
        Scale.PAPER: _Setting(
            cells=_cells(cells=2), batch=256, chain=Chain(classes=100), chain_batch=128, archs=100, repeats=4
        ),
    }
)


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Time the steps in each space; ``data`` plays no part."""
    started, setting = time.monotonic(), _SETTINGS[scale]
    rows: list[Row] = []
    details: dict[str, Any] = {}
    spent = 0.0
    for name, space, batch in setting.columns:
        record = _record(name, space, batch, setting, out, device, seed, observer)
        spent += record["seconds"]
        details[name] = {kind: record[kind] for kind in ("wall", "cpu", "params", "peak")}
        rows += _time_rows(name, record, seed) + _memory_rows(name, record)
    data_told = {"name": "random pixels", "train": setting.batch, "validation": 0, "test": 0}
    sizes = {"image_size": [space.image_size for _, space, _ in setting.columns]}
    return StudyResult(
        study=NAME,
        title=TITLE,
        scale=scale,
        rows=tuple(rows),
        notes=_notes(setting, device),
        data={**data_told, **sizes},
        seed=seed,
        seconds=time.monotonic() - started,
        trained_seconds=spent,
        environment=environment(device),
        estimate=estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None,
        details=details,
    )


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps; each kind taken to cost what the baseline does."""
    setting = _SETTINGS[scale]
    parts = []
    for name, space, batch in setting.columns:
        images = Images(
            source="random",
            side=space.image_size,
            channels=space.in_channels,
            classes=space.classes,
            train=batch,
            validation=0,
            test=0,
            augmentation=Augmentation(),
        )
        recipe = Recipe(epochs=1, batch_size=batch)
        each = supernet_seconds(space, Uniform(space), images, recipe, device)
        steps = len(SHARINGS) * setting.archs * (setting.repeats + 1)
        parts.append(Part(what=f"{steps} steps, {name}", units=steps * batch, unit="image", seconds=each))
    return sum_up(scale, device, *parts)


def _notes(setting: _Setting, device: torch.device) -> tuple[str, ...]:
    return (
        f"Steps of {setting.batch} images (chain: {setting.chain_batch} at {setting.chain.image_size} pixels) over"
        f" {setting.archs} architectures, least of {setting.repeats} repetitions; the summed times are compared, which"
        " is what an epoch takes. Paper: whole trainings on a GTX 1080 Ti, batch 256 (chain: FairNAS at 224 pixels,"
        " batch 128).",
        "A split adds its overhead only after its epoch: the share of the training that is left times what was measured"
        " after the split. All its sets are real weights here, with a momentum of their own; the paper keeps those not"
        " in use in main memory.",
        "The paper's text says of the shared bias that it takes 38 to 128 % more time, of attention that it is much"
        " slower.",
        *([] if device.type == "cuda" else ["Memory of a step is measured on a GPU only."]),
    )


def _record(
    name: str,
    space: Space,
    batch: int,
    setting: _Setting,
    out: Path,
    device: torch.device,
    seed: int,
    observer: Observer,
) -> dict[str, Any]:
    """Return the times in one space, from the directory where they were taken before."""
    sizes = (batch, setting.archs, setting.repeats, seed, tuple(SHARINGS))
    identity = fingerprint("step times 2", repr(describe(space)), repr(sizes), repr(environment(device)))
    path = out / "records" / f"steps-{name.replace(' ', '-').lower()}-{identity[:12]}.json"
    if not path.exists():
        record = measure_steps(
            name,
            space,
            batch=batch,
            archs=setting.archs,
            repeats=setting.repeats,
            device=device,
            streams=Streams(seed),
            observer=observer,
        )
        write_json(path, record)
    return read_json(path)


def _added(record: Mapping[str, Any], kind: str, clock: str, seed: int) -> tuple[float, Interval]:
    """Return the time added in per cent, with a 95 % bootstrap interval over architectures."""
    ours, plain = np.array(record[clock][kind]), np.array(record[clock][BASELINE])
    drawn = Streams(seed).numpy("bootstrap").integers(len(ours), size=(2000, len(ours)))
    low, high = np.percentile(100 * (ours[drawn].sum(axis=1) / plain[drawn].sum(axis=1) - 1), (2.5, 97.5))
    return float(100 * (ours.sum() / plain.sum() - 1)), Interval(float(low), float(high))


def _time_rows(name: str, record: Mapping[str, Any], seed: int) -> list[Row]:
    published = _PAPER[name]
    steps = record["wall"][BASELINE]
    rows = [Row(what=f"{name}, baseline", metric="step (ms)", values=tuple(1e3 * second for second in steps))]
    for kind in SHARINGS:
        if kind == BASELINE:
            continue
        (added, interval), (on_cpu, _) = (_added(record, kind, clock, seed) for clock in ("wall", "cpu"))
        epochs = [key for key in published.time if key.isdigit()] if kind == "split" else []
        shares = {f"split at {key}": (1 - int(key) / published.epochs, published.time[key]) for key in epochs}
        told = {(f"{kind}, after it" if shares else kind): (1.0, published.time.get(kind)), **shares}
        rows += [
            Row(
                what=f"{name}, {label}",
                metric="time added (%)",
                paper=paper,
                values=(share * added,),
                interval=Interval(share * interval.low, share * interval.high),
                note=f"{share * on_cpu:+.1f} of processor time; interval over {len(steps)} architectures",
                figures={"processor_time_added": share * on_cpu},
            )
            for label, (share, paper) in told.items()
        ]
    return rows


def _memory_rows(name: str, record: Mapping[str, Any]) -> list[Row]:
    rows, memory = [], _PAPER[name].memory
    params, peak = record["params"], record["peak"]
    for kind in SHARINGS:
        if kind == BASELINE:
            continue
        more = params[kind] - params[BASELINE]
        rows.append(
            Row(
                what=f"{name}, {kind}",
                metric="parameters added (%)",
                values=(100.0 * more / params[BASELINE],),
                note=f"{more:,} to {params['baseline']:,}",
            )
        )
        if peak:
            paper = 100 * (memory[kind] / memory[BASELINE] - 1) if kind in memory else None
            values = (100.0 * (peak[kind] / peak[BASELINE] - 1),)
            rows.append(Row(what=f"{name}, {kind}", metric="memory of a step added (%)", paper=paper, values=values))
    return rows
