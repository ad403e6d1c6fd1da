"""Directories that a command names: whether they are there, may be written, and are of this version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueshot.cli.names import find, names_own_code
from trueshot.core.errors import ConfigError, RunError
from trueshot.core.files import write_json
from trueshot.core.run import RunDirectory
from trueshot.strategies.config import SearchConfig
from trueshot.strategies.rankings.config import RankingConfig


def check_out(out: Path | None, *, resume: bool) -> None:
    """Refuse a directory that holds a run already, or one that cannot be gone on with.

    Raises:
        RunError: naming it.
    """
    if out is None:
        return
    run = RunDirectory(out)
    if not resume:
        run.stored({}, resume=False)
    elif run.config_path.is_file():
        check_resumed(run)


def check_resumed(run: RunDirectory) -> None:
    """Refuse to go on with a search or a ranking of an earlier version, which had other values.

    An option that is new since stands at its default in what an earlier version stored: ``config.json`` gets it.

    Raises:
        RunError: naming the file, and the first value that this version cannot read.
    """
    stored, remedy = run.config, "choose another --out, or finish it with the version that made it"
    if stored.get("command") == "rank":
        ranking = stored.get("ranking")
        now = {**stored, "ranking": _readable(run, ranking, RankingConfig, remedy)}
    elif stored.get("command") == "search":
        # Without an `asked` a run is older than what asks.
        asked = dict(stored.get("asked") or {})
        now = {**stored, "asked": {**asked, "search": _readable(run, asked.get("search"), SearchConfig, remedy)}}
        if "search" in stored:
            now["search"] = _readable(run, stored["search"], SearchConfig, remedy)
    else:
        return
    if now != stored:
        write_json(run.config_path, now)


def check_supernet(path: Path) -> RunDirectory:
    """Return the directory of the run whose supernet is to be searched again.

    Raises:
        RunError: when there is none, when it is none of a search, or one of an earlier version.
    """
    run = RunDirectory.existing(path)
    stored = run.config
    if stored.get("command") != "search":
        raise RunError(f"{path} is no run directory of `trueshot search`: give one of them to --supernet")
    remedy = "leave out --supernet and train a new one; `trueshot classify` still reads its winners"
    _readable(run, stored.get("search"), SearchConfig, remedy)
    if run.result.is_file() and not any(path.glob("checkpoints/snapshot-*.ckpt")):
        before = dict(stored.get("asked") or {}).get("supernet")
        lender = "the run of a search that did, or train a new one" if before is None else f"--supernet {before}"
        raise RunError(f"{path} trained no supernet of its own: give {lender}")
    return run


def of_other_images(source: str | None, earlier: RunDirectory) -> bool:
    """Return whether a user names other data than that of an earlier run."""
    stored = earlier.config
    if source is None or source == stored.get("source"):
        return False
    here, there = (Path(str(one)).expanduser() for one in (source, stored.get("place") or stored.get("source")))
    return here.resolve() != there.resolve()


def _readable(
    run: RunDirectory, values: Any, cls: type[SearchConfig | RankingConfig], remedy: str
) -> Mapping[str, Any]:
    """Return the values of a stored configuration as this version writes them.

    Those that name code of the user's stay as they are, for it may not be trusted.

    Raises:
        RunError: when an earlier version wrote it.
    """
    if not isinstance(values, Mapping) or (cls is SearchConfig and "strategy" not in values):
        raise _earlier(run, "it names no strategy", remedy)
    if names_own_code(values):
        return values
    try:
        return cls.flat(values, find).flattened() if issubclass(cls, SearchConfig) else cls.make(values, find).whole()
    except ConfigError as error:
        raise _earlier(run, str(error).removeprefix("configuration value "), remedy) from error


def _earlier(run: RunDirectory, why: str, remedy: str) -> RunError:
    return RunError(f"{run.config_path} was made by an earlier version of trueshot ({why}): {remedy}")
