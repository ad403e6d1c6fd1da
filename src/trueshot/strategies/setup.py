"""What every phase of a run works with."""

from __future__ import annotations

import dataclasses
import os
import platform
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from trueshot import __version__
from trueshot.core.errors import DeviceError
from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.evaluation.fingerprint import fingerprint
from trueshot.search.bounds import Bounds
from trueshot.spaces import Space
from trueshot.spaces.description import describe
from trueshot.strategies.config import SearchConfig
from trueshot.training.data.dataset import Dataset, Part
from trueshot.training.data.dataset import EncodedImages as Encoded
from trueshot.training.data.options import DataOptions
from trueshot.training.data.sources import load


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setup:
    """One run: its configuration, and the space, data, device and directory that go with it."""

    config: SearchConfig
    space: Space
    dataset: Dataset
    run: RunDirectory
    device: torch.device
    observer: Observer = SILENT

    @cached_property
    def streams(self) -> Streams:
        """Source of all draws of the run."""
        return Streams(self.config.seed)

    @property
    def bounds(self) -> Bounds:
        """Hard bounds of the search."""
        budget = self.config.budget
        return Bounds(
            max_madds=budget.max_madds,
            min_madds=budget.min_madds,
            max_params=budget.max_params,
            min_params=budget.min_params,
        )

    def identity(self, *parts: Any) -> str:
        """Fingerprint of the space, the data, its split and further parts: what a checkpoint belongs to."""
        split = self.config.data.model_dump(exclude={"max_bad_images", "workers"})
        return fingerprint(repr(describe(self.space)), self.dataset.digest, split, *map(repr, parts))

    @cached_property
    def all_training_images(self) -> Part:
        """Training and validation images together, for networks whose architecture is chosen."""
        return join(self.dataset.train, self.dataset.validation)


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
