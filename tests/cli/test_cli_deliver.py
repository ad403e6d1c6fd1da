"""``report``, ``export`` and ``classify`` on a finished run of the digits."""

import importlib.util
import json
import shutil

import numpy as np
import onnxruntime
import pytest
import torch
from cli_runs import finished_search, invoke, refused
from PIL import Image
from sklearn.datasets import load_digits

import trueshot
from trueshot.cli.deliver import absent_exporters, export_decision
from trueshot.core.errors import RunError
from trueshot.core.files import read_json, write_json
from trueshot.core.run import RunDirectory
from trueshot.spaces.storage import load_network, save_network
from trueshot.spaces.timm_model import TimmModel
from trueshot.strategies.setup import load_dataset
from trueshot.training.data.options import DataOptions
from trueshot.training.data.preprocessing import Preprocessing


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    return finished_search(tmp_path_factory)


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the run, to be changed at will."""
    return shutil.copytree(finished.path, tmp_path / "run")


def digits(count=40):
    pixels = np.rint(load_digits().images[:count] * (255 / 16)).astype(np.uint8)
    return torch.from_numpy(pixels)[:, None]


@torch.no_grad()
def expected(folder, images):
    loaded = load_network(folder)
    return loaded.network(Preprocessing.from_dict(loaded.preprocessing).normalise(images)), loaded


def test_a_network_that_cannot_be_exported_harms_no_other(run, monkeypatch):
    (run / "winners" / "best-1" / "model.onnx").unlink()
    checked, told = [], []

    def exporter(folder, **_):
        if folder.name == "best-1":
            raise RunError("its logits differ")
        checked.append(folder.name)
        return 0.0

    monkeypatch.setattr("trueshot.reporting.export.export_onnx", exporter)
    directory = RunDirectory(run)
    found = export_decision(directory, load_dataset("digits", DataOptions()).test, warn=told.append)
    names = [row["names"][0] for row in json.loads((run / "result.json").read_text())["decision"]["rows"]]
    assert list(found) == checked == [name for name in names if name != "best-1"]
    assert told == [f"best-1 is not exported (its logits differ); trueshot export {run} tries again"]


def test_report_writes_the_page_anew(run):
    before = (run / "report.html").read_text()
    (run / "report.html").unlink()
    code, stdout, stderr = invoke("report", run)
    assert (code, stdout, stderr) == (0, f"{run / 'report.html'}\n", "")
    page = (run / "report.html").read_text()
    assert "best-1" in page
    assert "<h3>Confusion matrix of recommended" in page
    assert page == before
    assert json.loads(invoke("report", run, "--json")[1])["report"] == str(run / "report.html")


def test_without_the_packages_of_an_export_a_search_leaves_it_out(run, monkeypatch):
    (run / "winners" / "best-1" / "model.onnx").unlink()
    before = (run / "result.json").read_bytes()
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    assert absent_exporters() == ("onnxscript",)
    assert export_decision(RunDirectory(run), None) == {}
    assert (run / "result.json").read_bytes() == before
    assert not (run / "winners" / "best-1" / "model.onnx").exists()


def test_export_onnx_computes_what_the_network_computes(run):
    folder = run / "winners" / "best-1"
    (folder / "model.onnx").unlink()
    code, stdout, stderr = invoke("export", run, "--format", "onnx", "--json")
    assert code == 0, stderr
    told = json.loads(stdout)
    assert told["format"] == "onnx"
    assert 0 <= told["exported"]["best-1"] < 1e-4
    images = digits()
    logits, loaded = expected(folder, images)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    normalised = Preprocessing.from_dict(loaded.preprocessing).normalise(images).numpy()
    (found,) = session.run(["logits"], {"images": normalised})
    np.testing.assert_allclose(found, logits.numpy(), atol=1e-4)


def test_export_module_needs_nothing_of_the_search(run):
    code, _, stderr = invoke("export", run, "--format", "module")
    assert code == 0, stderr
    folder = run / "winners" / "best-1"
    images = digits()
    logits, loaded = expected(folder, images)
    program = torch.export.load(folder / "model.pt2").module()
    torch.testing.assert_close(
        program(Preprocessing.from_dict(loaded.preprocessing).normalise(images)), logits, rtol=1e-4, atol=1e-5
    )


def test_classify_names_what_the_network_says(run, tmp_path):
    files = []
    for index, image in enumerate(digits(4)):
        files.append(tmp_path / f"{index}.png")
        Image.fromarray(image[0].numpy()).save(files[-1])
    code, stdout, stderr = invoke("classify", run, *files, "--top", "2", "--json")
    assert code == 0, stderr
    told = json.loads(stdout)
    assert told["network"] == "recommended"
    logits, loaded = expected(run / "winners" / "recommended", digits(4))
    probabilities = logits.softmax(dim=1)
    for file, answer, row in zip(files, told["images"], probabilities, strict=True):
        assert answer["image"] == str(file)
        assert [entry["name"] for entry in answer["classes"]] == [loaded.classes[i] for i in row.topk(2).indices]
        shares = [entry["probability"] for entry in answer["classes"]]
        np.testing.assert_allclose(shares, row.topk(2).values, rtol=1e-4)
    code, stdout, _ = invoke("classify", run, files[0], "--network", "random-1")
    assert code == 0
    assert stdout.startswith(f"{files[0]}: ")
    code, stdout, _ = invoke("classify", run / "baselines" / "random-1", files[0], "--json")
    assert json.loads(stdout)["network"] == "random-1"


def test_classify_uses_the_winner_of_the_highest_score(run, tmp_path):
    """So did releases that recommended none. Scores may be negated losses, and repeats of a winner share its score."""
    shutil.rmtree(run / "winners" / "recommended")
    Image.fromarray(digits(1)[0, 0].numpy()).save(tmp_path / "a.png")
    for name, score in (("best-2", -0.5), ("best-2-seed2", -0.5), ("best-1", -1.0)):
        folder = run / "winners" / name
        if not folder.exists():
            shutil.copytree(run / "winners" / "best-1", folder)
        meta = {key: value for key, value in read_json(folder / "architecture.json").items() if key != "version"}
        write_json(folder / "architecture.json", {**meta, "name": name, "extra": {**meta["extra"], "score": score}})
    assert json.loads(invoke("classify", run, tmp_path / "a.png", "--json")[1])["network"] == "best-2"


def test_what_is_wrong_is_said(run, tmp_path):
    image = tmp_path / "a.png"
    Image.fromarray(digits(1)[0, 0].numpy()).save(image)
    told = refused("classify", run, image, "--network", "best-9")
    assert "has no network 'best-9': choose one of best-1, random-1, recommended" in told
    for command in (["report", tmp_path / "no"], ["export", tmp_path / "no"]):
        assert "holds no trueshot run (no config.json)" in refused(*command)
    assert "has no winners" in refused("classify", tmp_path, image)
    assert "--format" in refused("export", run, "--format", "pickle")
    weights = run / "winners" / "recommended" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "model.safetensors is corrupt" in refused("classify", run, image)
    assert "model.safetensors is corrupt" in refused("export", run)


def test_unfinished_runs_are_said(run):
    (run / "result.json").unlink()
    assert "--resume" in refused("report", run)
    shutil.rmtree(run / "winners")
    assert "has no winners yet: finish the search with --resume" in refused("export", run)


def test_data_that_has_changed_is_said(run, monkeypatch):
    monkeypatch.setattr("trueshot.cli.deliver.export_winners", lambda *_, **__: {})
    config = {key: value for key, value in read_json(run / "config.json").items() if key != "version"}
    config["preprocessing"]["mean"] = [0.1]
    write_json(run / "config.json", config)
    code, _, stderr = invoke("export", run)
    assert code == 0, stderr
    assert "as the run's are not there: the data in digits has changed since" in stderr


HOSTILE = "from pathlib import Path\nPath(__file__).with_suffix('.ran').write_text('')\nraise RuntimeError\n"


def hostile(run, folder):
    """Let a network and the run name a file that notes that it was run."""
    file = folder / "hostile.py"
    file.write_text(HOSTILE)
    for path in [*run.glob("*/*/architecture.json"), run / "result.json", run / "config.json"]:
        content = json.loads(path.read_text())
        description = (content if "space" in content else content["head"])["space"]
        description |= {"class": "hostile:Mine", "file": str(file)}
        path.write_text(json.dumps(content))
    return file.with_suffix(".ran")


def test_no_command_runs_code_of_a_run_that_is_not_trusted(run, tmp_path):
    image, ran = tmp_path / "a.png", hostile(run, tmp_path)
    Image.fromarray(digits(1)[0, 0].numpy()).save(image)
    again = ["search", "--supernet", run, "--max-madds", "60k", "--out", tmp_path / "again"]
    for command in (["classify", run, image], ["export", run], again):
        assert "hostile:Mine is code of its own" in refused(*command), command
    # A report does without the drawings of architectures.
    code, _, stderr = invoke("report", run, "--pictures", tmp_path / "pictures")
    assert code == 0, stderr
    assert not ran.exists()
    assert "cannot import" in refused("classify", run, image, "--trust-code")
    assert ran.exists()


def test_an_earlier_run_brings_no_parts_of_its_own_along(run, tmp_path):
    (tmp_path / "hostile.py").write_text(HOSTILE)
    config = read_json(run / "config.json")
    config["search"]["proposer"] = {"kind": f"{tmp_path / 'hostile.py'}:Mine"}
    (run / "config.json").write_text(json.dumps(config))
    told = refused("search", "--supernet", run, "--max-madds", "60k", "--out", tmp_path / "again")
    assert f"the run in {run} uses {tmp_path / 'hostile.py'}:Mine, code of its own, which is not run: add" in told
    assert not (tmp_path / "hostile.ran").exists()


def test_exports_need_no_images_of_the_run(run, tmp_path, monkeypatch):
    config = read_json(run / "config.json")
    config["source"] = str(tmp_path / "moved")
    (run / "config.json").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    code, stdout, stderr = invoke("export", run, "--json")
    assert code == 0, stderr
    assert "note: exports are compared on made-up images" in stderr
    assert json.loads(stdout)["exported"]["recommended"] < 1e-3


def test_a_recommended_network_of_timm_is_taken_by_all(tmp_path):
    """As a run leaves it that takes a pretrained network."""
    folder, image = tmp_path / "run" / "winners" / "recommended", tmp_path / "a.png"
    space = TimmModel(model="test_efficientnet", image_size=32, classes=3)
    row = space.parse("")
    network = space.network(row).eval()
    preprocessing = Preprocessing(
        channels=3, image_size=32, mean=(0.5,) * 3, std=(0.5,) * 3, crop=0.875, interpolation="bilinear"
    )
    told = {"space": space, "arch": "", "name": "recommended", "classes": "abc", "extra": {"score": None, "repeat": 0}}
    save_network(folder, network, preprocessing=preprocessing.to_dict(), **told)
    write_json(tmp_path / "run" / "config.json", {"source": str(tmp_path / "gone"), "search": {"data": {}}})
    Image.effect_noise((50, 40), 90).convert("RGB").save(image)
    code, stdout, stderr = invoke("export", tmp_path / "run", "--json")
    assert code == 0, stderr
    assert json.loads(stdout)["exported"]["recommended"] < 1e-3
    loaded, prepare, classes = trueshot.load(tmp_path / "run")
    with torch.no_grad():
        logits = loaded(prepare(image))
    told = json.loads(invoke("classify", tmp_path / "run", image, "--json")[1])
    assert (told["network"], told["model"]) == ("recommended", "test_efficientnet")
    assert told["images"][0]["classes"][0]["name"] == classes[logits.argmax()]
    # All that a user of the file alone needs stands in it.
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    kept = session.get_modelmeta().custom_metadata_map
    assert {key: json.loads(value) for key, value in kept.items()} == {
        "trueshot.classes": ["a", "b", "c"],
        "trueshot.preprocessing": preprocessing.to_dict(),
        "trueshot.name": "recommended",
        "trueshot.model": "test_efficientnet",
    }
    own = Preprocessing.from_dict(json.loads(kept["trueshot.preprocessing"]))
    assert (own.interpolation, own.crop) == ("bilinear", 0.875)
    (found,) = session.run(["logits"], {"images": own(image).numpy()})
    np.testing.assert_allclose(found, logits.numpy(), atol=1e-4)
