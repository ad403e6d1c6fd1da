"""Atomic files: a reader sees the old content or the new one, never a part, whatever kills the writer."""

from __future__ import annotations

import contextlib
import errno
import json
import os
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
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(
                f"disk full while writing {path}: free some space and repeat the command with --resume"
            ) from error
        raise RunError(f"cannot write {path}: {error.strerror or error}; check the path and its permissions") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


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
