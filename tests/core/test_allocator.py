from __future__ import annotations

import subprocess
import sys

import pytest

from trueshot.core.allocator import keep_freed_memory

COUNT = """
import mmap, resource, sys
import torch
from trueshot.core.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
for number in range(30):
    if number == 20:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for block in [torch.ones(10 * 2**20) for _ in range(3)]:
        del block
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * mmap.PAGESIZE / 2**20)
"""


def faulted(how):
    """Return the MB that ten rounds of three blocks of 40 MB fault in, after twenty rounds of the same."""
    command = [sys.executable, "-c", COUNT, how]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be told")
def test_freed_memory_is_used_again_instead_of_being_faulted_in_anew():
    assert faulted("default") > 1000
    assert faulted("keep") < 50


def test_elsewhere_it_says_that_it_did_nothing(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False


def test_a_c_library_without_it_is_left_alone(monkeypatch):
    monkeypatch.setattr("trueshot.core.allocator.ctypes.CDLL", lambda _: object())
    assert keep_freed_memory() is False
