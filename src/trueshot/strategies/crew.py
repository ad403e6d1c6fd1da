"""Independent jobs spread over processes that end when the one that started them does, however it ends."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, runtime_checkable

import torch

from trueshot.core.errors import RunError, TrueshotError

_TELL_EVERY = 0.5
"""Seconds between two messages on how far a job is."""

Tell = Callable[[int], None]
"""Called by a job with the number of units that it has done."""


@runtime_checkable
class Do(Protocol):
    """What is done with every job; with processes that are started afresh it must be picklable."""

    def __call__(self, job: Any, tell: Tell) -> Any:
        """Return the result of ``job``, a plain value."""


def start_method(threads: int) -> str:
    """Return how processes are started: ``fork``, which copies nothing and imports nothing, where it is safe.

    It is not where the parent may hold a GPU, nor for processes of several threads: GNU's OpenMP waits for ever for the
    threads of its parent. There it is ``spawn``.
    """
    safe = sys.platform == "linux" and threads == 1 and not torch.cuda.is_available()
    return "fork" if safe else "spawn"


def run_jobs(
    do: Do,
    jobs: Sequence[Any],
    *,
    workers: int,
    threads: int,
    on_progress: Callable[[int, int], None],
    on_result: Callable[[int, Any], None],
    method: str | None = None,
) -> None:
    """Do all jobs, those that come first first.

    Args:
        do: what to do with each.
        jobs: plain values.
        workers: processes; with one, everything is done in this process.
        threads: of PyTorch in each of them.
        on_progress: told the position of a job and how many of its units are done, now and then.
        on_result: told the position of a job and its result, as soon as it is there.
        method: how to start processes, see :func:`start_method`.

    Raises:
        TrueshotError: the first that a job raised; the other workers are stopped.
        RunError: when a worker died.
    """
    workers = min(workers, len(jobs))
    if workers > 1:
        _Crew(do, jobs, workers, threads, method or start_method(threads), on_progress, on_result).run()
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for index, job in enumerate(jobs):
            on_result(index, do(job, lambda done, index=index: on_progress(index, done)))  # type: ignore[misc]
    finally:
        torch.set_num_threads(before)


class _Crew:
    """The parent's side: hands jobs out and listens."""

    def __init__(
        self,
        do: Do,
        jobs: Sequence[Any],
        workers: int,
        threads: int,
        method: str,
        on_progress: Callable[[int, int], None],
        on_result: Callable[[int, Any], None],
    ) -> None:
        self._jobs, self._on_progress, self._on_result = jobs, on_progress, on_result
        self._start = (do, workers, threads, method)
        self._waiting = iter(range(len(jobs)))
        self._members: dict[Connection, BaseProcess] = {}
        self._busy: dict[Connection, int] = {}

    def run(self) -> None:
        """Do all jobs; whatever happens, no worker is left."""
        try:
            self._hire(*self._start)
            for connection in self._members:
                self._hand_out(connection)
            while self._busy:
                for ready in wait(list(self._busy)):
                    assert isinstance(ready, Connection)
                    self._listen(ready)
        finally:
            for connection, process in self._members.items():
                if self._busy:
                    process.terminate()
                connection.close()
            for process in self._members.values():
                process.join()

    def _hire(self, do: Do, workers: int, threads: int, method: str) -> None:
        context: Any = multiprocessing.get_context(method)
        forks = method == "fork"
        for _ in range(workers):
            ours, theirs = context.Pipe()
            # A forked child holds copies of the parent's ends, and as long as it does no worker sees the parent gone.
            foreign = (*self._members, ours) if forks else ()
            process = context.Process(target=_serve, args=(theirs, foreign, threads, do if forks else None))
            process.start()
            theirs.close()
            self._members[ours] = process
        if not forks:
            # Sent only now, for a worker that still imports would hold up the start of the next.
            content = pickle.dumps(do)
            for connection in self._members:
                connection.send_bytes(content)

    def _hand_out(self, connection: Connection) -> None:
        index = next(self._waiting, None)
        if index is None:
            self._busy.pop(connection, None)
            return
        connection.send(self._jobs[index])
        self._busy[connection] = index

    def _listen(self, connection: Connection) -> None:
        index = self._busy[connection]
        try:
            kind, value = connection.recv()
        except (EOFError, OSError) as error:
            process = self._members[connection]
            process.join()
            code = process.exitcode or 0
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            raise RunError(
                f"a worker {how} at job {index + 1} of {len(self._jobs)}: if memory is short take fewer --workers;"
                " repeat the command to go on"
            ) from error
        if kind == "progress":
            self._on_progress(index, value)
        elif kind == "result":
            self._on_result(index, value)
            self._hand_out(connection)
        elif kind == "error":
            raise value
        else:
            raise RuntimeError(f"a worker failed:\n{value}")


def _serve(connection: Connection, foreign: Sequence[Connection], threads: int, do: Do | None) -> None:
    """The worker's side: do jobs until the parent closes the connection or dies."""
    # Ctrl-C reaches the whole group of processes; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in foreign:
        other.close()
    torch.set_num_threads(threads)
    told = 0.0

    def tell(done: int) -> None:
        nonlocal told
        if time.monotonic() - told > _TELL_EVERY:
            told = time.monotonic()
            connection.send(("progress", done))

    try:
        todo: Do = pickle.loads(connection.recv_bytes()) if do is None else do
        while True:
            job = connection.recv()
            connection.send(_done(todo, job, tell))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _done(do: Do, job: Any, tell: Tell) -> tuple[str, Any]:
    try:
        return "result", do(job, tell)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except TrueshotError as error:
        return "error", error
    except Exception:
        return "defect", traceback.format_exc()
