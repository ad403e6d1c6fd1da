"""Jobs in processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, final

from trueshot.core.errors import ConfigError
from trueshot.core.executor.protocol import (
    RESTARTS,
    Failure,
    Job,
    JobFunction,
    OnPart,
    OnProgress,
    OnResult,
    Throttled,
    died,
    ignore,
    outcome,
    portable,
)
from trueshot.core.executor.start import end_with, start_method

_WAKE_EVERY = 1.0
"""Seconds after which the parent looks for dead workers even if nothing reports: a process that a worker started may
hold its pipes open."""


@final
class Local:
    """Does jobs in processes of this machine; a dead one is replaced.

    Args:
        workers: processes at most.
        method: how they are started, ``fork`` or ``spawn``; chosen by
            :func:`~trueshot.core.executor.start.start_method` without it.

    Raises:
        ConfigError: when there is no worker.
    """

    def __init__(self, workers: int, *, method: str | None = None) -> None:
        if workers < 1:
            raise ConfigError(f"--workers {workers}: at least one is needed")
        self.workers, self._method = workers, method

    @property
    def device_share(self) -> float:
        """All workers share one GPU."""
        return 1.0 / self.workers

    def run(
        self,
        do: JobFunction,
        jobs: Sequence[Job],
        *,
        on_progress: OnProgress,
        on_result: OnResult,
        on_part: OnPart = ignore,
    ) -> list[Failure]:
        """Do all jobs, see :class:`~trueshot.core.executor.Executor`."""
        if not jobs:
            return []
        method = self._method or start_method(max(job.threads for job in jobs))
        pool = _Pool(do, jobs, method, _Told(on_progress, on_result, on_part))
        try:
            return pool.run(self.workers)
        finally:
            pool.stop()


@dataclass
class _Worker:
    """A process, our end of its pipe, and the position of the job that it is at."""

    process: BaseProcess
    connection: Connection
    content: bytes | None
    job: int | None = None

    def give(self, index: int, job: Job) -> None:
        """Send a job, the first time with what is to be done; a worker that is gone is found out later."""
        message = pickle.dumps((job.value, job.threads))
        self.job = index
        with contextlib.suppress(OSError):
            if self.content is not None:
                self.connection.send_bytes(self.content)
                self.content = None
            self.connection.send_bytes(message)

    def receive(self) -> tuple[str, Any] | None:
        """Return the next message, ``("death", how)`` when there will be none, ``None`` when there is none yet."""
        # Asked first: whatever a worker wrote before it ended is then in the pipe.
        ended = self.process.exitcode is not None
        content = None
        try:
            if self.connection.poll():
                content = self.connection.recv_bytes()
        except (EOFError, OSError):
            ended = True
        if content is not None:
            message: tuple[str, Any] = pickle.loads(content)
            return message
        return ("death", self._end()) if ended else None

    def _end(self) -> str:
        # One that closed its pipe and lives on would do so for ever.
        self.process.join(_WAKE_EVERY)
        self.process.kill()
        self.process.join()
        code = self.process.exitcode or 0
        return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"


class _Told(NamedTuple):
    """Who is told of what jobs say."""

    progress: OnProgress
    result: OnResult
    part: OnPart


class _Pool:
    """The parent's side: hands jobs out, listens, replaces the dead."""

    def __init__(self, do: JobFunction, jobs: Sequence[Job], method: str, told: _Told) -> None:
        self._do, self._jobs, self._told = do, jobs, told
        self._context: Any = multiprocessing.get_context(method)
        # A forked worker has it in memory.
        self._content = None if method == "fork" else pickle.dumps(do)
        self._waiting = deque(range(len(jobs)))
        self._deaths: Counter[int] = Counter()
        self._failures: dict[int, Failure] = {}
        self._workers: list[_Worker] = []

    def run(self, count: int) -> list[Failure]:
        """Do all jobs with so many workers."""
        while self._waiting or any(worker.job is not None for worker in self._workers):
            self._staff(count)
            busy = [worker for worker in self._workers if worker.job is not None]
            wait([end for worker in busy for end in (worker.connection, worker.process.sentinel)], _WAKE_EVERY)
            for worker in busy:
                self._listen(worker)
        return [self._failures[index] for index in sorted(self._failures)]

    def stop(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()

    def _staff(self, count: int) -> None:
        """Start workers up to ``count`` or the number of jobs left, then give every idle one a job."""
        alive = [worker for worker in self._workers if worker.job is not None or worker.process.is_alive()]
        busy = sum(worker.job is not None for worker in alive)
        self._workers = alive
        while len(self._workers) < min(count, busy + len(self._waiting)):
            self._workers.append(self._start())
        for worker in self._workers:
            if worker.job is None and self._waiting:
                index = self._waiting.popleft()
                worker.give(index, self._jobs[index])

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        do = self._do if self._content is None else None
        process = self._context.Process(target=_serve, args=(theirs, os.getpid(), do), daemon=False)
        process.start()
        theirs.close()
        return _Worker(process, ours, self._content)

    def _listen(self, worker: _Worker) -> None:
        """Take in all that a worker has to say."""
        while (index := worker.job) is not None and (message := worker.receive()) is not None:
            kind, value = message
            if kind == "progress":
                self._told.progress(index, value)
                continue
            if kind == "part":
                self._told.part(index, value)
                continue
            worker.job = None
            if kind == "result":
                self._told.result(index, value)
            elif kind == "error":
                self._failures[index] = Failure(index, self._jobs[index], value)
            else:
                self._bury(worker, index, value)

    def _bury(self, worker: _Worker, index: int, how: str) -> None:
        worker.connection.close()
        self._workers.remove(worker)
        self._deaths[index] += 1
        if self._deaths[index] > RESTARTS:
            self._failures[index] = Failure(index, self._jobs[index], died(self._jobs[index], how))
        else:
            self._waiting.appendleft(index)


def _serve(connection: Connection, parent: int, do: JobFunction | None) -> None:
    """The worker's side: do jobs until the parent ends this process, or itself."""
    # Ctrl-C reaches the whole group of processes, and the parent alone decides what it means; what a forked worker
    # inherits for being terminated is the parent's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with(parent)
    tell = Throttled(lambda message: connection.send_bytes(pickle.dumps(message)))
    # A pipe without its other end: the parent is gone, and so will this process be in a moment.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        content = connection.recv_bytes() if do is None else b""
        load: Any = cache(lambda: pickle.loads(content) if do is None else do)
        while True:
            value, threads = pickle.loads(connection.recv_bytes())
            message = outcome(load, value, threads, tell)
            try:
                answer = pickle.dumps(message)
            except Exception as error:
                answer = pickle.dumps(("error", portable(error)))
            connection.send_bytes(answer)
