"""What a run was started with, so that it can be gone on with by the name of its directory alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueshot.cli.names import TABLE, refuse_own_code
from trueshot.cli.values import Said
from trueshot.core.errors import RunError
from trueshot.core.run import RunDirectory

_OF_THE_DATA = ("image_size", "classes", "in_channels")
"""Arguments of a space that are those of the data."""


def asked_before(out: Path, *, trust_code: bool) -> tuple[Said, dict[str, Any]]:
    """Return what was said when a search was begun, and its options that are no values of the configuration.

    Args:
        out: directory of the search.
        trust_code: whether code of its own, which its configuration names, may be run.

    Raises:
        RunError: when there is no search in it.
        ConfigError: when it names code that is not trusted.
    """
    run = RunDirectory.existing(out)
    config = run.config
    if config.get("command") != "search" or "asked" not in config:
        raise RunError(f"{out} holds no search of this release: repeat its command with --resume")
    asked, space = config["asked"], config["space"]
    values = dict(asked["search"])
    if config.get("source") is not None:
        values["source"] = config.get("place") or config["source"]
    # Without images nothing says their size but the space.
    fixed = _OF_THE_DATA if "source" in values else ()
    arguments = {key: value for key, value in space["arguments"].items() if key not in fixed}
    values["space"] = {"name": _name(space, config), "arguments": arguments}
    if not trust_code:
        refuse_own_code([values, config.get("costs", [])], {}, f"the run in {out}")
    budget = asked.get("time_budget")
    options = {
        "preset": config["preset"],
        "device": asked["device"],
        "time_budget": None if budget is None else f"{budget}s",
        "supernet": None if asked.get("supernet") is None else Path(asked["supernet"]),
        "cost": list(config.get("costs", [])),
    }
    return Said(values=values), options


def _name(space: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Return the name of a space on the command line: of this package, or a user's file and class."""
    known = {where: name for name, where in TABLE["space"].items()}
    own = config.get("own")
    return known.get(space["class"]) or (str(own) if own else str(space["class"]))
