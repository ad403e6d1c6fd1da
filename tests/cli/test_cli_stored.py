"""A run is gone on with by its directory, by another number of threads, and with its images mended or moved."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from cli_runs import TINY, invoke, refused, sets
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "training"))
from data_files import write_folder

from trueshot.core.files import read_json
from trueshot.strategies.setup import load_dataset
from trueshot.training.data import sources
from trueshot.training.data.options import DataOptions

SPACE = "space.arguments={nodes: [1, 1], widths: [8, 12], kernels: [3], head_width: 16, stem_stride: 1}"
FAST = [value for value in TINY if "supernet.recipe" not in value and value != "threads=1"]
FAST = sets(SPACE, *FAST, "supernet.recipe={epochs: 2, batch_size: 16, lr: 0.1}", "data.workers=0")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished search of a folder: where its images are, its directory and its command."""
    home = tmp_path_factory.mktemp("stored")
    write_folder(home / "images", {"a": 12, "b": 12, "c": 12})
    command = ["search", "--data", home / "images", "--out", home / "run", "--device", "cpu", *FAST]
    code, _, stderr = invoke(*command)
    assert code == 0, stderr
    return home


@pytest.fixture
def home(made, tmp_path, monkeypatch):
    """A copy of both, in which the search has not been finished."""
    shutil.copytree(made, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
    for name in ("result.json", "report.html", "log/test.json"):
        (tmp_path / "home" / "run" / name).unlink()
    return tmp_path / "home"


def going_on(data, *more):
    return ["search", "--data", data, "--out", "run", "--resume", "--device", "cpu", *FAST, *more]


def tops(run="run", name="result.json"):
    sections = json.loads(Path(run, name).read_text())["sections"]
    return [record["test"]["top1"] for section in sections for record in section.get("records", ())]


@pytest.mark.parametrize("data", ["images", "./images", "../home/images", "moved"])
def test_the_same_images_are_the_same_run_wherever_they_lie(home, data):
    if data == "moved":
        (home / "images").rename(home / "moved")
    code, _, stderr = invoke(*going_on(data))
    assert code == 0, stderr
    assert "going on with run" in stderr
    assert "supernet: 2 steps, 2 done before" in stderr
    assert read_json(home / "run" / "config.json")["place"] == str((home / data).resolve())


def test_the_directory_says_all_the_rest(home, made, monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 7)
    shutil.rmtree(home / "images")
    code, _, stderr = invoke("search", "--resume", "--out", "run")
    assert code == 0, stderr
    assert "going on with run" in stderr
    assert tops() == tops(made / "run")
    assert "holds no trueshot run" in refused("search", "--resume", "--out", "rum")


def test_a_mistyped_directory_is_said(home):
    code, _, stderr = invoke(*going_on("images", "--out", "rum"))
    assert code == 0, stderr
    assert "note: there is no run in rum to go on with: a new one is begun" in stderr


def test_the_number_of_threads_is_that_of_the_run(home, monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 7)
    code, _, stderr = invoke(*going_on("images"))
    assert code == 0, stderr
    before = read_json(home / "run" / "config.json")["search"]["threads"]
    assert f"search.threads: {before} there, 3 now" in refused(*going_on("images", "--set", "threads=3"))


def test_mended_test_images_give_a_second_result(home):
    held = load_dataset("images", DataOptions(workers=0)).held_back.encoded
    victims = [Path(held.name(place)) for place in (0, 1)]
    code, _, stderr = invoke(*going_on("images"))
    assert code == 0, stderr
    assert "test images have changed" not in stderr
    first = Path("run/result.json").read_text()
    Image.open(victims[0]).rotate(90).save(victims[0])
    code, _, stderr = invoke(*going_on("images"))
    assert code == 0, stderr
    assert "stays beside the new result, as result-1.json" in stderr
    assert Path("run/result-1.json").read_text() == first
    assert {path.name for path in Path("run").iterdir()} >= {"result.json", "report.html", "report-1.html"}
    # A broken one is found before anything is done, and may be skipped.
    victims[1].write_bytes(victims[1].read_bytes()[:-40])
    assert "1 of 36 images cannot be read" in refused(*going_on("images"))
    code, _, stderr = invoke(*going_on("images", "--max-bad-images", "1"))
    assert code == 0, stderr
    assert "as result-2.json" in stderr


def test_a_run_of_an_earlier_release_keeps_its_identity(made, tmp_path, monkeypatch):
    """There all images had one fingerprint."""
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as before:
        before.setattr(sources, "_digests", lambda listing, *_: (listing.digest(),) * 2)
        command = ["search", "--data", made / "images", "--out", "run", "--device", "cpu", *FAST]
        code, _, stderr = invoke(*command)
        assert code == 0, stderr
    Path("run/result.json").unlink()
    Path("run/log/test-images.json").unlink()
    code, _, stderr = invoke(*command, "--resume")
    assert code == 0, stderr
    assert "supernet: 2 steps, 2 done before" in stderr
    code, _, stderr = invoke("search", "--supernet", "run", "--out", "again", "--max-madds", "100k")
    assert code == 0, stderr


def test_other_training_images_are_another_run(home):
    held = load_dataset("images", DataOptions(workers=0)).held_back.encoded
    tested = {held.name(place) for place in range(len(held))}
    victim = next(path for path in sorted(Path("images").rglob("*.png")) if str(path) not in tested)
    Image.open(victim).rotate(90).save(victim)
    assert "run holds a run of other images: those to train and to validate on" in refused(*going_on("images"))


def test_a_run_begins_and_goes_on_inside_the_folder_of_images(made, tmp_path, monkeypatch):
    shutil.copytree(made / "images", tmp_path / "images")
    monkeypatch.chdir(tmp_path / "images")
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
    command = ["search", "--data", ".", "--device", "cpu", *FAST]
    code, _, stderr = invoke(*command)
    assert code == 0, stderr
    (run,) = Path("runs").iterdir()
    (run / "result.json").unlink()
    code, _, stderr = invoke(*command, "--resume")
    assert code == 0, stderr
    assert "going on with" in stderr


@pytest.mark.parametrize("broken", ["export_decision", "write_report"])
def test_nothing_that_shows_a_result_takes_it_down(home, broken, monkeypatch):
    def fails(*_):
        raise ValueError("no such glyph\nin this font")

    where = {"export_decision": "trueshot.cli.deliver", "write_report": "trueshot.reporting.report"}[broken]
    monkeypatch.setattr(f"{where}.{broken}", fails)
    code, stdout, stderr = invoke(*going_on("images", "--json"))
    assert code == 0, stderr
    told, again = {"export_decision": ("not exported", "export"), "write_report": ("no report", "report")}[broken]
    line = f"warning: {told} (ValueError: no such glyph in this font); trueshot {again} run tries again"
    assert line in stderr
    assert json.loads(stdout)["networks"]


@pytest.mark.parametrize(
    ("option", "classes"), [("retraining.random=0", ("$^$", "[b]x", "{c}_^")), ("seed=1", ("[/b]", "%", "&"))]
)
def test_a_search_of_odd_names_ends_with_a_report(made, tmp_path, monkeypatch, option, classes):
    monkeypatch.chdir(tmp_path)
    for old, new in zip("abc", classes, strict=True):
        new = new.replace("/", "\N{DIVISION SLASH}")
        shutil.copytree(made / "images" / old, tmp_path / "images" / new)
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
    out = "x[\N{DIVISION SLASH}b][b]"
    code, stdout, stderr = invoke("search", "--data", "images", "--out", out, "--device", "cpu", *FAST, "--set", option)
    assert code == 0, stderr
    assert f"report {out}/report.html" in stdout
    assert "warning" not in stderr
    assert Path(out, "report.html").is_file()
