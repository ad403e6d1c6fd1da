"""Jobs of the executors' tests: they count in a file, which is their checkpoint, fail, die and wait."""

import os
import signal
import time
from pathlib import Path

from trueshot.core.errors import DataError
from trueshot.core.executor import Handed, Job

STEPS = 6


class Odd(Exception):
    """An error that pickle cannot read back."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


class OddUserError(DataError):
    """A user's error that pickle cannot read back."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def square(value, tell):
    import torch

    tell(value)
    return value * value, os.getpid(), torch.get_num_threads()


def fail(value, tell):
    """Raise what the value names, or return it."""
    if value == "user":
        raise DataError("this one is wrong")
    if value == "defect":
        raise KeyError("a defect")
    if value == "odd":
        raise Odd("one", "two")
    if value == "odd user":
        raise OddUserError("one", "two")
    if value == "lambda":
        return lambda: None
    return value


def count(value, tell):
    """Count to STEPS in the file ``path``, dying at step ``at`` as long as it died fewer than ``times`` times.

    Returns:
        The steps that each attempt did, and how the last ended.
    """
    path, at, times = Path(value["path"]), value.get("at", -1), value.get("times", 0)
    lines = path.read_text().split() if path.exists() else []
    attempt = lines.count("start")
    with path.open("a") as file:
        print("start", file=file, flush=True)
        for step in range(len(lines) - attempt, STEPS):
            if step == at and attempt < times:
                os.kill(os.getpid(), signal.SIGKILL)
            print(step, file=file, flush=True)
            tell(step + 1)
            time.sleep(value.get("sleep", 0))
    return path.read_text().split()


def hand_over(value, tell):
    """Hand over three parts, and die after the second as long as the file ``value`` is not there."""
    for number in range(3):
        if number == 2 and value is not None and not Path(value).exists():
            Path(value).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        tell(Handed([number]))
        tell(number)
    return "done"


def note_and_wait(value, tell):
    """Write the own process identifier and wait for a minute."""
    path = Path(value)
    path.with_suffix(".tmp").write_text(str(os.getpid()))
    path.with_suffix(".tmp").rename(path)
    time.sleep(60)


def folder(value, tell):
    return os.getcwd()


def backward(value, tell):
    import torch

    torch.ones(2, requires_grad=True).sum().backward()
    return value


def collect(executor, do, values, threads=1):
    """Return results by position, what was told of progress, the order of the results, and the failures."""
    results, told = {}, []
    jobs = [Job(value, f"job {number}", threads) for number, value in enumerate(values)]
    failures = executor.run(
        do, jobs, on_progress=lambda index, done: told.append((index, done)), on_result=results.__setitem__
    )
    return results, told, failures


def alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def gone(pids, seconds=20):
    """Return whether all these processes end within some time."""
    end = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(alive, pids))


PARENT = """
import signal
import sys
# A shell has what it runs in the background ignore the signal, and all that this starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {folder!r})
from executor_jobs import collect, note_and_wait
from trueshot.core.executor import Local, Ray
if __name__ == "__main__":
    collect({executor}, note_and_wait, [{out!r} + f"/{{number}}.pid" for number in range(2)])
"""
"""A script whose two workers wait for a minute."""


def waiting_parent(executor, out):
    """Return a script that starts two workers, and the files in which these say who they are."""
    script = out / "parent.py"
    script.write_text(PARENT.format(folder=str(Path(__file__).parent), executor=executor, out=str(out)))
    return script, [out / "0.pid", out / "1.pid"]


def workers_of(process, files, log, seconds=120):
    """Wait until the workers of a waiting parent have said who they are."""
    end = time.monotonic() + seconds
    while not all(file.exists() for file in files):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)
    return [int(file.read_text()) for file in files]
