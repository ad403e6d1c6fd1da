"""Jobs in this process and in processes of this machine: results, errors, deaths."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from executor_jobs import (
    STEPS,
    backward,
    collect,
    count,
    fail,
    gone,
    hand_over,
    note_and_wait,
    square,
    waiting_parent,
    workers_of,
)

from trueshot.core.errors import ConfigError, DataError, RunError, TrueshotError
from trueshot.core.executor import Executor, InProcess, Job, Local, make_executor, raise_failures, start_method
from trueshot.core.modules import import_file

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
EXECUTORS = {"in process": InProcess(), "fork": Local(2, method="fork"), "spawn": Local(2, method="spawn")}
FORK = EXECUTORS["fork"]


@pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS)
def test_every_job_is_done_once_with_its_threads_and_progress_is_told(executor):
    assert isinstance(executor, Executor)
    before = torch.get_num_threads()
    # Forked workers of several threads are never asked for, and nothing is computed in them here.
    results, told, failures = collect(executor, square, [3, 4, 5], threads=2)
    assert {index: value for index, (value, _, _) in results.items()} == {0: 9, 1: 16, 2: 25}
    assert {threads for _, _, threads in results.values()} == {2}
    assert torch.get_num_threads() == before
    places = {pid for _, pid, _ in results.values()}
    assert (os.getpid() in places) == (executor.workers == 1)
    assert len(places) <= executor.workers
    assert set(told) <= {(0, 3), (1, 4), (2, 5)}
    assert (0, 3) in told
    assert failures == []
    assert collect(executor, square, []) == ({}, [], [])


@pytest.mark.parametrize("executor", [InProcess(), FORK], ids=["in process", "fork"])
def test_errors_keep_their_type_and_harm_no_other(executor):
    results, _, failures = collect(executor, fail, ["user", "a", "defect", "b", "c"])
    assert results == {1: "a", 3: "b", 4: "c"}
    assert [(failure.index, failure.job.name, type(failure.error)) for failure in failures] == [
        (0, "job 0", DataError),
        (2, "job 2", KeyError),
    ]
    assert str(failures[0].error) == "this one is wrong"
    if executor is FORK:
        (note,) = failures[1].error.__notes__
        assert note.startswith("in a worker:\nTraceback")
        assert 'raise KeyError("a defect")' in note


def test_a_mistake_in_a_users_file_is_told_as_such_by_a_worker(tmp_path):
    file = tmp_path / "own_job_of_a_user.py"
    file.write_text('def work(value, tell):\n    return {}["speed"]\n')
    _, _, (failure,) = collect(FORK, import_file(file).work, [1])
    assert type(failure.error) is ConfigError
    assert str(failure.error).startswith(f"{file}, line 2: KeyError: 'speed': correct it")
    assert "Traceback" in failure.error.__notes__[0]


@pytest.mark.parametrize("executor", [InProcess(), FORK], ids=["in this process", "fork"])
def test_a_users_file_that_ends_its_process_fails_its_job_alone(executor, tmp_path):
    file = tmp_path / f"own_job_{type(executor).__name__.lower()}_ends.py"
    file.write_text("import sys\n\n\ndef work(value, tell):\n    return value if value else sys.exit(3)\n")
    results, _, (failure,) = collect(executor, import_file(file).work, [1, 0, 2])
    assert results == {0: 1, 2: 2}
    assert type(failure.error) is ConfigError
    assert str(failure.error).startswith(f"{file}, line 5: SystemExit: 3: correct it")


def test_what_cannot_be_sent_is_told_as_text():
    results, _, failures = collect(FORK, fail, ["odd", "odd user", "lambda", "a"])
    assert results == {3: "a"}
    odd, user, unsent = [failure.error for failure in failures]
    assert (type(odd), str(odd)) == (RuntimeError, "Odd: one and two")
    assert 'raise Odd("one", "two")' in odd.__notes__[0]
    # Still an error that the user can mend.
    assert (type(user), str(user)) == (TrueshotError, "one and two")
    assert "lambda" in str(unsent)
    assert not isinstance(unsent, TrueshotError)


def test_failures_are_said_and_a_defect_is_raised_first():
    _, _, failures = collect(InProcess(), fail, ["user", "defect", "user"])
    said = []
    raise_failures([], said.append)
    with pytest.raises(KeyError):
        raise_failures(failures, said.append)
    assert said == ["failed: job 0: this one is wrong", "failed: job 2: this one is wrong"]
    with pytest.raises(DataError, match="this one is wrong"):
        raise_failures(failures[:1], said.append)


@pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS)
def test_what_a_job_hands_over_comes_at_once_and_whole(executor):
    said = []
    failures = executor.run(
        hand_over,
        [Job(None, "job 0"), Job(None, "job 1")],
        on_progress=lambda *_: None,
        on_result=lambda *result: said.append(result),
        on_part=lambda *part: said.append(part),
    )
    assert failures == []
    for index in (0, 1):
        assert [value for job, value in said if job == index] == [[0], [1], [2], "done"]


def test_what_was_handed_over_before_a_death_is_kept(tmp_path):
    parts, results = [], {}
    FORK.run(
        hand_over,
        [Job(str(tmp_path / "died"), "job")],
        on_progress=lambda *_: None,
        on_result=results.__setitem__,
        on_part=lambda index, value: parts.append(value),
    )
    assert parts == [[0], [1], [0], [1], [2]]
    assert results == {0: "done"}


def test_a_job_whose_worker_is_killed_goes_on_at_its_checkpoint(tmp_path):
    values = [{"path": str(tmp_path / f"{number}"), "at": 3, "times": number} for number in range(3)]
    results, _, failures = collect(FORK, count, values)
    assert failures == []
    steps = [str(step) for step in range(STEPS)]
    assert results[0] == ["start", *steps]
    assert results[1] == ["start", *steps[:3], "start", *steps[3:]]
    assert results[2] == ["start", *steps[:3], "start", "start", *steps[3:]]


def test_a_job_that_dies_three_times_fails_alone(tmp_path):
    values = [{"path": str(tmp_path / f"{number}"), "at": 2, "times": 9 * (number == 1)} for number in range(4)]
    results, _, failures = collect(FORK, count, values)
    assert sorted(results) == [0, 2, 3]
    (failure,) = failures
    assert (failure.index, type(failure.error)) == (1, RunError)
    assert str(failure.error) == (
        "job 1: its worker died 3 times, the last time it was killed by signal 9: if memory is short take fewer"
        " --workers; repeat the command to go on"
    )
    assert (tmp_path / "1").read_text().split() == ["start", "0", "1", "start", "start"]


@linux
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_that_is_killed_from_outside_is_replaced(tmp_path, method):
    value = {"path": str(tmp_path / "file"), "sleep": 0.6}
    before, killed, results = children(), [], {}

    def kill(index, done):
        if not killed:
            killed.extend(pid for pid in children() - before if b"resource_tracker" not in command(pid))
            os.kill(killed[0], signal.SIGKILL)

    failures = Local(1, method=method).run(count, [Job(value, "job")], on_progress=kill, on_result=results.__setitem__)
    assert (len(killed), failures) == (1, [])
    assert [word for word in results[0] if word != "start"] == [str(step) for step in range(STEPS)]
    assert results[0].count("start") == 2


def children():
    return {int(text) for text in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def command(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_results_arrive_in_the_order_in_which_jobs_finish(tmp_path):
    values = [{"path": str(tmp_path / f"{number}"), "sleep": 0.3 * (number == 0)} for number in range(4)]
    order = []
    FORK.run(
        count,
        [Job(value, "job") for value in values],
        on_progress=lambda *_: None,
        on_result=lambda index, _: order.append(index),
    )
    assert order[-1] == 0
    assert sorted(order) == [0, 1, 2, 3]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RunError])
def test_what_the_parent_raises_leaves_no_worker(tmp_path, error):
    def stop(index, value):
        raise error("stop")

    start = time.monotonic()
    with pytest.raises(error):
        FORK.run(
            lambda value, tell: note_and_wait(value, tell) if value else None,
            [Job(str(tmp_path / "pid"), "slow"), Job("", "quick")],
            on_progress=lambda *_: None,
            on_result=stop,
        )
    assert time.monotonic() - start < 30
    assert gone([int((tmp_path / "pid").read_text())] if (tmp_path / "pid").exists() else [])
    assert multiprocessing.active_children() == []


@linux
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_end_with_a_parent_that_is_killed(tmp_path, method):
    script, files = waiting_parent(f"Local(2, method={method!r})", tmp_path)
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, str(script)], stdout=out, stderr=out)
    pids = workers_of(process, files, log)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert gone(pids)


@linux
def test_ctrl_c_reaches_the_whole_group_and_the_parent_alone_says_so(tmp_path):
    script, files = waiting_parent("Local(2)", tmp_path)
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, str(script)], stdout=out, stderr=out, start_new_session=True)
    pids = workers_of(process, files, log)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(120) == -signal.SIGINT
    assert gone(pids)
    assert log.read_text().count("KeyboardInterrupt") == 1


@linux
@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU nothing is forked")
def test_a_backward_pass_works_in_workers_even_after_an_export(tmp_path):
    """What PyTorch starts for the backward pass after an export cannot be forked."""
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import torch
from executor_jobs import backward, collect
from trueshot.core.executor import Local, start_method
if __name__ == "__main__":
    torch.set_num_threads(1)
    print(start_method(1), start_method(2))
    torch.onnx.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),), {str(tmp_path / "x.onnx")!r}, dynamo=True)
    backward(0, None)
    print(start_method(1))
    print(collect(Local(2), backward, [7]))
"""
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()[0], *done.stdout.splitlines()[-2:]
    assert (first, second) == ("fork spawn", "spawn")
    assert third == "({0: 7}, [], [])"
    assert collect(Local(2, method=start_method(1)), backward, [7, 8])[0] == {0: 7, 1: 8}


def test_the_executor_that_options_ask_for():
    assert isinstance(make_executor("local", 1), InProcess)
    three = make_executor("local", 3)
    assert isinstance(three, Local)
    assert (three.workers, three.device_share) == (3, pytest.approx(1 / 3))
    for arguments, message in (
        (("slurm", 1, None), "unknown executor 'slurm': choose one of local, ray"),
        (("local", 1, "auto"), "--ray auto joins a Ray cluster: add --executor ray"),
        (("local", 0, None), "--workers 0: at least one is needed"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_executor(*arguments)


def test_ray_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"install it with pip install 'trueshot\[ray\]'"):
        make_executor("ray", 2)
