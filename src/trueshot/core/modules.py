"""Modules that hold the spaces of users, which need not be installed."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from trueshot.core.errors import ConfigError

_PACKAGE = __name__.partition(".")[0]


class OwnFile(SourceFileLoader):
    """Loads a user's file; by it the modules of users are told from all others."""


def import_file(path: Path) -> ModuleType:
    """Import a file under its stem, by which the classes in it are found again.

    Raises:
        ConfigError: when there is no such file, another module has its name, or it cannot be imported.
    """
    path = path.expanduser().resolve()
    if not path.is_file():
        raise ConfigError(f"there is no file {path}: give what is your own as path/file.py:Class")
    loaded = sys.modules.get(path.stem)
    if loaded is not None:
        if getattr(loaded, "__file__", None) == str(path):
            return loaded
        raise ConfigError(f"{path} has the name of another module, {path.stem}: rename the file")
    spec = importlib.util.spec_from_file_location(path.stem, path, loader=OwnFile(path.stem, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[path.stem]
        raise import_failed(str(path), error) from error
    return module


def import_failed(what: str, error: BaseException) -> ConfigError:
    """Return the error of an import in one line."""
    return ConfigError(f"cannot import {what}: {type(error).__name__}: {error}; add --debug to see where")


def failed_in_own_file(error: BaseException) -> ConfigError | None:
    """Return an error of a user's file in one line, with its place there; ``None`` for any other.

    It is the file's where the innermost of the frames that are the file's or this package's is the file's: one that is
    raised in our code is ours, though a user's called it, and one in a library is of whoever called the library.
    """
    told = f"{type(error).__name__}: {error}"
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        if isinstance(frame.f_globals.get("__loader__"), OwnFile):
            return ConfigError(
                f"{frame.f_code.co_filename}, line {line}: {told}: correct it; add --debug to see the traceback"
            )
        if str(frame.f_globals.get("__name__")).partition(".")[0] == _PACKAGE:
            return None
    return None


def source_of(cls: type) -> str | None:
    """Return the file of a class in a module of its own, ``None`` for one in a package or in a running script.

    To import a script by its file would run it a second time.
    """
    if cls.__module__ == "__main__":
        return None
    path = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return None if path is None or "." in cls.__module__ else str(Path(path).resolve())
