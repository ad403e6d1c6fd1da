"""Jobs on a Ray cluster of this machine."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from executor_jobs import STEPS, collect, count, fail, folder, gone, hand_over, square, waiting_parent, workers_of

from trueshot.core.errors import ConfigError, DataError, RunError, TrueshotError
from trueshot.core.executor import Executor, Job, Ray
from trueshot.core.executor.cluster import start_cluster

ray = pytest.importorskip("ray", reason="needs the package ray (an extra)")


@pytest.fixture(scope="module")
def executor():
    """One cluster for all tests: an executor uses the one that the process is connected to, and leaves it."""
    start_cluster(2)
    yield Ray(2)
    ray.shutdown()


def test_jobs_are_done_elsewhere_and_progress_is_told(executor):
    assert isinstance(executor, Executor)
    results, told, failures = collect(executor, square, [3, 4, 5], threads=2)
    assert {index: value for index, (value, _, _) in results.items()} == {0: 9, 1: 16, 2: 25}
    assert {threads for _, _, threads in results.values()} == {2}
    assert os.getpid() not in {pid for _, pid, _ in results.values()}
    assert set(told) <= {(0, 3), (1, 4), (2, 5)}
    assert (0, 3) in told
    assert failures == []
    # One that the process is connected to already stays.
    assert ray.is_initialized()


def test_what_a_job_hands_over_comes_whole_and_that_before_a_death_is_kept(executor, tmp_path):
    said = []
    failures = executor.run(
        hand_over,
        [Job(None, "lives"), Job(str(tmp_path / "died"), "dies once")],
        on_progress=lambda *_: None,
        on_result=lambda *result: said.append(result),
        on_part=lambda *part: said.append(part),
    )
    assert failures == []
    assert [value for job, value in said if job == 0] == [[0], [1], [2], "done"]
    # What a worker had not sent yet when it died comes from the next.
    *before, a, b, c, done = [value for job, value in said if job == 1]
    assert [a, b, c, done] == [[0], [1], [2], "done"]
    assert before in ([], [[0]], [[0], [1]])


def test_jobs_work_in_the_folder_of_the_parent(executor, tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert collect(executor, folder, [1])[0] == {0: str(tmp_path / name)}
    (tmp_path / "b").rename(tmp_path / "c")
    # As on a machine that does not share the files of this one.
    monkeypatch.setattr("os.getcwd", lambda: str(tmp_path / "b"))
    ((failure,),) = collect(executor, folder, [1])[2:]
    assert type(failure.error) is RunError
    assert f"of the Ray cluster has no folder {tmp_path / 'b'}: its machines must share the files" in str(failure.error)


def test_errors_keep_their_type_and_harm_no_other(executor):
    results, _, failures = collect(executor, fail, ["user", "a", "defect", "odd", "odd user", "b"])
    assert results == {1: "a", 5: "b"}
    assert [(failure.index, type(failure.error)) for failure in failures] == [
        (0, DataError),
        (2, KeyError),
        (3, RuntimeError),
        (4, TrueshotError),
    ]
    assert str(failures[0].error) == "this one is wrong"
    assert 'raise KeyError("a defect")' in failures[1].error.__notes__[0]
    assert str(failures[2].error) == "Odd: one and two"


def test_killed_workers_are_replaced_and_a_job_that_dies_three_times_fails_alone(executor, tmp_path, capfd):
    values = [{"path": str(tmp_path / f"{number}"), "at": 3, "times": times} for number, times in enumerate((1, 9))]
    results, _, failures = collect(executor, count, values)
    steps = [str(step) for step in range(STEPS)]
    assert results == {0: ["start", *steps[:3], "start", *steps[3:]]}
    (failure,) = failures
    assert (failure.index, type(failure.error)) == (1, RunError)
    assert "job 1: its worker died 3 times, the last time it ended as Ray's WorkerCrashedError" in str(failure.error)
    assert (tmp_path / "1").read_text().split() == ["start", *steps[:3], "start", "start"]
    assert capfd.readouterr().out == ""


def test_a_job_that_no_machine_can_do_is_refused(executor):
    with pytest.raises(ConfigError, match="no machine of the Ray cluster has 3 processors for a job"):
        collect(executor, square, [1], threads=3)
    with pytest.raises(ConfigError, match=r"has 1 processors and 0\.5 of a GPU for a job"):
        executor.run(square, [Job(1, "job", device_share=0.5)], on_progress=lambda *_: None, on_result=lambda *_: None)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("joined", [True, False])
def test_nothing_outlives_a_parent_that_is_killed(executor, tmp_path, joined):
    address = ray.get_runtime_context().gcs_address
    script, files = waiting_parent(f"Ray(None, address={address!r})" if joined else "Ray(2)", tmp_path)
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, str(script)], stdout=out, stderr=out)
    workers, started = workers_of(process, files, log), descendants(process.pid)
    assert (not joined) == (set(workers) <= set(started))
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert gone([*workers, *started])
    assert log.read_text() == ""


def descendants(pid):
    found = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return found + [other for child in found for other in descendants(child)]


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere", "ray://127.0.0.1:9"])
def test_no_cluster_at_the_address(address):
    ray.shutdown()
    with pytest.raises(ConfigError, match=f"--ray {address}: there is no cluster to join .*: give HOST:PORT"):
        collect(Ray(1, address=address), square, [1])
