"""``trueshot study``, run as a user runs it."""

import json

from trueshot.cli.main import run
from trueshot.cli.names import TABLE, find_module
from trueshot.studies.result import Row, Scale, StudyResult

FOUND = StudyResult(
    study="stnas-table5",
    title="made up",
    scale=Scale.SMOKE,
    rows=(Row(what="ours", metric="Kendall tau", values=(0.5,)),),
    notes=(),
    data={},
    seed=0,
    seconds=1.0,
    trained_seconds=1.0,
    environment={"torch": "2.15.0", "gpu": None, "cpu": "a processor", "threads": 1},
)


def test_list(capsys):
    assert run(["study", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["studies"]
    assert [study["name"] for study in listed] == ["stnas-table2", "stnas-table5", "surgery-table4"]
    assert [study["title"].partition(":")[0] for study in listed] == [
        "ST-NAS, Table 2",
        "ST-NAS, Table 5",
        "Surgery, Table 4",
    ]


def test_every_study_knows_its_name():
    assert [find_module(name).NAME for name in TABLE["study"]] == list(TABLE["study"])


def test_run_writes_the_result_and_prints_it(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["study", "stnas-table5", "--scale", "smoke", "--device", "cpu", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    stored = json.loads((tmp_path / "results" / "stnas-table5-smoke.json").read_text())
    assert printed["schema"] == 1
    assert printed["rows"] == stored["rows"]
    assert (tmp_path / "runs" / "studies" / "stnas-ablation-smoke" / "supernets").is_dir()
    assert run(["study", "stnas-table5", "--scale", "smoke", "--device", "cpu"]) == 0
    assert "ST-NAS, Table 5" in capsys.readouterr().out
    page = tmp_path / "results" / "README.md"
    assert "## stnas-table5-smoke" in page.read_text()
    page.unlink()
    assert run(["study", "summary", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == "results/README.md"
    assert page.exists()


def test_a_foreign_result_in_the_folder_costs_the_page_and_not_the_study(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "other-cpu.json").write_text("{}")
    monkeypatch.setattr("trueshot.studies.stnas_table5.run", lambda *_, **__: FOUND)
    assert run(["study", "stnas-table5", "--scale", "smoke", "--device", "cpu", "--json"]) == 0
    told = capsys.readouterr()
    path = tmp_path / json.loads(told.out)["path"]
    assert json.loads(path.read_text())["rows"] == [FOUND.rows[0].to_json()]
    assert "warning: no page of all results: results/other-cpu.json has version None" in told.err
    assert not (tmp_path / "results" / "README.md").exists()


def test_summary_of_a_folder_without_results_is_refused(capsys, tmp_path):
    assert run(["study", "summary", "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: there is no study result in ")


def test_estimate(capsys):
    assert run(["study", "stnas-table5", "--scale", "smoke", "--estimate", "--device", "cpu", "--json"]) == 0
    estimate = json.loads(capsys.readouterr().out)["estimate"]
    assert estimate["scale"] == "smoke"
    assert estimate["seconds"] > 0


def test_unknown_names_are_refused(capsys):
    assert run(["study", "nothing"]) == 2
    assert run(["study", "stnas-table5", "--scale", "huge"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].startswith("error: unknown study 'nothing': choose one of stnas-table2, stnas-table5")
    assert errors[1] == "error: unknown scale 'huge': choose smoke, cpu, paper"
