"""Jobs on a Ray cluster, or on one that is started here for them."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final, no_type_check

from trueshot.core.errors import ConfigError, RunError
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
from trueshot.core.executor.start import cores, helpers_end_with_this_process

_QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""No usage statistics are sent anywhere, and jobs without a share of a GPU do not warn of changes ahead."""

_STARTS = 3
"""Attempts at starting a cluster."""

_ANSWER = 10.0
"""Seconds in which a cluster must answer."""

_WAKE_EVERY = 1.0
"""Seconds between two chances to notice Ctrl-C."""


def import_ray() -> Any:
    """Import Ray, which is an extra.

    Raises:
        ConfigError: with the command that installs it.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "--executor ray needs the package ray: install it with pip install 'trueshot[ray]'"
        ) from error
    return ray


@final
class Ray:
    """Does jobs on a Ray cluster whose machines share this one's files: the run directory and the program.

    Where this process is connected to a cluster already, that one is used and stays connected. What Ray prints while
    jobs are done goes to standard error, never to standard output.

    Args:
        workers: jobs at the same time; without it as many as processors or, on a cluster that is joined, as there is
            room for.
        address: of the cluster to join, such as ``10.0.0.1:6379`` or ``auto``; without it one is started on this
            machine, and shut down after the jobs.

    Raises:
        ConfigError: when there is no worker.
    """

    def __init__(self, workers: int | None, *, address: str | None = None) -> None:
        if workers is not None and workers < 1:
            raise ConfigError(f"--workers {workers}: at least one is needed")
        self.workers = cores() if workers is None and address is None else workers
        self.address = address

    @property
    def device_share(self) -> float:
        """All workers share the GPUs of this machine; on a cluster that is joined each has a GPU of its own."""
        if self.address is not None or self.workers is None:
            return 1.0
        import torch

        return min(1.0, max(1, torch.cuda.device_count()) / self.workers)

    def run(
        self,
        do: JobFunction,
        jobs: Sequence[Job],
        *,
        on_progress: OnProgress,
        on_result: OnResult,
        on_part: OnPart = ignore,
    ) -> list[Failure]:
        """Do all jobs, see :class:`~trueshot.core.executor.Executor`.

        Raises:
            ConfigError: when there is no Ray, no cluster at the address, or none of its machines has what a job needs.
        """
        if not jobs:
            return []
        ray = import_ray()
        # Ray reports deaths of workers on standard output, whatever its level of logging.
        connection = contextlib.nullcontext() if ray.is_initialized() else self._connected(ray, jobs)
        with contextlib.redirect_stdout(sys.stderr), connection:
            _refuse_impossible(ray, jobs)
            return _Tasks(ray, do, jobs, on_progress, on_result, on_part).run(self.workers or len(jobs))

    @contextlib.contextmanager
    def _connected(self, ray: Any, jobs: Sequence[Job]) -> Iterator[None]:
        """Join the cluster, or start one with room for all workers, and leave or end it after the block."""
        try:
            self._connect(ray, max(job.threads for job in jobs))
            with helpers_end_with_this_process() if self.address is None else contextlib.nullcontext():
                yield
        finally:
            ray.shutdown()

    def _connect(self, ray: Any, threads: int) -> None:
        if self.address is None:
            start_cluster(cores() if self.workers is None else self.workers * threads)
            return
        try:
            # Ray itself would ask for minutes, and then end this process.
            host, _, port = self.address.rpartition(":")
            if self.address != "auto":
                socket.create_connection((host, int(port)), _ANSWER).close()
            ray.init(self.address, **_QUIET)
        except (OSError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"--ray {self.address}: there is no cluster to join ({str(error).splitlines()[0]}): give HOST:PORT as"
                " ray start --head prints it, or auto, or leave --ray out"
            ) from error


def start_cluster(processors: int) -> None:
    """Start a cluster on this machine that thinks it has so many processors, and connect this process to it.

    Raises:
        RunError: when it does not start.
    """
    ray = import_ray()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for attempt in range(_STARTS):
        try:
            ray.init("local", num_cpus=processors, include_dashboard=False, **_QUIET)
            return
        except Exception as error:
            # Of no type of its own: Ray gives a busy machine half a minute.
            ray.shutdown()
            if attempt == _STARTS - 1:
                reason = str(error).splitlines()[0]
                raise RunError(f"Ray does not start on this machine ({reason}): leave --executor ray out") from error


def _refuse_impossible(ray: Any, jobs: Sequence[Job]) -> None:
    """Refuse jobs that would wait for ever."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for threads, share in {(job.threads, job.device_share) for job in jobs}:
        if not any(has.get("CPU", 0) >= threads and has.get("GPU", 0) >= share for has in machines):
            raise ConfigError(
                f"no machine of the Ray cluster has {threads} processors"
                + (f" and {share:g} of a GPU" if share else "")
                + " for a job: ask for fewer threads, or add a machine that has"
            )


class _Tasks:
    """The parent's side: submits jobs, listens, submits those again whose worker died."""

    def __init__(
        self,
        ray: Any,
        do: JobFunction,
        jobs: Sequence[Job],
        on_progress: OnProgress,
        on_result: OnResult,
        on_part: OnPart,
    ) -> None:
        self._ray, self._jobs = ray, jobs
        self._on_progress, self._on_result, self._on_part = on_progress, on_result, on_part
        # Packed by itself, so that workers know where to find modules before they read it.
        self._content = ray.put(ray.cloudpickle.dumps(do))
        self._where = _Where(os.getcwd(), tuple(sys.path))
        self._remote = ray.remote(serve)
        self._waiting = deque(range(len(jobs)))
        self._running: dict[Any, int] = {}
        self._deaths: Counter[int] = Counter()
        self._failures: dict[int, Failure] = {}

    def run(self, count: int) -> list[Failure]:
        """Do all jobs, so many at the same time."""
        try:
            while self._waiting or self._running:
                while self._waiting and len(self._running) < count:
                    self._submit(self._waiting.popleft())
                ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=_WAKE_EVERY)
                for stream in ready:
                    self._listen(stream)
        finally:
            for stream in self._running:
                self._ray.cancel(stream, force=True)
        return [self._failures[index] for index in sorted(self._failures)]

    def _submit(self, index: int) -> None:
        job = self._jobs[index]
        needs = {"num_cpus": job.threads, "num_gpus": job.device_share}
        task = self._remote.options(num_returns="streaming", max_retries=0, name=job.name, **needs)
        self._running[task.remote(self._content, self._where, job.value, job.threads)] = index

    def _listen(self, stream: Any) -> None:
        """Take in the next message of a job."""
        errors = self._ray.exceptions
        try:
            kind, value = self._ray.get(next(stream))
        except errors.RayTaskError as error:
            # What keeps a worker from starting on a job, such as a module that is not there.
            kind, value = "error", portable(RuntimeError(f"a worker cannot do the job: {error}"))
        except (errors.RayError, StopIteration) as error:
            kind, value = "death", f"ended as Ray's {type(error).__name__}"
        index = self._running[stream]
        if kind == "progress":
            self._on_progress(index, value)
            return
        if kind == "part":
            self._on_part(index, value)
            return
        del self._running[stream]
        if kind == "result":
            self._on_result(index, value)
        elif kind == "death" and self._deaths[index] < RESTARTS:
            self._deaths[index] += 1
            self._waiting.appendleft(index)
        else:
            failed = died(self._jobs[index], value) if kind == "death" else value
            self._failures[index] = Failure(index, self._jobs[index], failed)


@dataclass(frozen=True)
class _Where:
    """Where the parent is: its working directory, from which paths may be told, and the path of its modules."""

    folder: str
    path: tuple[str, ...]

    def enter(self) -> None:
        """Have this worker be there too."""
        try:
            os.chdir(self.folder)
        except OSError as error:
            raise RunError(
                f"machine {socket.gethostname()} of the Ray cluster has no folder {self.folder}: its machines must"
                " share the files of this one"
            ) from error
        sys.path += [folder for folder in self.path if folder not in sys.path]


@no_type_check  # what checks types while the tests run would make it another function than the generator Ray asks for
def serve(content: bytes, where: _Where, value: Any, threads: int) -> Iterator[tuple[str, Any]]:
    """Do a job in a worker: yield how far it is now and then, and its result or error in the end."""
    messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    # The number of PyTorch's threads is one of the thread that computes, which is this one.
    threading.Thread(target=_work, args=(content, where, value, threads, messages), daemon=True).start()
    while True:
        message = messages.get()
        yield message
        if message[0] not in ("progress", "part"):
            return


def _work(
    content: bytes, where: _Where, value: Any, threads: int, messages: queue.SimpleQueue[tuple[str, Any]]
) -> None:
    def load() -> JobFunction:
        where.enter()
        do: JobFunction = import_ray().cloudpickle.loads(content)
        return do

    messages.put(outcome(load, value, threads, Throttled(messages.put)))
