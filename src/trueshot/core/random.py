"""Named, counter-based random streams.

Every draw is addressed by ``(seed, name, counters)`` instead of by how many draws came before, so that a resumed run
needs no saved generator state: step 731 draws the same numbers whether or not the process was killed at step 500.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Streams:
    """Factory of independent generators under one seed (any non-negative integer)."""

    seed: int

    def key(self, name: str, *counters: int) -> int:
        """Return the 63-bit key of a stream; equal arguments give equal keys on every machine."""
        text = repr((self.seed, name, *map(int, counters)))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1

    def numpy(self, name: str, *counters: int) -> np.random.Generator:
        """Return a fresh NumPy generator for the named stream."""
        return np.random.default_rng(self.key(name, *counters))

    def torch(self, name: str, *counters: int, device: str | torch.device = "cpu") -> torch.Generator:
        """Return a fresh PyTorch generator for the named stream on ``device``."""
        import torch

        return torch.Generator(device=device).manual_seed(self.key(name, *counters))

    def child(self, name: str, *counters: int) -> Streams:
        """Return streams of their own for a part of the work, such as one of several retrained networks."""
        return Streams(self.key(name, *counters))

    @contextlib.contextmanager
    def forked(self, name: str, *counters: int) -> Iterator[None]:
        """Seed the global generators of Python, NumPy and PyTorch inside the block and restore them after it.

        For library code that takes no generator (dropout, weight initialisation, augmentations of other packages).
        """
        import torch

        key = self.key(name, *counters)
        python_state = random.getstate()
        numpy_state = np.random.get_state()  # noqa: NPY002
        try:
            with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
                random.seed(key)
                np.random.seed(key % 2**32)  # noqa: NPY002
                torch.manual_seed(key)
                yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
