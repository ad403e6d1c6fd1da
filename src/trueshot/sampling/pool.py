"""A pool of architectures in a file, of which alone a supernet is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from trueshot.core.errors import ArchitectureError, ConfigError, DataError
from trueshot.core.fingerprint import fingerprint
from trueshot.core.tables import read_table
from trueshot.spaces import Space


def pool_digest(file: str) -> str:
    """Return a fingerprint of the architectures in a file, by which a change of it is noticed.

    Raises:
        DataError: when the file cannot be read, has no column ``arch``, or is empty.
    """
    return fingerprint(_texts(file))


def read_pool(file: str, space: Space, digest: str | None = None) -> UInt8[np.ndarray, "n decisions"]:
    """Read the architectures of a Parquet or CSV file with a column ``arch``; repeats are kept.

    Args:
        file: its path.
        space: of the architectures.
        digest: of the architectures when the run began, ``None`` if they may be any.

    Raises:
        DataError: as :func:`pool_digest`, or naming the first row that is no architecture of the space.
        ConfigError: when the architectures are others than those of ``digest``.
    """
    texts = _texts(file)
    if digest not in (None, fingerprint(texts)):
        raise ConfigError(f"the pool {file} holds other architectures than when the run began: put the old file back")
    rows = np.empty((len(texts), len(space.decisions)), dtype=np.uint8)
    for position, text in enumerate(texts):
        try:
            rows[position] = space.parse(text)
        except ArchitectureError as error:
            raise DataError(
                f"the pool {file}, row {position + 1}, '{text}', is no architecture of {space.name}: {error}"
            ) from error
    return rows


def _texts(file: str) -> list[str]:
    table = read_table(Path(file), ("arch",))
    if not len(table):
        raise DataError(f"the pool {file} has no architectures: give at least one row")
    return [str(text) for text in table["arch"]]
