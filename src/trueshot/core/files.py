"""Atomic files: a reader sees the old content or the new one, never a part, whatever kills the writer."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trueshot.core.errors import RunError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and move it over ``path`` when the block succeeds.

    Raises:
        RunError: when the file cannot be written, for example because the disk is full; ``path`` is then unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_folder(path: Path) -> None:
    """See that a folder is there or can be made; none is left behind.

    Raises:
        RunError: when it cannot.
    """
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def not_written(path: Path, error: OSError) -> RunError:
    """Return the error of a file that cannot be written in one line, with the remedy that fits."""
    told = f"cannot write {path}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunError(f"disk full while writing {path}: free some space and repeat the command with --resume")
    if error.errno == errno.EFBIG:
        return RunError(f"{told}; raise the limit on the size of files (ulimit -f) and repeat with --resume")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return RunError(f"{told}: its folder cannot be made; check the path")
    return RunError(f"{told}; check the path and its permissions")


def is_leftover(path: Path) -> bool:
    """Return whether ``path`` is what a killed writer left behind; it may be removed."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text to ``path`` atomically."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: dict[str, Any], *, version: int = 1) -> None:
    """Write ``content`` as JSON with a ``version`` key, atomically."""
    write_text(path, json.dumps({"version": version, **content}, indent=2, allow_nan=False) + "\n")


def read_json(path: Path, *, version: int = 1) -> dict[str, Any]:
    """Read a JSON object written by :func:`write_json`.

    Raises:
        RunError: when the file is absent, no JSON object, or of another version.
    """
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise RunError(f"{path} is not valid JSON ({error}): it was not written by trueshot or was edited") from error
    if not isinstance(content, dict) or content.get("version") != version:
        found = content.get("version") if isinstance(content, dict) else None
        raise RunError(
            f"{path} has version {found}, this trueshot reads version {version}: use the release that wrote it"
        )
    return content
