"""The page of all study results: what the JSON files say, no more and no less."""

from pathlib import Path

import pytest

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
    page = write_studies(tmp_path).read_text()
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
    page = write_studies(tmp_path).read_text()
    assert page.index("## a-smoke") < page.index("## b-cpu")
    assert "Scale `paper` would take about 4.0 days on one GPU." in page


def test_a_folder_without_results_and_a_damaged_result_are_refused(tmp_path):
    with pytest.raises(RunError, match=r"no study result in .*: write one with trueshot study NAME"):
        write_studies(tmp_path)
    write_json(tmp_path / "other-cpu.json", {"what": 1})
    with pytest.raises(RunError, match="no study result"):
        write_studies(tmp_path)
    (tmp_path / "broken-cpu.json").write_text('{"study": ')
    with pytest.raises(RunError, match=r"broken-cpu\.json is not valid JSON"):
        write_studies(tmp_path)
    assert not (tmp_path / "README.md").exists()


def test_the_committed_page_shows_the_committed_results():
    assert (RESULTS / "README.md").read_text() == render_studies(read_studies(RESULTS)), (
        "results/README.md is out of date: run trueshot study summary"
    )
