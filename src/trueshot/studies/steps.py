"""Studies of what training steps take: supernets of several conditions take turns on the same architectures.

What else runs on a machine only ever adds to a time, hence the least of several is kept. Processor time is disturbed
less by others than time on the wall. The pixels are random: they make no difference to the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from trueshot.core.files import read_json, write_json
from trueshot.core.fingerprint import fingerprint
from trueshot.evaluation.timing import waiting_for
from trueshot.sampling import Uniform
from trueshot.spaces.counting import count_params
from trueshot.strategies.setup import environment, threads
from trueshot.studies.plan import Need
from trueshot.studies.rates import planned_supernet, stand_in, step_rate
from trueshot.studies.record import Scale
from trueshot.studies.session import Session
from trueshot.studies.setting import Extent, Kind, layered, read
from trueshot.training.classification import Loss
from trueshot.training.optimizers import make_optimizer
from trueshot.training.supernet import StepOptions, SupernetTask
from trueshot.training.task import TRAIN

CLOCKS = ("wall", "cpu")


@dataclass(frozen=True, kw_only=True, eq=False)
class Timed:
    """What was measured: the material of an analysis.

    Attributes:
        records: by panel: ``wall`` and ``cpu``, by condition the least seconds of a step for each architecture;
            ``params``, weights of the supernet; ``peak``, bytes of a step with its weights, on a GPU only; ``seconds``
            of all.
        data: what was trained on.
    """

    records: Mapping[str, Mapping[str, Any]]
    data: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return float(sum(record["seconds"] for record in self.records.values()))

    def added(self, panel: str, condition: str, than: str, clock: str = "wall") -> Float64[np.ndarray, " n"]:
        """Return what each architecture's step takes more, in percent of the mean step of ``than``.

        Their mean is what an epoch takes more.
        """
        more, less = (np.array(self.records[panel][clock][name]) for name in (condition, than))
        return np.asarray(100.0 * (more - less) / less.mean(), dtype=np.float64)

    def table(self) -> pd.DataFrame:
        """Return a row for each panel and architecture, with the seconds of every condition."""
        tables = {
            panel: pd.DataFrame({f"{name}/{clock}": record[clock][name] for clock in CLOCKS for name in record[clock]})
            for panel, record in self.records.items()
        }
        return pd.concat(tables, names=["panel", "architecture"]).reset_index()


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Steps of supernets of several conditions in several spaces.

    Attributes:
        scales: settings of each scale, as for rankings; ``archs.count`` architectures, and ``seeds`` repetitions of
            each step; under ``panels`` what differs between the spaces.
        conditions: what differs between the supernets of a space.
    """

    scales: Mapping[Scale, Mapping[str, Any]]
    conditions: Mapping[str, Mapping[str, Any]]

    def settings(self, session: Session, scale: Scale) -> dict[str, tuple[Extent, dict[str, Kind]]]:
        """Return how much is run and the kinds of supernets, by panel."""
        values = layered(self.scales[scale], {"scores": {}})
        found = {}
        for panel, changes in values.pop("panels").items():
            read_ = {name: read(layered(values, changes, own), session.names) for name, own in self.conditions.items()}
            found[panel] = next(iter(read_.values()))[1], {name: kind for name, (kind, _) in read_.items()}
        return found

    def repetitions(self, session: Session, scale: Scale) -> int:
        """Return the number of architectures."""
        return _count(next(iter(self.settings(session, scale).values()))[0])

    def known(self, session: Session, scale: Scale) -> None:
        """Times of other architectures are not known before they are measured."""

    def needs(self, session: Session, scale: Scale) -> list[Need]:
        """Return the steps of each condition."""
        return [
            Need(
                key=fingerprint("steps", kind.identity, extent.plain()),
                seed=session.seed,
                kind=f"steps of {kind.label}",
                what="training",
                seconds=_count(extent) * (extent.seeds + 1) * step_rate(session, kind),
                done=_path(session, panel, extent, kinds).exists(),
            )
            for panel, (extent, kinds) in self.settings(session, scale).items()
            for kind in kinds.values()
        ]

    def gather(self, session: Session, scale: Scale) -> Timed:
        """Time what is missing; images play no part."""
        records, sides = {}, []
        for panel, (extent, kinds) in self.settings(session, scale).items():
            path = _path(session, panel, extent, kinds)
            if not path.exists():
                write_json(path, _measure(session, panel, extent, kinds))
            records[panel] = read_json(path)
            sides.append(next(iter(kinds.values())).size.side)
        return Timed(records=records, data={"name": "random pixels", "image_size": sides})


def _count(extent: Extent) -> int:
    assert extent.archs.count is not None
    return extent.archs.count


def _path(session: Session, panel: str, extent: Extent, kinds: Mapping[str, Kind]) -> Path:
    made = [(name, kind.identity) for name, kind in kinds.items()]
    hardware = sorted(environment(session.device).items())
    identity = fingerprint("steps 1", made, extent.plain(), session.seed, repr(hardware))
    return session.bank.path / "steps" / f"{panel.replace(' ', '-').lower()}-{identity[:16]}.json"


def _measure(session: Session, panel: str, extent: Extent, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    started, device, count = time.monotonic(), session.device, _count(extent)
    first = next(iter(kinds.values()))
    images, labels = stand_in(first, first.supernet.recipe.batch_size, device)
    tasks = {name: _task(session, kind) for name, kind in kinds.items()}
    session.observer.begin(panel, count, 0, "architecture")
    taken = np.empty((count, len(tasks), len(CLOCKS)))
    with threads(1):
        for index in range(count):
            calls = [partial(_step, task, index, images, labels) for task in tasks.values()]
            taken[index] = take_turns(calls, extent.seeds)
            session.observer.advance(panel, index + 1)
        on_gpu = tasks if device.type == "cuda" else {}
        peaks = {name: _peak(task, images, labels) for name, task in on_gpu.items()}
    session.observer.end(panel)
    times = {
        clock: dict(zip(tasks, taken[:, :, column].T.tolist(), strict=True)) for column, clock in enumerate(CLOCKS)
    }
    params = {name: count_params(task.supernet) for name, task in tasks.items()}
    return {**times, "params": params, "peak": peaks, "seconds": time.monotonic() - started}


def _task(session: Session, kind: Kind) -> SupernetTask:
    """Return a training of a supernet, by the same architectures for all kinds; split weights are split at once."""
    supernet, recipe = planned_supernet(session, kind), kind.supernet.recipe
    options = StepOptions(split_at=None if kind.supernet.split_epoch is None else 0)
    sampler, optimizer = Uniform(supernet.space), make_optimizer(supernet, recipe)
    return SupernetTask(supernet, sampler, optimizer, None, Loss(), None, session.streams(), options)


def _step(task: SupernetTask, index: int, images: Tensor, labels: Tensor) -> None:
    task.step(index, {TRAIN: (images, labels)})
    waiting_for(images.device)()


def take_turns(calls: Sequence[Callable[[], None]], repeats: int) -> Float64[np.ndarray, "calls 2"]:
    """Return the least seconds of each call on the wall and on the processor, each call first once off the clock.

    Every round starts with another call.
    """
    for call in calls:
        call()
    best = np.full((len(calls), len(CLOCKS)), np.inf)
    for repeat in range(repeats):
        for position in range(len(calls)):
            number = (position + repeat) % len(calls)
            on_cpu, start = time.process_time(), time.perf_counter()
            calls[number]()
            took = time.perf_counter() - start, time.process_time() - on_cpu
            best[number] = np.minimum(best[number], took)
    return best


def _peak(task: SupernetTask, images: Tensor, labels: Tensor) -> int:
    """Return the most bytes that a step takes beyond what is allocated before it, and all weights of the supernet."""
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    _step(task, 1, images, labels)
    weights = sum(p.numel() * p.element_size() for p in task.supernet.parameters())
    return torch.cuda.max_memory_allocated() - before + weights
