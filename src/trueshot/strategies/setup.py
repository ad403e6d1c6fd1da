"""What a run works with: the context that every component is made from."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float64, UInt8

from trueshot import __version__
from trueshot.core.cache import EvaluationCache
from trueshot.core.errors import ArchitectureError, ConfigError, DataError, DeviceError
from trueshot.core.executor import Executor, InProcess
from trueshot.core.fingerprint import fingerprint
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.core.tables import shared_file
from trueshot.evaluation.config import Metric
from trueshot.evaluation.fusion_config import FusionConfig
from trueshot.evaluation.parallel import Spread
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.tabular import TabularEvaluator
from trueshot.evaluation.timing import step_seconds, waiting_for
from trueshot.evaluation.trained import StandAlone, Trial
from trueshot.evaluation.truth import TruthTable
from trueshot.evaluation.wrappers import Canonical
from trueshot.evaluation.zero_cost import ProxyTable
from trueshot.sampling import Sampler
from trueshot.search.bounds import Bounds
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions, standard_costs
from trueshot.spaces.description import plain
from trueshot.strategies.fusing import fused, proxies_of, proxy_table, zero_cost
from trueshot.strategies.teacher import make_loss
from trueshot.training.classification import Loss
from trueshot.training.data.batches import eval_batches, train_batches
from trueshot.training.data.dataset import Dataset, Part
from trueshot.training.data.dataset import EncodedImages as Encoded
from trueshot.training.data.options import DataOptions
from trueshot.training.data.sources import load
from trueshot.training.optimizers import make_optimizer
from trueshot.training.standalone import NetworkTask, build
from trueshot.training.task import TRAIN

if TYPE_CHECKING:
    from trueshot.strategies.config import RetrainingConfig
    from trueshot.strategies.deadline import Deadline
    from trueshot.strategies.teacher import Teacher
    from trueshot.strategies.trained import TrainedSupernet
    from trueshot.strategies.truth.config import TruthTraining


@contextlib.contextmanager
def _of_file(file: str) -> Iterator[None]:
    """Name the file in what is told of its architectures, and the remedy where they are of another space."""
    try:
        yield
    except DataError as error:
        more = "; give the space of the table by --space" if isinstance(error.__cause__, ArchitectureError) else ""
        raise DataError(f"{file}: {error}{more}") from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """What components are made from: each takes the part that it uses.

    Attributes:
        space: what is searched.
        dataset: images, ``None`` where nothing is trained.
        run: the directory that keeps everything.
        device: that trains and scores.
        seed: of everything random but the split of the data.
        save_every: seconds between the checkpoints of a training.
        data: how the images were read and split.
        costs: of the space, by name.
        bounds: hard bounds on them.
        observer: told of the progress.
        executor: runs independent jobs.
        trained: trained shared weights, for components that say ``needs_supernet``.
        sampler: the distribution of a proposer's first proposals.
        earlier: the run whose trained supernet is used instead of a new one.
        start: the run, of other images, from whose trained supernet the training of this one starts.
        column: of a table of truth.
        retraining: how networks are trained by themselves, for the oracle that does so and for short trainings.
        fusion: what evaluators made of several add up, and what zero-cost proxies look at.
        deadline: the time that the run has, ``None`` for as long as it takes.
        teacher: a pretrained network from which everything that is trained learns, ``None`` for none.
    """

    space: Space
    run: RunDirectory
    device: torch.device
    dataset: Dataset | None = None
    seed: int = 0
    save_every: float = 30.0
    data: DataOptions = dataclasses.field(default_factory=DataOptions)
    costs: CostFunctions = dataclasses.field(default=None)  # type: ignore[assignment]
    bounds: Bounds = dataclasses.field(default_factory=Bounds)
    observer: Observer = SILENT
    executor: Executor = dataclasses.field(default_factory=InProcess)
    trained: TrainedSupernet | None = None
    sampler: Sampler | None = None
    earlier: RunDirectory | None = None
    start: RunDirectory | None = None
    column: str | None = None
    retraining: RetrainingConfig | TruthTraining | None = None
    fusion: FusionConfig = dataclasses.field(default_factory=FusionConfig)
    deadline: Deadline | None = None
    teacher: Teacher | None = None

    def __post_init__(self) -> None:
        """Take the costs that every space has where no others are given."""
        if self.costs is None:
            object.__setattr__(self, "costs", standard_costs(self.space))

    @cached_property
    def streams(self) -> Streams:
        """Source of all draws of the run."""
        return Streams(self.seed)

    @property
    def images(self) -> Dataset:
        """The images.

        Raises:
            ConfigError: when there are none.
        """
        if self.dataset is None:
            raise ConfigError("there are no images to train on: give --data")
        return self.dataset

    def replace(self, **changes: Any) -> Context:
        """Return a copy with other parts."""
        return dataclasses.replace(self, **changes)

    def alone(self) -> Context:
        """Return a copy for a worker: silent, and with jobs of its own done in its process."""
        return self.replace(observer=SILENT, executor=InProcess(), deadline=None)

    def identity(self, *parts: Any) -> str:
        """Return a fingerprint of the space, the images, their split, the teacher and further plain values.

        It is what a checkpoint belongs to.
        """
        digest = None if self.dataset is None else self.dataset.digest
        taught = None if self.teacher is None else self.teacher.identity
        return identity_of(self.space, digest, self.data, taught, *parts)

    def loss(self, label_smoothing: float = 0.0) -> Loss:
        """Return what a training of the run minimises: cross-entropy, and the teacher's part where there is one."""
        return make_loss(self, label_smoothing)

    def stand_alone(
        self, metric: Metric, *, kept: str = "trained", report: Callable[[int], None] = lambda _: None
    ) -> Evaluator:
        """Return what trains each architecture by itself, twins once, and measures it on the validation images.

        With an executor of several workers these train side by side; the scores are the same. Each is kept as soon as
        it is there, and a training that is killed goes on from a checkpoint of its own.

        Args:
            metric: what is measured.
            kept: name of the table in the run directory that keeps the scores.
            report: told how many more architectures were trained.

        Raises:
            ConfigError: when nothing says how networks are trained.
        """
        if self.retraining is None:
            raise ConfigError("oracle train needs to know how: set retraining.recipe, or choose a preset")
        spread = Spread(
            partial(_trained_alone, self.alone(), metric),
            self.executor,
            cache=EvaluationCache(self.run.path / "log" / f"{kept}.parquet"),
            threads=torch.get_num_threads(),
            device_share=0.0 if self.device.type == "cpu" else self.executor.device_share,
            observer=self.observer,
            report=report,
        )
        return Canonical(spread, self.space, self.space.rules[0])

    def stand_alone_seconds(self, row: UInt8[np.ndarray, " decisions"]) -> float:
        """Return the expected seconds of training an architecture by itself, from a few steps; nothing is kept."""
        trial = _trial(self, "accuracy", fitted=False)
        network = build(partial(self.space.final().network, row), Streams(0), self.device)
        loss = trial.loss or Loss()
        task = NetworkTask(network, trial.recipe, make_optimizer(network, trial.recipe), None, loss, Streams(0))
        return trial.steps * step_seconds(task, {TRAIN: trial.train}, wait=waiting_for(self.device))

    def zero_cost(self, name: str) -> Evaluator:
        """Return what scores by a cost or a zero-cost proxy, those that are fused computed together.

        Raises:
            ConfigError: when there is no such proxy.
        """
        return zero_cost(self, name)

    def fused(self, fusion: FusionConfig) -> Evaluator:
        """Return what adds up the parts of a fusion."""
        return fused(self, fusion)

    @cached_property
    def proxies(self) -> ProxyTable:
        """The scores of all zero-cost proxies that are fused, kept in the run directory."""
        return proxy_table(self, proxies_of(self.fusion.of(self.space)))

    def tabular(self, file: str, column: str | None = None) -> Evaluator:
        """Return what looks scores up in a table of truth, those of twins included.

        Args:
            file: the table.
            column: its column; without one, that of the run.

        Raises:
            DataError: when the file or the column is not there.
        """
        table, column = self._table(file, column)
        with _of_file(file):
            return TabularEvaluator(table, self.space, column, rule=self.space.rules[0])

    def truth(
        self, file: str, column: str | None = None
    ) -> tuple[UInt8[np.ndarray, "n decisions"], Float64[np.ndarray, " n"]]:
        """Return the architectures measured in a column of a table of truth, one at least, and their values.

        Args:
            file: the table.
            column: its column; without one, that of the run.

        Raises:
            DataError: when the file or the column is not there, or the column is empty.
        """
        table, chosen = self._table(file, column)
        with _of_file(file):
            archs, values = table.on(self.space, chosen)
        if not len(archs):
            raise DataError(f"column {chosen} of {file} holds no value: name another")
        return archs, values

    def _table(self, file: str, column: str | None) -> tuple[TruthTable, str]:
        """Read a table and say which of its columns is meant."""
        table, chosen = TruthTable.read(shared_file(Path(file))), column or self.column
        if chosen is None:
            known = f"(in a ranking by {file}:COLUMN): {', '.join(table.columns)}"
            raise ConfigError(f"{file} is a table: name a column of it by --column {known}")
        return table, chosen

    @cached_property
    def all_training_images(self) -> Part:
        """Training and validation images together, for networks whose architecture is chosen."""
        return join(self.images.train, self.images.validation)


def identity_of(
    space: Space, digest: str | None, data: DataOptions, taught: Mapping[str, Any] | None, *parts: Any
) -> str:
    """Return the fingerprint of :meth:`Context.identity`.

    Args:
        space: of the run.
        digest: of its images, ``None`` where there are none.
        data: how they are split.
        taught: what identifies the teacher, ``None`` where there is none.
        parts: further plain values.
    """
    split = data.replace(max_bad_images=0, workers=None).plain()
    return fingerprint(plain(space), digest, split, *parts, *([] if taught is None else [{"teacher": taught}]))


def _trained_alone(context: Context, metric: Metric) -> Evaluator:
    """Return the evaluator that trains each architecture, in this process."""
    return StandAlone(
        context.space.final(),
        _trial(context, metric),
        device=context.device,
        checkpoint=context.run.checkpoint,
        save_every=context.save_every,
    )


def _trial(context: Context, metric: Metric, *, fitted: bool = True) -> Trial:
    """Return how each architecture is trained by itself, by a fitted teacher if any, and on what it is measured."""
    assert context.retraining is not None
    config, images = context.retraining, context.images
    streams = context.streams.child("oracle-train")
    batches = train_batches(
        images.train,
        images,
        batch_size=config.recipe.batch_size,
        augmentation=config.augmentation,
        streams=streams,
        device=context.device,
    )
    validation = eval_batches(images.validation, images, batch_size=512, device=context.device)
    smoothing = config.recipe.label_smoothing
    loss = None if context.teacher is None else make_loss(context, smoothing, fitted=fitted)
    return Trial(batches, validation, config.recipe, streams, data=images.digest, metric=metric, loss=loss)


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Have PyTorch use so many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load_dataset(source: str, options: DataOptions) -> Dataset:
    """Read and split the data of a run; equal arguments give equal parts, whatever the seed of the run.

    Raises:
        DataError: one line that names the file, class or column at fault and the remedy.
    """
    return load(source, options=options, streams=Streams(options.split_seed).child("data"))


def join(first: Part, second: Part) -> Part:
    """Return the images of two parts of one dataset as one part."""
    labels = torch.cat([first.labels, second.labels])
    if isinstance(first.images, Encoded) and isinstance(second.images, Encoded):
        return Part(images=first.images.joined(second.images), labels=labels)
    assert isinstance(first.images, torch.Tensor)
    assert isinstance(second.images, torch.Tensor)
    return Part(images=torch.cat([first.images, second.images]), labels=labels)


def choose_device(name: str | None) -> torch.device:
    """Return the device called ``name``; without a name, the GPU where there is one.

    Raises:
        DeviceError: when it is not there.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"'{name}' is no device: choose cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError("CUDA was asked for, but PyTorch finds no GPU: use --device cpu, or install a CUDA build")
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"device '{name}' is not supported: choose cpu or cuda")
    return device


def environment(device: torch.device) -> dict[str, Any]:
    """Describe hardware and versions, for results that others can judge."""
    return {
        "trueshot": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device.type,
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
