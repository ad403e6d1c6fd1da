"""What an executor is: jobs in, results out one by one, and a list of the jobs that failed."""

from __future__ import annotations

import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from trueshot.core.errors import RunError, TrueshotError
from trueshot.core.modules import failed_in_own_file

RESTARTS = 2
"""How often a job goes on in another worker after its worker died."""

TELL_EVERY = 0.5
"""Seconds between two messages of a worker on how far its job is."""


@dataclass(frozen=True)
class Handed:
    """What a job hands over before it ends, plain and picklable: the parent keeps it, whatever becomes of the job."""

    value: Any


Tell = Callable[[int | Handed], None]
"""Called by a job with the number of units that it has done so far, or with a part of what it found."""


@runtime_checkable
class JobFunction(Protocol):
    """What is done with every job; it must be picklable, for workers may be fresh processes or other machines.

    It may be called again with the same value when a worker died, and should then go on from a checkpoint of its own.
    """

    def __call__(self, value: Any, tell: Tell, /) -> Any:
        """Return the result for the value of a job: plain, picklable values."""


@dataclass(frozen=True)
class Job:
    """One piece of work that depends on no other.

    Attributes:
        value: what ``do`` is called with; plain and picklable.
        name: how a failure of it is told to people.
        threads: of PyTorch while it is done; the processors it occupies on a cluster.
        device_share: of one GPU, 0 where it needs none; a cluster places as many jobs on a GPU as shares make one.
    """

    value: Any
    name: str
    threads: int = 1
    device_share: float = 0.0


@dataclass(frozen=True)
class Failure:
    """A job that failed.

    Attributes:
        index: position of the job among those given.
        job: the job.
        error: what it raised, of its own type; what a worker raised carries the worker's traceback as a note.
    """

    index: int
    job: Job
    error: Exception


OnProgress = Callable[[int, int], None]
"""Told the position of a job and how many of its units are done; after the death of a worker these may be fewer."""

OnResult = Callable[[int, Any], None]
"""Told the position of a job and its result."""

OnPart = Callable[[int, Any], None]
"""Told the position of a job and what it handed over; after the death of a worker the same may come again."""


def ignore(index: int, value: Any) -> None:
    """Do nothing with what a job handed over."""


@runtime_checkable
class Executor(Protocol):
    """Does independent jobs, wherever."""

    @property
    def workers(self) -> int | None:
        """Jobs done at the same time; ``None`` for as many as a cluster has room for."""

    @property
    def device_share(self) -> float:
        """The share of a GPU that lets all workers have one."""

    def run(
        self,
        do: JobFunction,
        jobs: Sequence[Job],
        *,
        on_progress: OnProgress,
        on_result: OnResult,
        on_part: OnPart = ignore,
    ) -> list[Failure]:
        """Do all jobs, those that come first first, and leave no worker behind, however it ends.

        Args:
            do: what to do with the value of each job.
            jobs: the work.
            on_progress: told of progress now and then, in this process.
            on_result: told each result as soon as it is there, in this process; what must be kept is kept by it.
            on_part: told what jobs hand over before they end, as soon as it is there, in this process.

        Returns:
            The jobs that failed, in the order of ``jobs``; the others are done all the same.
        """


def raise_failures(failures: Sequence[Failure], say: Callable[[str], None]) -> None:
    """Say which jobs failed, a line each, and raise the error of one; a defect of the program goes first.

    Raises:
        Exception: the error of the first defect, else that of the first failure; nothing where nothing failed.
    """
    if not failures:
        return
    chosen = min(failures, key=lambda failure: isinstance(failure.error, TrueshotError)).error
    for failure in failures:
        if failure.error is not chosen:
            say(f"failed: {failure.job.name}: {' '.join(str(failure.error).split())}")
    raise chosen


def outcome(load: Callable[[], JobFunction], value: Any, threads: int, tell: Tell) -> tuple[str, Any]:
    """Do a job in a worker: return ``("result", value)`` or ``("error", exception that can be sent)``."""
    try:
        do = load()
        _limit_threads(threads)
        return "result", do(value, tell)
    except TrueshotError as error:
        return "error", portable(error)
    except (Exception, SystemExit) as error:
        # Other processes do not see where it was raised.
        mistake = failed_in_own_file(error)
        if mistake is None:
            if isinstance(error, SystemExit):
                raise
            return "error", portable(error)
        mistake.__cause__ = error
        return "error", portable(mistake)


def _limit_threads(threads: int) -> None:
    """Set the threads of PyTorch in a worker; where nothing has imported it yet, those that it will start with."""
    torch = sys.modules.get("torch")
    if torch is None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    else:
        torch.set_num_threads(threads)


def portable(error: Exception) -> Exception:
    """Return an error that another process can read: the same with its traceback as a note, or what is left of it."""
    error.add_note("".join(["in a worker:\n", *traceback.format_exception(error)]).rstrip())
    try:
        same = type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:
        same = False
    if same:
        return error
    kind = TrueshotError if isinstance(error, TrueshotError) else RuntimeError
    rest = kind(str(error) if kind is TrueshotError else f"{type(error).__name__}: {error}")
    for note in error.__notes__:
        rest.add_note(note)
    return rest


class Throttled:
    """Passes on how far a job is, at most every :data:`TELL_EVERY` seconds, and all that it hands over."""

    def __init__(self, send: Callable[[tuple[str, Any]], None]) -> None:
        self._send, self._sent = send, 0.0

    def __call__(self, done: int | Handed) -> None:
        """Send what is handed over; send the number, or leave it out."""
        if isinstance(done, Handed):
            self._send(("part", done.value))
            return
        now = time.monotonic()
        if now - self._sent >= TELL_EVERY:
            self._sent = now
            self._send(("progress", done))


def died(job: Job, how: str) -> RunError:
    """Return the error of a job whose workers died once too often."""
    return RunError(
        f"{job.name}: its worker died {RESTARTS + 1} times, the last time it {how}: if memory is short take fewer"
        " --workers; repeat the command to go on"
    )
