"""The run directory: where everything that a run made lies, each file written atomically."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueshot.core.errors import RunError
from trueshot.core.files import check_folder, is_leftover, read_json, write_json

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

ARCHITECTURE = "architecture.json"
"""File in the folder of a trained network that says what it is."""


@dataclass(frozen=True)
class RunDirectory:
    """Paths and small files of one run.

    Layout: ``config.json``, ``log/NAME.jsonl``, ``checkpoints/NAME.ckpt``, ``evaluations.parquet``,
    ``winners/NAME/{architecture.json,model.safetensors,model.onnx}``, ``baselines/NAME/...`` of the same kind,
    ``result.json``, ``report.html``.
    """

    path: Path

    @classmethod
    def open(cls, path: Path, config: dict[str, Any], *, resume: bool) -> RunDirectory:
        """Create the directory for ``config``, or go on with it when ``resume`` is set.

        Raises:
            RunError: when it holds a run already and ``resume`` is not set, or holds one of another configuration.
        """
        run = cls(path)
        stored = run.stored(config, resume=resume)
        if stored is None:
            write_json(run.config_path, config)
        elif unknown := stored.keys() - config.keys() - _FREE:
            raise _another(path, stored, config, min(unknown))
        elif moved := {key: config[key] for key in _FREE & config.keys() if stored.get(key) != config[key]}:
            write_json(run.config_path, {**stored, **moved})
        return run

    def stored(self, config: dict[str, Any], *, resume: bool) -> dict[str, Any] | None:
        """Return the configuration of the run to go on with, ``None`` where a new one may be started; write nothing.

        Only the keys of ``config`` are compared, so that a run can be refused before all of its configuration is known.

        Raises:
            RunError: as :meth:`open`.
        """
        path = self.path
        config = json.loads(json.dumps(config))
        if self.config_path.exists():
            if not resume:
                raise RunError(f"{path} already holds a run: add --resume to go on with it, or choose another --out")
            stored = {key: value for key, value in read_json(self.config_path).items() if key != "version"}
            there, now = _settled(stored), _settled(config)
            for key in sorted(now, key=lambda key: (key in _FINGERPRINTS, key)):
                if there.get(key) != now[key]:
                    raise _another(path, there, now, key)
            return stored
        if path.exists() and not path.is_dir():
            raise RunError(f"{path} is no folder: choose another --out")
        if path.is_dir() and not all(is_leftover(entry) for entry in path.iterdir()):
            raise RunError(f"{path} is not empty and holds no trueshot run: choose another --out")
        check_folder(path)
        return None

    @classmethod
    def existing(cls, path: Path) -> RunDirectory:
        """Open the directory of an earlier run.

        Raises:
            RunError: when there is none.
        """
        run = cls(path)
        if not run.config_path.is_file():
            raise RunError(f"{path} holds no trueshot run (no config.json): give the --out directory of a search")
        return run

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the directory inside the block; the lock goes with the process that holds it.

        Raises:
            RunError: when another process works in it.
        """
        path = self.path / ".lock.tmp"
        self.path.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as handle:
            if fcntl is not None:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    handle.seek(0)
                    raise RunError(
                        f"process {handle.read().strip() or 'another'} works in {self.path}: wait until it has ended,"
                        " or choose another --out"
                    ) from None
                except OSError:
                    # Some network drives know no locks.
                    pass
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            yield

    @property
    def config_path(self) -> Path:
        """The configuration, ``config.json``."""
        return self.path / "config.json"

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that the run was started with."""
        return read_json(self.config_path)

    @property
    def evaluations(self) -> Path:
        """Table of the evaluation cache."""
        return self.path / "evaluations.parquet"

    @property
    def result(self) -> Path:
        """What the run found, ``result.json``; present only when it has finished."""
        return self.path / "result.json"

    @property
    def report(self) -> Path:
        """The report, ``report.html``."""
        return self.path / "report.html"

    def checkpoint(self, name: str) -> Path:
        """Return the path of a checkpoint."""
        return self.path / "checkpoints" / f"{name}.ckpt"

    def log(self, name: str) -> Path:
        """Return the path of a log with one JSON object in each line."""
        return self.path / "log" / f"{name}.jsonl"

    def network(self, name: str, role: str) -> Path:
        """Return the folder of one trained network."""
        return self.path / ("winners" if role in ("winner", "recommended") else "baselines") / name


_FREE = frozenset({"source", "place", "own"})
"""Keys of a configuration that a run may be gone on without: where its images lie, and a user's space."""
_FREE_INSIDE = {"data": frozenset({"workers", "max_bad_images"}), "teacher": frozenset({"name"})}
"""The same among its options of the data, and of a teacher: where its file lies."""


def _settled(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without what may be another when a run is gone on with."""

    def without(values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        kept = {key: without(value) for key, value in values.items()}
        for name, free in _FREE_INSIDE.items():
            if isinstance(kept.get(name), dict):
                kept[name] = {key: value for key, value in kept[name].items() if key not in free}
        return kept

    return {key: without(value) for key, value in config.items() if key not in _FREE}


_FINGERPRINTS = ("identity", "settings")
"""Keys of a configuration that people cannot read; what they are made of is told first."""


def _another(path: Path, stored: dict[str, Any], config: dict[str, Any], key: str) -> RunError:
    if key in ("identity", "preprocessing") and stored.get("identity") != config.get("identity"):
        return RunError(
            f"{path} holds a run of other images: those to train and to validate on, or how they are split, have"
            " changed since; restore them, or choose another --out"
        )
    return RunError(
        f"{path} holds a run of another configuration ({_first_difference(stored, config, key)}):"
        " repeat its command, or choose another --out"
    )


def _first_difference(stored: Any, config: Any, key: str) -> str:
    """Say where two configurations first differ, by a dotted name."""
    left, right = stored.get(key), config.get(key)
    if isinstance(left, dict) and isinstance(right, dict):
        for name in sorted(left.keys() | right.keys()):
            if left.get(name) != right.get(name):
                return f"{key}.{_first_difference(left, right, name)}"
    return f"{key}: {left!r} there, {right!r} now"


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read a log with one JSON object in each line; an absent file gives no rows.

    A last line without its end, as a killed writer leaves it, is not read.

    Raises:
        RunError: naming the line that is no JSON.
    """
    if not path.exists():
        return []
    *lines, _ = path.read_text().split("\n")
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise RunError(f"{path}, line {number} is not valid JSON ({error}): remove that line") from error
    return rows


def network_folder(directory: Path, name: str | None) -> Path:
    """Return the folder of a network: the directory itself, the named one, or the one that the run recommends.

    An earlier release recommended none: there it is the winner of the highest score.

    Raises:
        RunError: when there is no such network.
    """
    if (directory / ARCHITECTURE).is_file():
        return directory
    folders = {path.parent.name: path.parent for path in directory.glob(f"winners/*/{ARCHITECTURE}")}
    folders |= {path.parent.name: path.parent for path in directory.glob(f"baselines/*/{ARCHITECTURE}")}
    if name is not None and name not in folders:
        raise RunError(f"{directory} has no network '{name}': choose one of {', '.join(sorted(folders)) or 'none'}")
    winners = sorted(folder for folder in folders.values() if folder.parent.name == "winners")
    if name is None and not winners:
        raise RunError(f"{directory} has no winners: give the run directory of a finished search")
    if name is not None or "recommended" in folders:
        return folders[name or "recommended"]
    # The first of equals: the repeats of a winner come after it.
    return max(winners, key=lambda folder: read_json(folder / ARCHITECTURE)["extra"]["score"])
