"""The run directory: started once, gone on with only by the same configuration."""

import subprocess
import sys

import pytest

from trueshot.core.errors import RunError
from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.core.run import RunDirectory, read_log

CONFIG = {"seed": 0, "space": {"name": "chain", "layers": [[8, 1]]}, "max_madds": None}


def test_a_run_is_started_and_gone_on_with(tmp_path):
    path = tmp_path / "runs" / "a"
    run = RunDirectory.open(path, CONFIG, resume=False)
    assert run.config == {"version": 1, **CONFIG}
    assert RunDirectory.open(path, CONFIG, resume=True) == run == RunDirectory.existing(path)


def test_resume_starts_a_run_that_is_not_there_yet(tmp_path):
    assert RunDirectory.open(tmp_path / "new", CONFIG, resume=True).config["seed"] == 0


def test_tuples_in_a_configuration_are_lists_in_its_file(tmp_path):
    config = {"layers": ((8, 1), (16, 2))}
    RunDirectory.open(tmp_path, config, resume=False)
    assert RunDirectory.open(tmp_path, config, resume=True).config["layers"] == [[8, 1], [16, 2]]


def test_a_run_is_not_overwritten(tmp_path):
    RunDirectory.open(tmp_path, CONFIG, resume=False)
    with pytest.raises(RunError, match="already holds a run: add --resume"):
        RunDirectory.open(tmp_path, CONFIG, resume=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, r"seed: 0 there, 1 now"),
        ({"space": {"name": "chain", "layers": [[8, 2]]}}, r"space\.layers: \[\[8, 1\]\] there, \[\[8, 2\]\] now"),
        ({"space": None}, r"space: \{.*\} there, None now"),
        ({"extra": 3}, r"extra: None there, 3 now"),
        ({"space": {**CONFIG["space"], "late": None}}, "space"),
    ],
)
def test_resuming_with_another_configuration_says_what_differs(tmp_path, change, message):
    RunDirectory.open(tmp_path, CONFIG, resume=False)
    with pytest.raises(RunError, match=rf"another configuration \({message}.*\): repeat its command"):
        RunDirectory.open(tmp_path, CONFIG | change, resume=True)


def test_a_run_can_be_refused_before_all_of_its_configuration_is_known(tmp_path):
    run = RunDirectory(tmp_path / "new")
    assert run.stored({"seed": 0}, resume=False) is run.stored({"seed": 0}, resume=True) is None
    assert not run.path.exists()
    RunDirectory.open(run.path, CONFIG, resume=False)
    assert run.stored({"seed": 0}, resume=True) == CONFIG
    with pytest.raises(RunError, match="already holds a run"):
        run.stored({}, resume=False)
    with pytest.raises(RunError, match="seed: 0 there, 1 now"):
        run.stored({"seed": 1}, resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is no folder"):
        RunDirectory(tmp_path / "file").stored({}, resume=False)


def test_a_difference_is_told_by_a_value_rather_than_by_a_fingerprint(tmp_path):
    RunDirectory.open(tmp_path, {"settings": "6f5d", "training": {"recipe": {"epochs": 3}}}, resume=False)
    other = {"settings": "9cc2", "training": {"recipe": {"epochs": 2}}}
    with pytest.raises(RunError, match=r"configuration \(training\.recipe\.epochs: 3 there, 2 now\)"):
        RunDirectory(tmp_path).stored(other, resume=True)
    with pytest.raises(RunError, match=r"configuration \(settings: '6f5d' there, '9cc2' now\)"):
        RunDirectory(tmp_path).stored({"settings": "9cc2"}, resume=True)


@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_of_something_else_is_left_alone(tmp_path, resume):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(RunError, match="not empty and holds no trueshot run"):
        RunDirectory.open(tmp_path, CONFIG, resume=resume)


def test_a_run_killed_while_it_wrote_its_first_file_can_be_started_again(tmp_path):
    (tmp_path / ".config.json.123.tmp").write_text('{"version"')
    assert RunDirectory.open(tmp_path, CONFIG, resume=True).config == {"version": 1, **CONFIG}


def test_only_an_earlier_run_exists(tmp_path):
    with pytest.raises(RunError, match=r"holds no trueshot run \(no config.json\)"):
        RunDirectory.existing(tmp_path)


def test_paths(tmp_path):
    run = RunDirectory(tmp_path)
    paths = [
        run.checkpoint("supernet"), run.log("supernet"), run.network("best-1", "winner"), run.network("r", "random"),
        run.evaluations, run.result, run.report,
    ]  # fmt: skip
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "checkpoints/supernet.ckpt", "log/supernet.jsonl", "winners/best-1", "baselines/r", "evaluations.parquet",
        "result.json", "report.html",
    ]  # fmt: skip


def test_a_log_is_read_without_the_line_a_kill_cut_short(tmp_path):
    path = tmp_path / "a.jsonl"
    assert read_log(path) == []
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert read_log(path) == [{"step": 1}, {"step": 2}]
    path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(RunError, match=r"a\.jsonl, line 2 is not valid JSON"):
        read_log(path)


@pytest.mark.parametrize("measured", [True, False])
def test_records_round_trip_through_json(measured):
    accuracy = Accuracy(n=4, top1=0.5, top5=1.0, balanced=0.5, per_class=(0.25, 0.75), loss=0.7) if measured else None
    record = NetworkRecord(
        name="best-1", role="winner", budget=None, seed=3, arch="E3K3", costs={"params": 10, "madds": 20}, score=0.5,
        validation=accuracy, test=accuracy, seconds=1.5,
    )  # fmt: skip
    assert NetworkRecord.from_json(record.to_json()) == record


def test_a_run_is_gone_on_with_wherever_its_images_lie(tmp_path):
    first = {"source": "D", "place": "/a/D", "identity": "6f", "asked": {"search": {"data": {"workers": 2, "seed": 0}}}}
    RunDirectory.open(tmp_path, first, resume=False)
    other = {**first, "source": "../D", "place": "/b/D", "asked": {"search": {"data": {"workers": 0, "seed": 0}}}}
    other["asked"]["search"]["data"]["max_bad_images"] = 3
    run = RunDirectory.open(tmp_path, other, resume=True)
    # Later commands find them.
    assert (run.config["source"], run.config["place"]) == ("../D", "/b/D")
    with pytest.raises(RunError, match=r"asked\.search\.data\.seed: 0 there, 1 now"):
        RunDirectory.open(tmp_path, {**other, "asked": {"search": {"data": {"seed": 1}}}}, resume=True)


@pytest.mark.parametrize("more", [{}, {"preprocessing": {"mean": [0.2]}}])
def test_other_images_are_told_as_such(tmp_path, more):
    before = {"identity": "6f", "preprocessing": {"mean": [0.1]}}
    RunDirectory.open(tmp_path, before, resume=False)
    with pytest.raises(RunError, match="holds a run of other images: those to train and to validate on, or how they"):
        RunDirectory.open(tmp_path, {**before, **more, "identity": "9c"}, resume=True)


WORK = """
import sys
from pathlib import Path
from trueshot.core.run import RunDirectory
with RunDirectory(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    sys.stdin.readline()
"""


def test_two_processes_do_not_work_in_one_directory(tmp_path):
    run = RunDirectory(tmp_path / "run")
    command = [sys.executable, "-c", WORK, str(run.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        with (
            pytest.raises(RunError, match=rf"process {other.pid} works in .*run: wait until it has ended"),
            run.locked(),
        ):
            pass
        other.kill()
    # A lock goes with its process, and is no content of the folder.
    with run.locked():
        assert run.stored({}, resume=False) is None
