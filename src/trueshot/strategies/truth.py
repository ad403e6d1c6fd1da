"""Ground truth of one's own: architectures of any space, each trained stand-alone on real images by one recipe.

It is how the inter-choice paper made its truth on SubImageNet (50 random architectures, each trained twice).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import torch

from trueshot.core.errors import TrainingError
from trueshot.core.files import read_json, replacing, write_json
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.evaluation.accuracy import measure
from trueshot.evaluation.truth import Measurement, TruthTable
from trueshot.strategies.crew import Tell, run_jobs
from trueshot.strategies.truth_setup import Training, TruthSetup
from trueshot.training.loop import Plan
from trueshot.training.standalone import build, train_network

PARTS = ("valid", "test", "train")
"""The images an architecture is measured on, as the columns of the table call them."""

_TIMED_NETWORKS, _TIMED_STEPS = 3, 4


def train_one(setup: TruthSetup, job: Training, tell: Tell) -> dict[str, Any]:
    """Train one architecture, going on from its checkpoint, measure it and record the results.

    Weights are drawn as by :class:`~trueshot.evaluation.StandAlone`.

    Returns:
        ``arch``, ``seed``, ``epochs``; accuracies in percent ``valid``, ``test`` and ``train`` (the latter of the last
        epoch's augmented batches, as NATS-Bench has it); losses in nats ``valid_loss``, ``test_loss``, ``train_loss``;
        ``params``, ``madds``, ``steps`` and ``seconds``.

    Raises:
        TrainingError: naming the architecture, when the loss is not finite.
    """
    path, config = setup.record(job), setup.config
    row = setup.space.parse(job.arch)
    checkpoint = setup.run.checkpoint(path.stem)
    streams = Streams(job.seed).child("trial", *map(int, row))
    network = build(partial(setup.space.network, row), streams, setup.device)
    plan = Plan(
        phase="truth",
        steps=setup.steps,
        checkpoint=checkpoint,
        identity=path.stem,
        save_every=config.save_every,
    )
    try:
        trained, history = train_network(
            network, setup.batches(job.seed), config.retraining.recipe, streams, plan=plan, observer=_Teller(tell)
        )
        classes = len(setup.dataset.classes)
        results = {part: measure(trained, batches, classes) for part, batches in setup.measured.items()}
    except TrainingError as error:
        raise TrainingError(f"architecture '{job.arch}', seed {job.seed}: {error}") from error
    cost = setup.space.cost(row[None])
    last = history[-1]
    content = {
        "arch": job.arch,
        "seed": job.seed,
        "epochs": config.retraining.recipe.epochs,
        **{part: 100.0 * result.top1 for part, result in results.items()},
        "train": 100.0 * last["accuracy"],
        **{f"{part}_loss": result.loss for part, result in results.items()},
        "train_loss": last["loss"],
        "params": int(cost.params[0]),
        "madds": int(cost.madds[0]),
        "steps": setup.steps,
        "seconds": last["seconds"],
    }
    write_json(path, content)
    # Only now: a kill between measuring and recording finds the trained weights again.
    checkpoint.unlink(missing_ok=True)
    return content


@dataclass(frozen=True)
class _Teller:
    """Passes on how many steps are done."""

    tell: Tell

    def begin(self, phase: str, total: int, done: int, unit: str) -> None:
        self.tell(done)

    def advance(self, phase: str, done: int) -> None:
        self.tell(done)

    def record(self, phase: str, step: int, row: dict[str, Any]) -> None:
        pass

    def end(self, phase: str) -> None:
        pass

    def say(self, message: str) -> None:
        pass


def forecast_seconds(setup: TruthSetup, todo: Sequence[Training], workers: int) -> float:
    """Return the expected seconds of the trainings left, from a few measured steps of some of them."""
    if not todo:
        return 0.0
    threads = torch.get_num_threads()
    torch.set_num_threads(setup.config.threads)
    batches, recipe = setup.batches(0), setup.config.retraining.recipe
    seconds = []
    for job in todo[:_TIMED_NETWORKS]:
        network = build(partial(setup.space.network, setup.space.parse(job.arch)), Streams(0), setup.device)
        for steps in (1, _TIMED_STEPS):  # the first step warms up
            start = time.perf_counter()
            train_network(network, batches, recipe, Streams(0), plan=Plan(phase="forecast", steps=steps))
        seconds.append((time.perf_counter() - start) / _TIMED_STEPS)
    torch.set_num_threads(threads)
    rounds = -(-len(todo) // min(workers, len(todo)))
    return median(seconds) * setup.steps * rounds


def build_truth(
    setup: TruthSetup,
    trainings: Sequence[Training],
    *,
    workers: int = 1,
    observer: Observer = SILENT,
    method: str | None = None,
) -> TruthTable:
    """Train what was not trained before, and return the table of all.

    The values depend on neither the number of workers nor on kills.

    Args:
        setup: the build.
        trainings: architectures and seeds, which are the rows of the table in this order.
        workers: processes that train at the same time.
        observer: told of the progress in optimizer steps.
        method: how processes are started, see :func:`~trueshot.strategies.crew.start_method`.

    Raises:
        TrueshotError: the first that a training raised; what was finished is kept.
    """
    todo = [training for training in trainings if not setup.record(training).exists()]
    total, before = len(trainings) * setup.steps, (len(trainings) - len(todo)) * setup.steps
    done = [0] * len(todo)
    observer.begin("truth", total, before, "step")

    def progress(index: int, steps: int) -> None:
        done[index] = steps
        observer.advance("truth", before + sum(done))

    def result(index: int, content: dict[str, Any]) -> None:
        progress(index, setup.steps)
        figures = {"trainings": (before + sum(done)) // setup.steps, "of": len(trainings), "test": content["test"]}
        observer.record("truth", before + sum(done), figures)

    if todo:
        # Decoded here once, so that workers find them in memory.
        _ = setup.dataset.test
        run_jobs(
            partial(train_one, setup),
            todo,
            workers=workers,
            threads=setup.config.threads,
            on_progress=progress,
            on_result=result,
            method=method,
        )
    observer.end("truth")
    records = [read_json(setup.record(training)) for training in trainings]
    _write_trainings(setup.run.path / "trainings.parquet", records)
    return TruthTable.of(_measurements(setup.dataset.name, records))


def _measurements(name: str, records: Sequence[dict[str, Any]]) -> list[Measurement]:
    return [
        Measurement(record["arch"], f"{name}_{part}", record["epochs"], record["seed"], record[part])
        for record in records
        for part in PARTS
    ]


def _write_trainings(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Write everything known of each training, a row each."""
    rows = [{key: value for key, value in record.items() if key != "version"} for record in records]
    with replacing(path) as temporary:
        pd.DataFrame(rows).to_parquet(temporary, index=False)
