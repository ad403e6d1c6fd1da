"""The page of all study results: what the JSON files say, no more and no less."""

import re
import subprocess
from pathlib import Path

import pytest

from trueshot.cli.names import TABLE, find_study
from trueshot.core.errors import RunError
from trueshot.core.files import write_json
from trueshot.core.results import Line, Result, Series
from trueshot.reporting.studies import Unsettled, read_studies, render_studies, write_studies
from trueshot.studies.coverage import unsettled

RESULTS = Path(__file__).parents[2] / "results"
OURS = {"value": 0.05, "low": 0.01, "high": 0.09, "std": 0.04, "n": 6, "over": "supernets"}
CLAIM = {
    "what": "a less b",
    "metric": "Kendall tau",
    "says": "a is better",
    "paper": 0.13,
    "ours": OURS,
    "power": {"effect": 0.0412, "std": 0.03, "source": "assumed: a guess", "n": 6, "claims": 1},
    "p": 0.0213,
    "verdict": "shown",
}
FINDINGS = [
    {"what": "a", "metric": "Kendall tau", "paper": 0.84, "ours": OURS, "values": [], "note": "x | y"},
    {"what": "theirs", "metric": "Kendall tau", "paper": 0.5, "ours": None, "values": [], "note": ""},
]


def a_study(folder, name="stnas-table9", sections=(), **changes):
    head = {
        "study": name,
        "title": "Table 9",
        "question": "Is a better?",
        "scale": "cpu",
        "claims": [CLAIM],
        "findings": FINDINGS,
        "notes": ["A note."],
        "seed": 3,
        "trained_seconds": 75.0,
        "environment": {"torch": "2.15.0", "gpu": None, "cpu": "a processor", "threads": 1},
    }
    Result(command="study", head=head | changes, sections=sections).write(folder / f"{name}-cpu.json")


def an_earlier_one(folder, name):
    write_json(folder / f"{name}-cpu.json", {"study": name, "title": f"About {name}"})


def test_the_page_opens_with_a_table_of_claims(tmp_path):
    a_study(tmp_path)
    page = write_studies(tmp_path, ["stnas-table9"]).read_text()
    row = (
        "| [Is a better?](#stnas-table9-cpu) | a is better (a less b, Kendall tau) | 0.13 | 0.05 | 0.01 to 0.09 | 6 |"
        " 0.0412 | 0.021 | shown | 1m 15s |"
    )
    assert row in page
    assert page.index(row) < page.index("## stnas-table9-cpu\n")
    assert "| a | Kendall tau | 0.84 | 0.05 | 0.01 to 0.09 | 6 | supernets | x \\| y |" in page
    assert "| theirs | Kendall tau | 0.5 |  |  |  |  |  |" in page
    assert "- a is better: sees 0.0412 or more with 6 pairs (spread 0.03, assumed: a guess)." in page
    assert "- A note." in page
    assert "Seed 3; a processor, 1 thread(s); PyTorch 2.15.0. [`stnas-table9-cpu.json`](stnas-table9-cpu.json)" in page


def test_a_claim_without_values_says_that_nothing_is_seen(tmp_path):
    power = {"effect": None, "std": 0.03, "source": "assumed: a guess", "n": 1, "claims": 1}
    a_study(tmp_path, claims=[CLAIM | {"ours": None, "power": power, "p": None, "verdict": "cannot be told here"}])
    page = write_studies(tmp_path, []).read_text()
    assert "| 0.13 |  |  |  | nothing |  | cannot be told here | 1m 15s |" in page
    assert "- a is better: 1 repetition(s) have no interval." in page


def test_what_cannot_be_settled_stands_behind_the_claims_with_what_it_needs(tmp_path):
    a_study(tmp_path)
    left = [
        Unsettled(title="Table 1: skips", study="stnas-table1", needs="176 topologies"),
        Unsettled(title="Table 4", study="", needs="COCO"),
    ]
    page = write_studies(tmp_path, ["stnas-table9", "stnas-table8", "stnas-table1"], left).read_text()
    rows = (
        "| Table 1: skips | `stnas-table1` | cannot be told here | 176 topologies |",
        "| Table 4 | none | cannot be told here | COCO |",
    )
    assert "\n".join(rows) in page
    assert page.index("| [Is a better?]") < page.index(rows[0]) < page.index("## stnas-table9-cpu\n")
    assert "Not run yet: `stnas-table8`." in page


def test_claims_that_are_judged_together_are_told(tmp_path):
    a_study(tmp_path, claims=[CLAIM | {"power": CLAIM["power"] | {"claims": 3}}])
    page = write_studies(tmp_path, []).read_text()
    assert "with 6 pairs (spread 0.03, assumed: a guess; one of 3 claims)." in page


def test_pictures_are_drawn_beside_the_page(tmp_path):
    line = Line(name="tau", x=(1.0, 2.0), y=(0.1, None))
    a_study(tmp_path, sections=(Series(name="curve", title="Tau by epoch", x="epoch", y="tau", lines=(line,)),))
    assert "![Tau by epoch](stnas-table9-cpu-curve.png)" in write_studies(tmp_path, []).read_text()
    picture = (tmp_path / "stnas-table9-cpu-curve.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 60_000


def test_studies_stand_in_the_order_of_the_package_and_other_files_are_passed_over(tmp_path):
    for name in ("a", "b", "c"):
        a_study(tmp_path, name)
    (tmp_path / "benchmark-step.json").write_text("[]")
    page = write_studies(tmp_path, ["b", "a"]).read_text()
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == ["b-cpu", "a-cpu", "c-cpu"]


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


def test_an_earlier_result_names_the_commit_that_recorded_it(tmp_path, monkeypatch):
    _git(tmp_path, "init", "--quiet")
    an_earlier_one(tmp_path, "gone")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "--message", "one")
    recorded = _git(tmp_path, "rev-parse", "HEAD")[:7]
    an_earlier_one(tmp_path, "uncommitted")
    page = write_studies(tmp_path, []).read_text()
    assert f"| [`gone`](gone-cpu.json) | `{recorded}` | About gone |" in page
    assert "| [`uncommitted`](uncommitted-cpu.json) | unknown | About uncommitted |" in page
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "| [`gone`](gone-cpu.json) | unknown | About gone |" in write_studies(tmp_path, []).read_text()


def _recorded(page: str) -> dict[str, str]:
    return dict(re.findall(r"^\| \[`[^`]+`\]\(([^()]+-cpu\.json)\) \| (`[0-9a-f]{7}`) \|", page, re.MULTILINE))


def test_the_committed_page_shows_the_committed_results():
    page, (studies, earlier) = (RESULTS / "README.md").read_text(), read_studies(RESULTS)
    order = list(TABLE["study"])
    studies.sort(key=lambda found: order.index(found[1].head["study"]))
    commits = _recorded(page)
    left = unsettled([find_study(name) for name in order])
    assert page == render_studies(studies, earlier, commits, order, left), (
        "results/README.md is old: run trueshot study page"
    )
    assert set(commits) == {name for name, _ in earlier}


def test_the_commits_of_the_committed_page_hold_the_results():
    if not (RESULTS.parent / ".git").exists() or _git(RESULTS, "rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("this copy has no whole history")
    for name, commit in _recorded((RESULTS / "README.md").read_text()).items():
        assert _git(RESULTS, "show", f"{commit.strip('`')}:results/{name}") == (RESULTS / name).read_text().strip()
