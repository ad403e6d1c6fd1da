"""The page of all study results: what the JSON files say, no more and no less."""

import re
import subprocess
from pathlib import Path

import pytest

from trueshot.cli.names import TABLE
from trueshot.core.errors import RunError
from trueshot.core.files import write_json
from trueshot.reporting.studies import read_studies, render_studies, write_studies
from trueshot.studies.result import Estimate, Part, Row, Scale, StudyResult

RESULTS = Path(__file__).parents[2] / "results"


def a_study(name="stnas-table9", **changes):
    fields = {
        "study": name,
        "title": "Table 9: a | b",
        "scale": Scale.CPU,
        "rows": (
            Row(what="ours", metric="top-1 (%)", paper=72.5, values=(50.0, 52.0), note="two seeds"),
            Row(what="theirs", metric="top-1 (%)", paper=71.25),
        ),
        "notes": ("Nothing is shown.",),
        "data": {"name": "digits"},
        "seed": 3,
        "seconds": 1.0,
        "trained_seconds": 75.0,
        "environment": {"torch": "2.15.0", "gpu": None, "cpu": "a processor", "threads": 1},
    }
    return StudyResult(**(fields | changes))


def test_paper_and_ours_stand_side_by_side(tmp_path):
    a_study().save(tmp_path)
    page = write_studies(tmp_path, ["stnas-table9"]).read_text()
    assert "| ours | top-1 (%) | 72.5 | 51 | 38.3 to 63.7 | 2 | two seeds |" in page
    assert "| theirs | top-1 (%) | 71.25 |  |  |  |  |" in page
    assert "- Nothing is shown." in page
    assert "Seed 3; a processor, 1 thread(s); PyTorch 2.15.0. [`stnas-table9-cpu.json`](stnas-table9-cpu.json)" in page
    assert "[`stnas-table9`](#stnas-table9-cpu) | cpu | 1m 15s | Table 9: a \\| b |" in page
    assert "## stnas-table9-cpu\n" in page


def test_every_study_has_a_section_and_other_files_are_passed_over(tmp_path):
    a_study("b").save(tmp_path)
    estimate = Estimate(
        scale=Scale.PAPER, device="GPU", note="", parts=(Part(what="all", units=4, unit="d", seconds=86_400),)
    )
    a_study("a", scale=Scale.SMOKE, estimate=estimate).save(tmp_path)
    (tmp_path / "benchmark-step.json").write_text("[]")
    (tmp_path / "scores-cpu.txt").write_text("x")
    assert [name for name, _ in read_studies(tmp_path)] == ["a-smoke.json", "b-cpu.json"]
    page = write_studies(tmp_path, ["a", "b"]).read_text()
    assert page.index("## a-smoke") < page.index("## b-cpu")
    assert "Scale `paper` would take about 4.0 days on one GPU." in page


def test_a_folder_without_results_and_a_damaged_result_are_refused(tmp_path):
    with pytest.raises(RunError, match=r"no study result in .*: write one with trueshot study NAME"):
        write_studies(tmp_path, [])
    write_json(tmp_path / "other-cpu.json", {"what": 1})
    with pytest.raises(RunError, match="no study result"):
        write_studies(tmp_path, [])
    (tmp_path / "broken-cpu.json").write_text('{"study": ')
    with pytest.raises(RunError, match=r"broken-cpu\.json is not valid JSON"):
        write_studies(tmp_path, [])
    assert not (tmp_path / "README.md").exists()


def _git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_result_that_cannot_be_repeated_names_the_commit_that_recorded_it(tmp_path):
    _git(tmp_path, "init", "--quiet")
    a_study("gone").save(tmp_path)
    a_study("there").save(tmp_path)
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "--message", "both")
    recorded = _git(tmp_path, "rev-parse", "HEAD")[:7]
    a_study("new").save(tmp_path)
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "--message", "another")
    a_study("uncommitted").save(tmp_path)
    page = write_studies(tmp_path, ["there", "new"]).read_text()
    assert "**2 of these 4 results were made by studies that are not in the package at present.**" in page
    assert f"| commit | studies |\n| --- | --- |\n| `{recorded}` | `gone` |\n| unknown | `uncommitted` |\n" in page
    line = "- Not in the package at present; recorded by commit {}, whose code made it.\n"
    assert page.count("- Not in the package") == 2
    assert line.format(f"`{recorded}`") in page[page.index("## gone-cpu") : page.index("## new-cpu")]
    assert line.format("unknown") in page[page.index("## uncommitted-cpu") :]


def test_a_page_of_what_can_be_repeated_says_nothing_of_commits(tmp_path):
    a_study("there").save(tmp_path)
    assert "commit" not in write_studies(tmp_path, ["there"]).read_text()


def test_without_git_no_commit_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    a_study("gone").save(tmp_path)
    assert "| unknown | `gone` |" in write_studies(tmp_path, []).read_text()


def test_the_committed_page_shows_the_committed_results():
    page, studies = (RESULTS / "README.md").read_text(), read_studies(RESULTS)
    found = dict(re.findall(r"\(([^()]+-cpu\.json)\)\n- Not .+ recorded by commit (`[0-9a-f]{7}`),", page))
    assert page == render_studies(studies, found), "results/README.md is out of date: run trueshot study summary"
    assert set(found) == {name for name, study in studies if study["study"] not in TABLE["study"]}


def test_the_commits_of_the_committed_page_hold_the_results():
    if not (RESULTS.parent / ".git").exists() or _git(RESULTS, "rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("this copy has no whole history")
    page = (RESULTS / "README.md").read_text()
    recorded = re.findall(r"\(([^()]+-cpu\.json)\)\n- Not .+ recorded by commit `([0-9a-f]{7})`,", page)
    assert len(recorded) == 27
    for name, commit in recorded:
        assert _git(RESULTS, "show", f"{commit}:results/{name}") == (RESULTS / name).read_text().strip()
