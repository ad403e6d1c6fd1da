"""Ready-made configurations: YAML files beside this one, and how they combine with what the user says."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from trueshot.core.errors import ConfigError, did_you_mean

DIGITS_SIDE, SMALL_SIDE = 16, 96
"""Images up to the first side get the preset for digits, up to the second the one for small images."""


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets."""
    return tuple(
        sorted(entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml"))
    )


def choose_preset(image_size: int, device: str) -> str:
    """Return the preset that suits the images and the device."""
    if image_size <= DIGITS_SIDE:
        return "digits"
    where = "gpu" if device.startswith("cuda") else "cpu"
    return f"small-{where}" if image_size <= SMALL_SIDE else f"large-{where}"


def read_preset(name: str) -> dict[str, Any]:
    """Return a preset as nested plain values; its ``spaces`` hold arguments by the name of the space.

    Raises:
        ConfigError: when there is none of this name.
    """
    if name not in preset_names():
        raise ConfigError(f"unknown preset '{name}'{did_you_mean(name, preset_names())}")
    return _mapping(yaml.safe_load((_folder() / f"{name}.yaml").read_text()), f"preset {name}")


def purpose(name: str) -> str:
    """Return what a preset is for, in a sentence or two: the comment on top of its file."""
    lines = (_folder() / f"{name}.yaml").read_text().splitlines()
    return " ".join(line.removeprefix("#").strip() for line in lines[: _comment(lines)])


def _comment(lines: list[str]) -> int:
    return next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))


def read_config(path: Path) -> dict[str, Any]:
    """Read a user's YAML file.

    Raises:
        ConfigError: when it cannot be read or is no mapping.
    """
    try:
        return _mapping(_load(path.read_text()), str(path))
    except OSError as error:
        raise ConfigError(f"cannot read configuration {path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path} is not valid YAML: {error}") from error


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the values of ``over``, mapping by mapping.

    A component of another ``kind`` takes nothing over from the one before; one that is named alone keeps its options,
    and options for it may follow.
    """
    merged = dict(deepcopy(base))
    for key, value in over.items():
        before = merged.get(key)
        if isinstance(value, str) and isinstance(before, Mapping) and "kind" in before:
            value = {"kind": value}
        if isinstance(before, str) and isinstance(value, Mapping):
            before = {"kind": before}
        if isinstance(value, Mapping) and isinstance(before, Mapping) and not _of_another_kind(value, before):
            merged[key] = merge(before, value)
        else:
            merged[key] = deepcopy(value)
    return merged


def _of_another_kind(value: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    return "kind" in value and "kind" in before and bool(value["kind"] != before["kind"])


def assignment(text: str) -> dict[str, Any]:
    """Read ``section.key=value`` as nested values; the value is YAML.

    Raises:
        ConfigError: when it has another form.
    """
    name, equals, value = text.partition("=")
    keys = [key.strip() for key in name.split(".")]
    if not equals or not all(keys):
        raise ConfigError(f"--set '{text}' is no assignment: write it like supernet.recipe.epochs=20")
    try:
        nested: Any = _load(value)
    except yaml.YAMLError as error:
        told = f": {error.problem}" if isinstance(error, _TwiceError) else ""
        raise ConfigError(f"--set '{text}': the value is not valid YAML{told}") from error
    for key in reversed(keys):
        nested = {key: nested}
    result: dict[str, Any] = nested
    return result


class _TwiceError(yaml.constructor.ConstructorError):
    """A mapping has a key twice, of which YAML would take the last without a word."""


class _Loader(yaml.SafeLoader):
    """Reads plain values, and refuses keys that are there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping."""
        seen: set[str] = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name in seen and key.tag != "tag:yaml.org,2002:merge":
                raise _TwiceError(None, None, f"'{name}' is there twice: keep one of them", key.start_mark)
            seen.update(() if name is None else (name,))
        return super().construct_mapping(node, deep)


def _load(text: str) -> Any:
    return yaml.load(text, _Loader)


def _folder() -> Any:
    return resources.files("trueshot.strategies") / "presets"


def _mapping(content: Any, what: str) -> dict[str, Any]:
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{what} must be a mapping of names to values")
    return content
