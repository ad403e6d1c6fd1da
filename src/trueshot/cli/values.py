"""From what a user said to the values of a configuration: preset, file, options and assignments, one over the other."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueshot.cli.names import find_class, make_space
from trueshot.core.config import Config
from trueshot.core.errors import ConfigError, DeviceError
from trueshot.core.executor import check_executor
from trueshot.spaces.checks import as_tuples
from trueshot.strategies.config import STRATEGY
from trueshot.strategies.presets import assignment, choose_preset, merge, read_config, read_preset
from trueshot.training.data.options import DataOptions

if TYPE_CHECKING:
    from trueshot.spaces import Space
    from trueshot.training.data.dataset import Dataset

OUTSIDE = ("source", "space", "spaces", "preset", "proposers", "sharings")
"""Keys of a configuration file that are not of a configuration itself."""

NO_DATA = "say what to train on: --data digits, a folder, a Parquet file, cifar10 or subimagenet64"

NO_TABLE = f"{NO_DATA}; to search a table of truth, name the space: --space nasbench201"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a user said, as nested values; a value of ``--set`` goes over one of an option, and that over the file's."""

    values: Mapping[str, Any]

    @classmethod
    def of(cls, file: Path | None, options: Mapping[str, Any], assignments: Sequence[str]) -> Said:
        """Merge a configuration file, options and assignments.

        Raises:
            ConfigError: when the file or an assignment cannot be read.
        """
        values: dict[str, Any] = {} if file is None else read_config(file)
        # People write `data: digits` where they mean the source, and `space: chain` where they mean its name.
        if isinstance(values.get("data"), str):
            values = {"source": values.pop("data"), **values}
        values = merge(_open(values), options)
        for text in assignments:
            values = merge(_open(values), assignment(text))
        return cls(values=values)

    @classmethod
    def asked(
        cls,
        file: Path | None,
        options: Mapping[str, Any],
        data: str | None,
        space: str | None,
        assignments: Sequence[str] | None,
    ) -> Said:
        """Merge what a command was given, ``--data`` and ``--space`` among its options.

        Raises:
            ConfigError: when the file or an assignment cannot be read.
        """
        more = {} if data is None else {"source": data}
        named = {} if space is None else {"space": {"name": space}}
        return cls.of(file, {**options, **more, **named}, assignments or ())

    @property
    def source(self) -> str | None:
        """What to train on."""
        source = self.values.get("source")
        if source is not None and not isinstance(source, str):
            raise ConfigError(f"configuration value source: {NO_DATA}")
        return source

    @property
    def preset(self) -> str | None:
        """The preset that a configuration file names."""
        preset = self.values.get("preset")
        if preset is not None and not isinstance(preset, str):
            raise ConfigError("configuration value preset: give its name")
        return preset

    @property
    def space(self) -> tuple[str | None, dict[str, Any]]:
        """Name and arguments of the space.

        Raises:
            ConfigError: when they are anything else.
        """
        chosen = self.values.get("space") or {}
        chosen = {"name": chosen} if isinstance(chosen, str) else chosen
        if not isinstance(chosen, Mapping) or set(chosen) - {"name", "arguments"}:
            raise ConfigError("configuration value space: give a name, and arguments for it")
        arguments = chosen.get("arguments") or {}
        if not isinstance(arguments, Mapping):
            raise ConfigError("configuration value space.arguments: give names and values")
        name = chosen.get("name")
        return None if name is None else str(name), dict(arguments)

    @property
    def spaces(self) -> dict[str, Any]:
        """Arguments of spaces by their names, which go over those of a preset.

        Raises:
            ConfigError: when they are anything else.
        """
        given = self.values.get("spaces") or {}
        if not isinstance(given, Mapping):
            raise ConfigError("configuration value spaces: give names of spaces, and arguments for each")
        return dict(given)


def _open(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with the name of a space as a mapping, so that arguments can be set beside it."""
    return {**values, "space": {"name": values["space"]}} if isinstance(values.get("space"), str) else values


def over_preset(preset: Mapping[str, Any], said: Mapping[str, Any], fields: set[str]) -> dict[str, Any]:
    """Return the values of a configuration: those of the preset that it has, and the user's over them.

    What a preset says only to other commands does not matter; from the user it is an error. Of the sizes of proposers
    in the preset, those of the proposer that is used are taken, and so with ways of sharing weights. With values of an
    earlier run over those of the preset, its proposer is kept.
    """
    kept = {key: value for key, value in preset.items() if key in fields}
    kept.pop("proposer", None)
    if "proposer" in fields and (proposer := _proposer(preset, said)):
        kept["proposer"] = proposer
    values = merge(kept, {key: value for key, value in said.items() if key not in OUTSIDE})
    return _with_sharing(values, preset.get("sharings") or {})


def _with_sharing(values: dict[str, Any], sharings: Mapping[str, Any]) -> dict[str, Any]:
    """Return values in which the way of sharing has the options that a preset gives it, under those that stand there.

    Those of an earlier run are complete, so that a preset adds nothing to them.
    """
    supernet = values.get("supernet")
    sharing = supernet.get("sharing") if isinstance(supernet, Mapping) else None
    given = {"kind": sharing} if isinstance(sharing, str) else sharing
    if not isinstance(given, Mapping) or given.get("kind") not in sharings:
        return values
    options = {"kind": given["kind"], **sharings[given["kind"]]}
    return {**values, "supernet": {**dict(supernet or {}), "sharing": merge(options, given)}}


def _proposer(below: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the proposer that is used: those of an earlier run by the same, over the preset's sizes."""
    before = below.get("strategy", STRATEGY)
    strategy, sizes = said.get("strategy", before), below.get("proposers") or {}
    earlier = dict(below.get("proposer") or {}) if strategy == before else {}
    if strategy != STRATEGY:
        return merge(sizes.get(strategy, {}), earlier)
    chosen = said.get("proposer", {})
    kind = chosen if isinstance(chosen, str) else dict(chosen).get("kind")
    kind = kind or earlier.get("kind", "nsga2")
    own = {"kind": kind, **sizes.get(kind, {})}
    return merge(own, earlier) if earlier.get("kind") == kind else own


def check_early(space: tuple[str | None, dict[str, Any]], device: str | None, executor: str, ray: str | None) -> None:
    """Refuse a mistyped space or argument of one, device or executor before anything heavy is imported.

    Raises:
        TrueshotError: naming it.
    """
    if device is not None and re.fullmatch(r"(cpu|cuda)(:\d+)?", device) is None:
        raise DeviceError(f"'{device}' is no device: choose cpu or cuda")
    check_executor(executor, ray)
    name, arguments = space
    if name is not None:
        find_class("space", name)
    if arguments:
        make_space(name or "topology", {key: as_tuples(value) for key, value in arguments.items()})


def worker_count(asked: int | None, device: str, executor: str) -> int | None:
    """Return how many workers train at a time: one on a GPU that they would share, else ``None``, as many as cores."""
    return asked or (1 if device == "cuda" and executor == "local" else None)


def fitted_space(name: str, given: Mapping[str, Any], presets: Mapping[str, Any], dataset: Dataset | None) -> Space:
    """Make the space with the preset's arguments for it, those of the user over them, and the shape of the data.

    Raises:
        ConfigError: when arguments are no mapping, name the shape of the data, or the space does not take them.
    """
    # A plan says the whole; what a preset shrinks is not for it.
    arguments = {} if "plan" in given else presets.get(name) or {}
    if not isinstance(arguments, Mapping):
        raise ConfigError(f"the arguments of space {name} must be a mapping of names to values")
    shape: dict[str, Any] = {}
    if dataset is not None:
        shape = {"image_size": dataset.image_size, "classes": len(dataset.classes), "in_channels": dataset.channels}
    if fixed := sorted(given.keys() & shape.keys()):
        raise ConfigError(f"{fixed[0]} of the space is that of the data: leave it out, or set data.image_size")
    return make_space(name, {**{key: as_tuples(value) for key, value in merge(arguments, given).items()}, **shape})


def loaded(
    said: Said, device: str, *, preset: str | None, below: Mapping[str, Any] | None = None
) -> tuple[Dataset, DataOptions, str]:
    """Read the images by the options of the preset, a file and the user; choose the preset where none is named.

    Args:
        said: what the user said.
        device: its type.
        preset: its name, if the user named one.
        below: values between the preset's and the user's.

    Returns:
        The images, how they were read, and the preset's name.
    """
    from trueshot.strategies.setup import load_dataset

    if said.source is None:
        raise ConfigError(NO_DATA)

    def options(name: str | None) -> DataOptions:
        values: Mapping[str, Any] = {} if name is None else read_preset(name)
        for layer in (below or {}, said.values):
            values = merge(values, {key: layer[key] for key in ("data",) if key in layer})
        made = _Data.make({"data": values.get("data", {})}).data
        return made

    chosen = options(preset)
    dataset = load_dataset(said.source, chosen)
    if preset is not None:
        return dataset, chosen, preset
    name = choose_preset(dataset.image_size, device)
    again = options(name)
    return (dataset, chosen, name) if again == chosen else (load_dataset(said.source, again), again, name)


class _Data(Config):
    """The options of the data by themselves, so that errors name them as in the whole.

    Attributes:
        data: how images are read and split.
    """

    data: DataOptions


def let_workers_import(*parts: object) -> None:
    """Put the folders of classes loaded from files on the path, which workers that are started afresh take over."""
    for part in parts:
        module = sys.modules.get(type(part).__module__)
        file = getattr(module, "__file__", None)
        if module is None or file is None or "." in module.__name__:
            continue
        folder = str(Path(file).parent)
        if folder not in sys.path:
            sys.path.append(folder)
