"""A space as JSON values and back."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType
from typing import Any

from trueshot.core.errors import ConfigError
from trueshot.core.modules import import_file
from trueshot.spaces.checks import as_tuples
from trueshot.spaces.space import Space

_OURS = __name__.rpartition(".")[0]


def describe(space: Space) -> dict[str, Any]:
    """Return ``{"class": "module:QualName", "arguments": {...}}``, plain JSON values.

    Raises:
        ConfigError: when an argument of the space is no JSON value.
    """
    cls = type(space)
    try:
        arguments = json.loads(json.dumps(space.arguments(), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"space {cls.__qualname__} cannot be written as JSON ({error}): use numbers, texts and tuples"
        ) from error
    return {"class": f"{cls.__module__}:{cls.__qualname__}", "arguments": arguments}


def plain(space: Space) -> dict[str, Any]:
    """Return what fingerprints are made of: class and arguments, as :func:`describe`, without those at their default.

    So an argument that is added later, with a default, leaves the fingerprints of all spaces as they were.

    Raises:
        ConfigError: as :func:`describe`.
    """
    description = describe(space)
    ordinary = {
        field.name: field.default if field.default_factory is MISSING else field.default_factory()
        for field in fields(space)
    }
    own = {
        name: value
        for name, value in description["arguments"].items()
        if ordinary[name] is MISSING or getattr(space, name) != ordinary[name]
    }
    return {**description, "arguments": own}


def rebuild(description: dict[str, Any], *, trust_code: bool = False) -> Space:
    """Import the class that :func:`describe` named and make the space again; JSON lists become tuples.

    Importing a module runs it, so that a description from elsewhere could run anything: spaces of this package and of
    modules that are imported already are made; others only where their code is trusted. Then a ``file`` in the
    description, where it still exists, is where the class is found.

    Args:
        description: of the space.
        trust_code: whether code of its own may be run.

    Raises:
        ConfigError: when the description is malformed, the class cannot be imported, is code that is not trusted, is no
            space, or takes other arguments.
    """
    name, arguments = description.get("class"), description.get("arguments")
    if not isinstance(name, str) or name.count(":") != 1 or not isinstance(arguments, dict):
        raise ConfigError(f"'{name}' does not describe a space: write class as module:Name and its arguments")
    module, _, attribute = name.partition(":")
    file = description.get("file")
    try:
        found: Any = _imported(module) if not trust_code else None
        if found is None and not trust_code:
            raise ConfigError(
                f"space {name} is code of its own{f', in {file}' if file else ''}, which is not run: add --trust-code"
                " (in Python trust_code=True) if you trust it"
            )
        if found is None:
            found = import_file(Path(file)) if file and Path(file).is_file() else importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"cannot import space {name} ({error}): put the module that defines it on PYTHONPATH"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Space)):
        raise ConfigError(f"{name} is no space: name a subclass of trueshot.spaces.Space")
    try:
        space: Space = found(**{key: as_tuples(value) for key, value in arguments.items()})
    except TypeError as error:
        raise ConfigError(
            f"space {name} does not take these arguments ({error}): use the release that wrote them"
        ) from error
    return space


def _imported(module: str) -> ModuleType | None:
    """Return a module that runs no code of others when it is imported; ``None`` for any other."""
    if module == _OURS or module.startswith(f"{_OURS}."):
        return importlib.import_module(module)
    return sys.modules.get(module)
