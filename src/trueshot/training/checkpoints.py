"""Checkpoints: one file with a checksum, read without running code from it."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import torch

from trueshot.core.errors import CheckpointError
from trueshot.core.files import write_bytes

_MAGIC = b"trueshot-checkpoint-1\n"


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values to ``path`` atomically.

    Raises:
        RunError: when it cannot be written, for example because the disk is full; the former file then stays.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = buffer.getvalue()
    write_bytes(path, _MAGIC + hashlib.sha256(payload).digest() + payload)


def forget_checkpoint(path: Path) -> None:
    """Remove a checkpoint, where there is one, and what a process left that was killed while it wrote one."""
    for left in [path, *path.parent.glob(f".{path.name}.*.tmp")]:
        left.unlink(missing_ok=True)


def load_checkpoint(path: Path, *, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote.

    Raises:
        CheckpointError: when the file is absent, foreign or corrupt.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read checkpoint {path}: {error.strerror or error}") from error
    if not raw.startswith(_MAGIC):
        raise CheckpointError(f"{path} is no trueshot checkpoint: give a file that trueshot wrote, or remove it")
    start = len(_MAGIC) + hashlib.sha256().digest_size
    if hashlib.sha256(raw[start:]).digest() != raw[len(_MAGIC) : start]:
        raise CheckpointError(f"checkpoint {path} is corrupt (its checksum differs): remove it and --resume the run")
    try:
        content = torch.load(io.BytesIO(raw[start:]), map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            f"{path} is no trueshot checkpoint: it holds more than tensors and plain values"
        ) from error
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise CheckpointError(f"{path} is no trueshot checkpoint: it holds {kind}, not a dictionary")
    return content
