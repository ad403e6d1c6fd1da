"""``trueshot study``, run as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from trueshot.cli.main import run
from trueshot.cli.names import TABLE, find_study

SMOKE = ["--scale", "smoke", "--device", "cpu", "--workers", "1"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def printed(capsys, *words):
    assert run(["study", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_list_tells_questions_and_conditions(capsys):
    listed = {one["name"]: one for one in printed(capsys, "list")["studies"]}
    assert list(listed) == list(TABLE["study"])
    assert listed["surgery-table4"]["title"] == "Surgery, Table 4: architectures in a training step"
    assert listed["surgery-table4"]["question"].endswith("several architectures?")
    assert "1 sample" in listed["surgery-table4"]["conditions"]
    assert listed["surgery-table4"]["scales"] == ["smoke", "cpu", "paper"]
    assert listed["stnas-table1"]["scales"] == ["smoke", "paper"]
    assert listed["stnas-table1"]["needs_more"]["cpu"].startswith("176 random topologies")
    assert run(["study", "list"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "not to be settled at scale cpu: it needs 176 random topologies" in told


def test_every_study_has_its_name_and_settings_of_every_scale():
    studies = [find_study(name) for name in TABLE["study"]]
    assert [one.name for one in studies] == list(TABLE["study"])
    assert all(one.question.endswith("?") for one in studies)


def test_run_writes_result_scores_and_page(capsys, tmp_path):
    found = printed(capsys, "stnas-table5", *SMOKE)
    stored = json.loads((tmp_path / "results" / "stnas-table5-smoke.json").read_text())
    assert found["path"] == "results/stnas-table5-smoke.json"
    assert found["findings"] == stored["findings"]
    assert (tmp_path / "results" / "stnas-table5-smoke.parquet").exists()
    assert len(list((tmp_path / "runs" / "bank" / "supernets").iterdir())) == 1
    assert run(["study", "stnas-table5", *SMOKE]) == 0
    told = capsys.readouterr()
    assert "ST-NAS, Table 5" in told.out
    page = tmp_path / "results" / "README.md"
    assert "## stnas-table5-smoke" in page.read_text()
    page.unlink()
    assert printed(capsys, "page")["path"] == "results/README.md"
    assert page.exists()


def test_plan_lists_shared_kinds_once_and_trains_nothing(capsys, tmp_path):
    one = printed(capsys, "plan", "surgery-table4", *SMOKE)
    assert len(one["kinds"]) == 7
    assert one["seconds"] == one["seconds_left"] > 0
    assert not (tmp_path / "runs" / "bank" / "supernets").exists()
    assert run(["study", "plan", "surgery-table4", *SMOKE]) == 0
    told = capsys.readouterr().out
    assert "7 kinds, " in told
    assert len(one["power"]) > 0
    for power in one["power"]:
        assert f"surgery-table4: {power['claim']}: " in told


def test_a_study_says_which_scales_it_has(capsys, tmp_path):
    own = tmp_path / "small_study.py"
    own.write_text(
        "from trueshot.studies.bases import NB201_SMOKE\n"
        "from trueshot.studies.record import Outcome, Scale, Study\n"
        "from trueshot.studies.supernets import Rankings\n"
        "WORK = Rankings(scales={Scale.SMOKE: NB201_SMOKE})\n"
        "STUDY = Study(name='small', title='t', question='q', work=WORK, analyse=lambda scored: Outcome())\n"
    )
    for words in (["plan", f"{own}:STUDY"], [f"{own}:STUDY"]):
        assert run(["study", *words, "--scale", "paper"]) == 2
        assert "error: study small has no scale paper: choose one of smoke" in capsys.readouterr().err


def test_a_killed_study_goes_on_and_finds_the_same(capsys, tmp_path):
    whole = printed(capsys, "stnas-table5", *SMOKE, "--bank", "whole", "--results", "one")
    words = ["study", "stnas-table5", *SMOKE, "--bank", "killed", "--results", "two"]
    source = os.path.dirname(os.path.dirname(sys.modules["trueshot"].__file__))
    process = subprocess.Popen(
        [sys.executable, "-m", "trueshot", *words],
        env={**os.environ, "PYTHONPATH": source},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not list(tmp_path.glob("killed/supernets/*/*/checkpoints/*")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "two").exists()
    again = printed(capsys, *words[1:])
    assert again["findings"] == whole["findings"]


def test_a_foreign_result_in_the_folder_costs_the_page_and_not_the_study(capsys, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "other-cpu.json").write_text("{}")
    assert run(["study", "stnas-table5", *SMOKE, "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["study"] == "stnas-table5"
    assert "warning: no page of all results: results/other-cpu.json has version None" in told.err
    assert not (tmp_path / "results" / "README.md").exists()


def test_page_of_a_folder_without_results_is_refused(capsys, tmp_path):
    assert run(["study", "page", "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: there is no study result in ")


def test_unknown_names_are_refused(capsys):
    assert run(["study", "nothing"]) == 2
    assert run(["study", "stnas-table5", "--scale", "huge"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].startswith("error: unknown study 'nothing'")
    assert errors[1] == "error: unknown scale 'huge': choose smoke, cpu, paper"
