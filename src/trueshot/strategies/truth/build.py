"""Ground truth of one's own: architectures of any space, each trained stand-alone on real images by one recipe.

It is how the inter-choice paper made its truth on SubImageNet (50 random architectures, each trained twice).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from trueshot.core.errors import ConfigError, TrainingError
from trueshot.core.executor import Failure, Job, Tell
from trueshot.core.files import read_json, replacing, write_json
from trueshot.core.fingerprint import fingerprint
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.evaluation.timing import step_seconds, waiting_for
from trueshot.evaluation.trained import train_and_measure
from trueshot.evaluation.truth import Measurement, TruthTable
from trueshot.sampling import Sampler
from trueshot.spaces import Space
from trueshot.spaces.description import plain
from trueshot.strategies.setup import Context, threads
from trueshot.strategies.supernet import measured_batches
from trueshot.strategies.truth.config import TruthConfig
from trueshot.training.checkpoints import forget_checkpoint
from trueshot.training.classification import Loss
from trueshot.training.data.batches import Batches, EvaluationBatches, train_batches
from trueshot.training.data.dataset import Dataset, EncodedImages, Part
from trueshot.training.optimizers import make_optimizer
from trueshot.training.plan import Plan
from trueshot.training.standalone import NetworkTask, build
from trueshot.training.task import TRAIN

PARTS = ("valid", "test", "train")
"""The images an architecture is measured on, as the columns of the table call them."""

_TIMED_NETWORKS, _TIMED_STEPS = 3, 4
_DOUBLINGS, _FIRST_DRAW = 14, 64


@dataclass(frozen=True)
class Training:
    """One architecture, as its string, under one seed."""

    arch: str
    seed: int


@dataclass(frozen=True)
class Built:
    """What became of a build.

    Attributes:
        table: of the trainings that are done, ``None`` where none is.
        failures: the trainings that failed.
    """

    table: TruthTable | None
    failures: list[Failure]


@dataclass(frozen=True, kw_only=True)
class TruthBuild:
    """One build: its configuration, and the space, images, device and directory that go with it."""

    config: TruthConfig
    context: Context

    @cached_property
    def steps(self) -> int:
        """Optimizer steps of each training."""
        return self.config.retraining.recipe.epochs * self.batches(0).steps_per_epoch

    @cached_property
    def measured(self) -> dict[str, EvaluationBatches]:
        """Validation and test images."""
        images = self.context.images
        parts = {"valid": images.validation, "test": images.test}
        return {name: measured_batches(self.context, part) for name, part in parts.items()}

    def batches(self, seed: int) -> Batches:
        """Return the training batches: the same images in the same order for every architecture of one seed."""
        training = self.config.retraining
        return train_batches(
            self.context.images.train,
            self.context.images,
            batch_size=training.recipe.batch_size,
            augmentation=training.augmentation,
            streams=Streams(seed).child("truth-batches"),
            device=self.context.device,
        )

    @cached_property
    def settings(self) -> str:
        """Fingerprint of all that the values depend on besides architecture and seed."""
        split = self.config.data.replace(max_bad_images=0, workers=None).plain()
        training, threads = self.config.retraining.plain(), self.config.threads
        context = self.context
        digest = context.images.digest
        return fingerprint("truth 3", plain(context.space), digest, split, training, threads, context.device.type)

    def record(self, training: Training) -> Path:
        """Return where the results of a training are kept."""
        name = fingerprint(self.settings, training.arch, training.seed)[:20]
        return self.context.run.path / "trainings" / f"{name}.json"

    def keep(self, training: Training, content: dict[str, Any]) -> None:
        """Write what a training gave, then forget its checkpoint, which a kill in between would need."""
        write_json(self.record(training), content)
        forget_checkpoint(self._checkpoint(training))

    def _checkpoint(self, training: Training) -> Path:
        return self.context.run.checkpoint(self.record(training).stem)

    def build(self, trainings: Sequence[Training], *, observer: Observer = SILENT) -> Built:
        """Train what was not trained before, and return the table of all that is done, and what failed.

        The values depend on neither the number of workers nor on kills.

        Args:
            trainings: architectures and seeds, which are the rows of the table in this order.
            observer: told of the progress in optimizer steps.
        """
        todo = [training for training in trainings if not self.record(training).exists()]
        for training in set(trainings) - set(todo):
            # An earlier attempt may have been killed between the two steps of keep.
            forget_checkpoint(self._checkpoint(training))
        total, before = len(trainings) * self.steps, (len(trainings) - len(todo)) * self.steps
        done = [0] * len(todo)
        observer.begin("truth", total, before, "step")

        def progress(index: int, steps: int) -> None:
            done[index] = steps
            observer.advance("truth", before + sum(done))

        def result(index: int, content: dict[str, Any]) -> None:
            self.keep(todo[index], content)
            progress(index, self.steps)
            figures = {"trainings": (before + sum(done)) // self.steps, "of": len(trainings), "test": content["test"]}
            observer.record("truth", before + sum(done), figures)

        failures: list[Failure] = []
        if todo:
            # Decoded here once, so that workers find them in memory.
            _ = self.context.images.test
            executor = self.context.executor
            share = executor.device_share if self.context.device.type == "cuda" else 0.0
            jobs = [
                Job(training, f"architecture '{training.arch}', seed {training.seed}", self.config.threads, share)
                for training in todo
            ]
            alone = dataclasses.replace(self, context=self.context.alone())
            failures = executor.run(partial(train_one, alone), jobs, on_progress=progress, on_result=result)
        observer.end("truth")
        records = [read_json(path) for path in map(self.record, trainings) if path.exists()]
        if not records:
            return Built(None, failures)
        _write_trainings(self.context.run.path / "trainings.parquet", records)
        return Built(TruthTable.of(_measurements(self.context.images.name, records)), failures)

    def forecast_seconds(self, todo: Sequence[Training]) -> float:
        """Return the expected seconds of the trainings left, from a few measured steps of some of them."""
        if not todo:
            return 0.0
        batches, recipe, space = self.batches(0), self.config.retraining.recipe, self.context.space
        seconds, wait = [], waiting_for(self.context.device)
        with threads(self.config.threads):
            for job in todo[:_TIMED_NETWORKS]:
                network = build(partial(space.network, space.parse(job.arch)), Streams(0), self.context.device)
                task = NetworkTask(network, recipe, make_optimizer(network, recipe), None, Loss(), Streams(0))
                seconds.append(step_seconds(task, {TRAIN: batches}, _TIMED_STEPS, wait=wait))
        workers = self.context.executor.workers or len(todo)
        return median(seconds) * self.steps * -(-len(todo) // min(workers, len(todo)))


def train_one(setup: TruthBuild, job: Training, tell: Tell) -> dict[str, Any]:
    """Train one architecture, going on from its checkpoint, and measure it.

    Weights are drawn as by :class:`~trueshot.evaluation.StandAlone`.

    Returns:
        ``arch``, ``seed``, ``epochs``; accuracies in percent ``valid``, ``test`` and ``train`` (the latter of the last
        epoch's augmented batches, as NATS-Bench has it); losses in nats ``valid_loss``, ``test_loss``, ``train_loss``;
        ``params``, ``madds``, ``steps`` and ``seconds``.

    Raises:
        TrainingError: naming the architecture, when the loss is not finite.
    """
    path, config, context = setup.record(job), setup.config, setup.context
    space = context.space
    row = space.parse(job.arch)
    streams = Streams(job.seed).child("trial", *map(int, row))
    plan = Plan(
        phase="truth",
        steps=setup.steps,
        checkpoint=context.run.checkpoint(path.stem),
        identity=path.stem,
        save_every=config.save_every,
    )
    try:
        trained = train_and_measure(
            build(partial(space.network, row), streams, context.device),
            setup.batches(job.seed),
            config.retraining.recipe,
            streams,
            plan=plan,
            classes=len(context.images.classes),
            measured=setup.measured,
            observer=_Teller(tell),
        )
    except TrainingError as error:
        raise TrainingError(f"architecture '{job.arch}', seed {job.seed}: {error}") from error
    cost, last, results = space.cost(row[None]), trained.epochs[-1], trained.accuracies
    return {
        "arch": job.arch,
        "seed": job.seed,
        "epochs": config.retraining.recipe.epochs,
        **{part: 100.0 * result.top1 for part, result in results.items()},
        "train": 100.0 * float(last["accuracy"]),
        **{f"{part}_loss": result.loss for part, result in results.items()},
        "train_loss": last["loss"],
        "params": int(cost.params[0]),
        "madds": int(cost.madds[0]),
        "steps": setup.steps,
        "seconds": trained.seconds,
    }


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


def share_decoders(dataset: Dataset, workers: int) -> Dataset:
    """Divide the processes that decode large images among workers; how many there are changes no value."""

    def fewer(images: EncodedImages) -> EncodedImages:
        return dataclasses.replace(images, workers=-(-images.workers // workers))

    def shared(part: Part) -> Part:
        images = part.images
        return dataclasses.replace(part, images=fewer(images)) if isinstance(images, EncodedImages) else part

    test = dataset.held_back
    return dataclasses.replace(
        dataset,
        train=shared(dataset.train),
        validation=shared(dataset.validation),
        held_back=dataclasses.replace(test, encoded=fewer(test.encoded)),
    )


def choose_architectures(sampler: Sampler, space: Space, n: int, streams: Streams) -> UInt8[np.ndarray, "n decisions"]:
    """Draw ``n`` distinct architectures; a smaller ``n`` gives the first of them.

    Raises:
        ConfigError: when there are not so many.
    """
    if space.architectures is not None and n > space.architectures:
        raise ConfigError(f"--n {n}: space {space.name} has only {space.architectures} architectures: ask for fewer")
    chosen: dict[bytes, np.ndarray] = {}
    for number in range(_DOUBLINGS):
        drawn = sampler.sample(_FIRST_DRAW << number, streams.numpy("truth/architectures", number))
        for row in drawn:
            chosen.setdefault(row.tobytes(), row)
            if len(chosen) == n:
                return np.stack(list(chosen.values()))
    raise ConfigError(
        f"--n {n}: the sampler gives only {len(chosen)} different architectures of {space.name}: ask for fewer, or take"
        " another --sampler"
    )


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
