"""What several commands do before they start: fit a space to the data, count processors."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueshot.cli.names import make_space
from trueshot.core.errors import ConfigError
from trueshot.spaces import Space
from trueshot.spaces.checks import as_tuples
from trueshot.strategies.presets import merge
from trueshot.training.data.dataset import Dataset


def fitted_space(name: str, given: Any, presets: Any, dataset: Dataset) -> Space:
    """Make the space with the preset's arguments for it, those of the user over them, and the shape of the data.

    Raises:
        ConfigError: when arguments are no mapping, name the shape of the data, or the space does not take them.
    """
    arguments = (presets.get(name) if isinstance(presets, Mapping) else presets) or {}
    given = given or {}
    if not isinstance(given, Mapping) or not isinstance(arguments, Mapping):
        raise ConfigError(f"the arguments of space {name} must be a mapping of names to values")
    shape = {"image_size": dataset.image_size, "classes": len(dataset.classes), "in_channels": dataset.channels}
    if fixed := sorted(given.keys() & shape.keys()):
        raise ConfigError(f"{fixed[0]} of the space is that of the data: leave it out, or set data.image_size")
    return make_space(name, {**{key: as_tuples(value) for key, value in merge(arguments, given).items()}, **shape})


def given_arguments(values: Any) -> Any:
    """Return the arguments in a configuration's ``space``, of which a command with ``--space`` takes nothing else."""
    if not isinstance(values, Mapping) or not set(values) <= {"arguments"}:
        raise ConfigError("configuration value space: only its arguments can be set, as space.arguments.NAME=VALUE")
    return values.get("arguments")


def let_workers_import(space: Space) -> None:
    """Put the folder of a class loaded from a file on the path, which workers that are started afresh take over."""
    module = sys.modules[type(space).__module__]
    file = getattr(module, "__file__", None)
    if file is not None and "." not in module.__name__ and str(Path(file).parent) not in sys.path:
        sys.path.append(str(Path(file).parent))


def cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
