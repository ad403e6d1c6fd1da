"""What the benchmarks share: the machine in words, times of calls that take turns, and their summary."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any


def describe(packages: Sequence[str], threads: int) -> dict[str, Any]:
    """Return processor, cores, threads in use, load and versions; needs no package but Python's own."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{name: _version(name) for name in packages},
    }


def headline(machine: dict[str, Any]) -> str:
    """Return :func:`describe` in one line."""
    return ", ".join(f"{name} {value}" for name, value in machine.items())


def _timer() -> ModuleType:
    """Load the one timer by its file, for its package is not there in an environment without trueshot."""
    path = Path(__file__).parents[1] / "src" / "trueshot" / "evaluation" / "timing.py"
    spec = spec_from_file_location("timing", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["timing"] = module
    spec.loader.exec_module(module)
    return module


timing = _timer()

Times = dict[str, tuple[float, float]]
"""Per call the least seconds on the wall and the least processor seconds of this process."""


def take_turns(calls: Mapping[str, Callable[[], object]], repeats: int) -> Times:
    """Run each call once off the clock and ``repeats`` times in turn; return the least times.

    What else runs on a machine only ever adds to a time, hence the least is kept. Processor time is disturbed less by
    others than time on the wall; on one thread of an idle machine the two are the same.
    """
    least: Times = timing.take_turns(calls, repeats).least
    return least


def compared(rows: Sequence[Times], ours: str = "supernet") -> dict[str, Any]:
    """Return median and quartiles over architectures: milliseconds of each call, and ratios of ours to the others."""
    found: dict[str, Any] = {"n": len(rows)}
    for name in rows[0]:
        found[f"{name}_ms"] = _spread([1e3 * row[name][0] for row in rows])
        if name != ours:
            found[f"{ours} / {name}"] = {
                "wall": _spread([row[ours][0] / row[name][0] for row in rows]),
                "cpu": _spread([row[ours][1] / row[name][1] for row in rows]),
            }
    return found


def show(name: str, found: dict[str, Any]) -> None:
    """Print what :func:`compared` returned, a line for each ratio."""
    for key, value in found.items():
        if "wall" in (value if isinstance(value, dict) else ()):
            other = found[f"{key.split(' / ')[1]}_ms"]
            parts = [f"{clock} {_words(value[clock], 3)}" for clock in ("wall", "cpu")]
            print(
                f"{name:16s} {key:24s} {', '.join(parts)}, n = {found['n']}; {key.split(' / ')[1]}"
                f" {other['median']:.0f} ms",
                flush=True,
            )


def _spread(values: Sequence[float]) -> dict[str, Any]:
    low, middle, high = (round(value, 4) for value in statistics.quantiles(values))
    return {"median": middle, "quartiles": [low, high]}


def _words(spread: dict[str, Any], digits: int) -> str:
    low, high = spread["quartiles"]
    return f"{spread['median']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def preset_space(preset: str, name: str, pixels: int) -> Any:
    """Return the space of that name in a preset, for colour images of ten classes; needs trueshot, unlike the rest."""
    from trueshot.cli.names import make_space
    from trueshot.spaces.checks import as_tuples
    from trueshot.strategies.presets import read_preset

    arguments = {key: as_tuples(value) for key, value in read_preset(preset)["spaces"][name].items()}
    return make_space(name, {**arguments, "image_size": pixels, "classes": 10})


def plain(network: Any) -> Any:
    """Put PyTorch's own ReLU6 in the place of ours, in place."""
    from torch import nn

    from trueshot.operations.activation import ReLU6

    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, ReLU6):
                setattr(module, name, nn.ReLU6(inplace=True))
    return network


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(text.split(":")[1].strip() for text in lines if text.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
