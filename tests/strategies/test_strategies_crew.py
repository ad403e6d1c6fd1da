"""Jobs in processes: results, errors, deaths."""

import os
import signal
import time

import pytest
import torch

from trueshot.core.errors import ConfigError, RunError
from trueshot.strategies.crew import run_jobs


def square(job, tell):
    tell(job)
    return job * job, os.getpid(), torch.get_num_threads()


def run(do, jobs, workers=2, threads=1):
    results, told = {}, []
    run_jobs(
        do,
        jobs,
        workers=workers,
        threads=threads,
        on_progress=lambda index, done: told.append((index, done)),
        on_result=results.__setitem__,
        method="fork",
    )
    return results, told


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_every_job_is_done_once_wherever(workers):
    results, told = run(square, [3, 4, 5], workers)
    assert {index: value for index, (value, _, _) in results.items()} == {0: 9, 1: 16, 2: 25}
    places = {pid for _, pid, _ in results.values()}
    assert (places == {os.getpid()}) == (workers == 1)
    assert set(told) <= {(0, 3), (1, 4), (2, 5)}
    assert told


def test_threads_are_those_asked_for_and_those_of_the_caller_stay():
    before = torch.get_num_threads()
    assert [threads for _, _, threads in run(square, [1], threads=2)[0].values()] == [2]
    assert torch.get_num_threads() == before
    assert {threads for _, _, threads in run(square, [1, 2])[0].values()} == {1}


def test_no_jobs():
    assert run(square, []) == ({}, [])


def picky(job, tell):
    if job == "wrong":
        raise ConfigError("this one is wrong")
    if job == "defect":
        raise ValueError("a defect")
    if job == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(20 if job == "slow" else 0)
    return job


@pytest.mark.parametrize(
    ("job", "kind", "message"),
    [
        ("wrong", ConfigError, "this one is wrong"),
        ("defect", RuntimeError, "ValueError: a defect"),
        ("dies", RunError, "a worker was killed by signal 9 at job 2 of 2"),
    ],
)
def test_the_first_failure_stops_the_others(job, kind, message):
    start = time.monotonic()
    with pytest.raises(kind, match=message):
        run(picky, ["slow", job])
    assert time.monotonic() - start < 10


def test_interrupting_the_parent_leaves_no_worker():
    def stop(index, value):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(
            picky, ["slow", "quick"], workers=2, threads=1, on_progress=lambda *_: None, on_result=stop, method="fork"
        )
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
