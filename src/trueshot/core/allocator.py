"""How the C library hands out memory in this process."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's ``mallopt``."""
_NEVER = 2**31 - 1
_LARGE = 2**24
"""Bytes from which a block is still mapped by itself: so large a hole is seldom filled again."""


def keep_freed_memory() -> bool:
    """Have freed memory kept for what this process allocates next, instead of being returned to the system.

    A training step frees all of its activations, and the next step needs as much again. By default glibc maps blocks
    beyond some size from the system one by one and returns free memory at the end of its heap; each page then costs a
    fault, and zeroing, in every step. Blocks of 16 MB and more are still mapped by themselves. Values of numbers are
    not touched by this, nor is peak memory beyond a few per cent, but the process holds on to its peak until it ends.

    Returns:
        Whether it took effect; it cannot where the C library is not glibc.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all([bool(mallopt(_MMAP_THRESHOLD, _LARGE)), bool(mallopt(_TRIM_THRESHOLD, _NEVER))])
