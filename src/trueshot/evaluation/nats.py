"""Import of the official NATS-Bench files, topology and size benchmark alike (Dong et al., 2021)."""

from __future__ import annotations

import bz2
import importlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trueshot.core.errors import ConfigError, DataError
from trueshot.evaluation.truth import Measurement, TruthTable

_SUFFIX = ".pickle.pbz2"
_METRICS = {
    ("cifar10-valid", "x-valid"): "cifar10_valid",
    ("cifar10", "train"): "cifar10_train",
    ("cifar10", "ori-test"): "cifar10_test",
    ("cifar100", "train"): "cifar100_train",
    ("cifar100", "x-valid"): "cifar100_valid",
    ("cifar100", "x-test"): "cifar100_test",
    ("ImageNet16-120", "train"): "imagenet16_train",
    ("ImageNet16-120", "x-valid"): "imagenet16_valid",
    ("ImageNet16-120", "x-test"): "imagenet16_test",
}
"""The parts of the benchmark's data sets that ground truth is read from, by our names."""


def read_nats(path: Path | str) -> TruthTable:
    """Read the accuracies after the last epoch, in percent, of every architecture, data set, schedule and seed.

    Fidelity is the number of epochs of the schedule (12 or 200; 1, 12 or 90 in the size benchmark).

    Args:
        path: a folder of the ``simple`` format, one file an architecture, of which some may be missing; or the one
            file that holds all.

    Raises:
        ConfigError: when the package ``nats_bench`` is not installed.
        DataError: for a file that is truncated, not of NATS-Bench, or that holds anything but plain data: pickled
            code is never run.
    """
    where = Path(path)
    try:
        results = importlib.import_module("nats_bench.api_utils").ArchResults
    except ImportError as error:
        raise ConfigError("importing NATS-Bench needs the package nats_bench: pip install nats_bench") from error
    rows: list[Measurement] = []
    for file, states in _states(where):
        try:
            for state in states.values():
                rows.extend(_measured(results.create_from_state_dict(state)))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{file} is no result of NATS-Bench ({type(error).__name__}: {error}): download it again"
            ) from error
    if not rows:
        raise DataError(f"{where} holds no result of NATS-Bench: give the folder or file as it was downloaded")
    return TruthTable.of(rows)


def _measured(result: Any) -> Iterator[Measurement]:
    """Read one architecture under one schedule."""
    for (dataset, seed), trial in result.all_results.items():
        for part in ("train", *trial.get_eval_set()):
            if (metric := _METRICS.get((dataset, part))) is not None:
                values = trial.get_train() if part == "train" else trial.get_eval(part)
                epochs = int(trial.get_total_epoch())
                yield Measurement(str(result.arch_str), metric, epochs, int(seed), float(values["accuracy"]))


def _states(path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield, by architecture, where it was read and its results by schedule."""
    if path.is_dir():
        for file in sorted(path.glob(f"[0-9]*{_SUFFIX}")):
            yield file, _dictionary(_load(file), file)
        return
    content = _dictionary(_load(path), path)
    for _, states in sorted(_dictionary(content.get("arch2infos"), path).items()):
        yield path, _dictionary(states, path)


def _dictionary(content: object, file: Path) -> dict[Any, Any]:
    if not isinstance(content, dict):
        raise DataError(f"{file} is no file of NATS-Bench: give the folder or file as it was downloaded")
    return content


class _PlainUnpickler(pickle.Unpickler):
    """Builds plain containers and NumPy numbers, and nothing else: other pickles can run any code."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the few types that the benchmark's files name."""
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "scalar":
            return importlib.import_module("numpy._core.multiarray").scalar
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _load(file: Path) -> object:
    try:
        with bz2.open(file, "rb") as handle:
            return _PlainUnpickler(handle).load()
    except (OSError, EOFError, ValueError, pickle.UnpicklingError, AttributeError, ImportError, IndexError) as error:
        raise DataError(
            f"cannot read {file} as NATS-Bench ({error}): it is truncated or something else; download it again"
        ) from error
