"""How local workers are started, and how they end with the process that started them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_LOOK_EVERY = 0.2
"""Seconds between two looks of a worker at whether its parent is there."""

_PATIENCE = 10.0
"""Seconds after which a forked process that does nothing but one backward pass counts as stuck."""


def cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_method(threads: int) -> str:
    """Return how workers are started: ``fork``, which copies nothing and imports nothing, where it is safe.

    It is not where the parent may hold a GPU, nor for workers of several threads: GNU's OpenMP waits for ever for the
    threads of its parent. Nor is it where PyTorch has threads for the backward pass, which it starts as soon as any
    device but the CPU is known to it; an export to ONNX makes such a one known. It then refuses a backward pass in
    forked processes, and has no function that says so; therefore a forked process tries. Else it is ``spawn``.
    """
    if sys.platform != "linux" or threads > 1:
        return "spawn"
    torch = sys.modules.get("torch")
    if torch is None:
        return "fork"
    return "fork" if not torch.cuda.is_available() and _forked_backward_works() else "spawn"


def _forked_backward_works() -> bool:
    """Say whether a process forked from this one can do a backward pass."""
    import torch

    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            torch.set_num_threads(1)
            with torch.enable_grad():
                torch.ones(1, requires_grad=True).sum().backward()
            code = 0
        finally:
            os._exit(code)
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def end_with(parent: int) -> None:
    """End this process soon after its parent has ended, however that was, whatever is done here meanwhile."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY)
        os._exit(1)

    threading.Thread(target=look, name="trueshot-parent", daemon=True).start()


@contextlib.contextmanager
def helpers_end_with_this_process() -> Iterator[None]:
    """Have a shell kill the agents of a Ray cluster that this process started if this process is killed in the block.

    All else of the cluster ends at once or within seconds then; its agents, which hold no job, would stay for a minute.
    """
    agents = [str(pid) for pid in _descendants(os.getpid()) if b"agent" in _proc(pid, "cmdline").lower()]
    script = ["sh", "-c", 'read -r _; kill -9 "$@"', "sh", *agents]
    # Its standard input ends when this process does, however that is.
    guard = subprocess.Popen(script, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        guard.kill()
        guard.communicate()


def _descendants(pid: int) -> list[int]:
    """Return the processes that this one started, those that they started, and so on; none where there is no /proc."""
    tasks = Path(f"/proc/{pid}/task")
    threads = [task.name for task in tasks.iterdir()] if tasks.exists() else []
    children = [int(child) for thread in threads for child in _proc(pid, f"task/{thread}/children").split()]
    return children + [other for child in children for other in _descendants(child)]


def _proc(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
