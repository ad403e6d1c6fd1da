from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from trueshot.core.allocator import keep_freed_memory

RESIDENT = """
import ctypes, mmap, sys
from pathlib import Path
from trueshot.core.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
c.memset.argtypes, c.free.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t], [ctypes.c_void_p]
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE / 2**20
before = resident()
for size in (8, 8, 40):
    blocks = [c.malloc(size * 2**20) for _ in range(10)]
    for block in blocks:
        c.memset(block, 1, size * 2**20)
    for block in blocks:
        c.free(block)
print(resident() - before)
"""


def left_resident(how):
    """Return the MB that stay in a process which allocated and freed 80 MB in blocks of 8, then 400 in blocks of 40."""
    command = [sys.executable, "-c", RESIDENT, how]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_freed_memory_stays_but_for_the_largest_blocks():
    assert left_resident("default") < 20
    assert 70 < left_resident("keep") < 110


def test_elsewhere_it_says_that_it_did_nothing(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False


def test_a_c_library_without_it_is_left_alone(monkeypatch):
    monkeypatch.setattr("trueshot.core.allocator.ctypes.CDLL", lambda _: object())
    assert keep_freed_memory() is False
