"""``trueshot search`` from images to networks, and all that can be wrong with what it is given."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_runs import DIGITS, TINY, TINY_SETS, TINY_SPACE, finished_search, invoke, refused, sets
from data_files_of_images import write_images, write_parquet_of
from PIL import Image
from sklearn.datasets import load_digits

from trueshot.cli.values import over_preset
from trueshot.core.run import RunDirectory
from trueshot.core.tables import DATA_VARIABLE
from trueshot.core.units import parse_count
from trueshot.strategies.search import Search


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    return finished_search(tmp_path_factory)


def test_json_is_one_object_and_progress_is_plain_lines(finished):
    assert finished.stdout.count("\n") == 1
    result = finished.result
    assert result["schema"] == 1
    assert result["run"] == str(finished.path)
    lines = finished.stderr.splitlines()
    assert "\x1b" not in finished.stderr
    starts = [
        "data: digits",
        "space: topology",
        "run: ",
        "forecast: ",
        "supernet: 10 steps",
        "weight sampling: 5 steps",
    ]
    starts += ["search: 8 architectures", "best-1: 4 steps", "random-1: 4 steps", "validation: 2 networks"]
    starts += ["recommended: 6 steps", "test: 3 networks", "report: "]
    positions = [next(i for i, line in enumerate(lines) if line.startswith(start)) for start in starts]
    assert positions == sorted(positions)


JARGON = ("p_drop", "fingerprint", "SGLD", "BatchNorm", "oracle", "paper", "digest")


def test_a_run_and_its_report_begin_in_plain_words(finished):
    begin = finished.stderr.partition("forecast: ")[0]
    assert "search: a supernet, one network that holds the weights of all of them, is trained" in begin
    report = re.sub(r"<style>.*?</style>", "", (finished.path / "report.html").read_text(), flags=re.DOTALL)
    opening, _, details = report.partition("<h2>")
    assert "8 architectures were scored; the best were trained from scratch" in opening
    for word in JARGON:
        assert word not in begin
        assert word not in opening
    # The details are there, where they are looked for.
    assert finished.result["evaluator"] in details
    assert "with each branch left out with probability" in details


def test_the_result_says_what_was_found(finished):
    result = finished.result
    recommended, winner, random = result["networks"]
    assert (winner["name"], winner["role"], random["role"]) == ("best-1", "winner", "random")
    assert (recommended["name"], recommended["of"]) == ("recommended", result["decision"]["of"])
    assert recommended["validation"] is None
    chosen = {network["name"]: network for network in (winner, random)}[recommended["of"]]
    assert (recommended["arch"], recommended["costs"]) == (chosen["arch"], chosen["costs"])
    assert winner["costs"]["madds"] <= 100_000
    assert winner["test"]["n"] == result["dataset"]["test"] == 359
    assert winner["validation"]["n"] == random["validation"]["n"] == result["dataset"]["validation"] == 80
    assert result["dataset"]["train"] + result["dataset"]["validation"] == 400
    assert result["evaluated"] == 8
    assert result["comparison"]["n"] == [1, 1]
    assert result["comparison"]["low"] is None
    assert set(result["timings"]) == {"supernet", "sgld", "search", "retrain", "total"}
    report = (finished.path / "report.html").read_text()
    decision = result["decision"]
    assert [row["kind"] for row in decision["rows"]] == ["recommended", "found", "random"]
    for row in decision["rows"]:
        folder = "baselines" if row["kind"] == "random" else "winners"
        assert row["size"] == (finished.path / folder / row["names"][0] / "model.onnx").stat().st_size
        assert 0 < row["milliseconds"] < 1000
    assert decision["sentence"] in report
    assert report.index(decision["sentence"]) < report.index("Headline")
    for expected in ("search.retraining.recipe.epochs", winner["arch"], result["evaluator"]):
        assert expected in report
    assert {path.name for path in (finished.path / "winners" / "best-1").iterdir()} >= {
        "architecture.json",
        "model.safetensors",
        "model.onnx",
    }


def test_a_finished_run_is_not_searched_again(finished, monkeypatch):
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
    again = [*DIGITS, "--max-madds", "100k", "--out", finished.path, *TINY_SETS, *sets("data.max_images=400")]
    code, stdout, stderr = invoke(*again, "--resume")
    assert code == 0
    assert "steps" not in stderr
    assert "best-1" in stdout
    assert "searched less random" in stdout
    assert "already holds a run: add --resume" in refused(*again)
    told = refused(*again, "--resume", "--seed", "1")
    assert "another configuration (asked.search.seed: 0 there, 1 now)" in told


def test_a_trained_supernet_serves_another_budget(finished, tmp_path, monkeypatch):
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
    before = {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()}
    out = tmp_path / "again"
    code, stdout, stderr = invoke(
        "search", "--supernet", finished.path, "--max-madds", "60k", "--out", out, "--seed", "5", "--json"
    )
    assert code == 0, stderr
    assert f"no supernet is trained: that of {finished.path} is searched" in stderr
    assert "supernet: " not in stderr.replace("no supernet", "")
    assert not list((out / "checkpoints").iterdir())
    result = json.loads(stdout)
    assert result["budgets"] == [60_000]
    assert result["networks"][0]["costs"]["madds"] <= 60_000
    assert result["evaluator"] == finished.result["evaluator"]
    # The validation images must be the same in spite of the seed: the others trained the supernet.
    assert result["digest"] == finished.result["digest"]
    assert {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("said", "proposer"),
    [
        ({}, {"kind": "nsga2", "population": 4, "generations": 10}),
        ({"proposer": {"generations": 5}}, {"kind": "nsga2", "population": 4, "generations": 5}),
        ({"proposer": "evolution"}, {"kind": "evolution", "population": 9}),
        ({"strategy": "evolution"}, {"population": 9}),
    ],
)
def test_the_proposer_of_an_earlier_run_stands_over_the_sizes_of_the_preset(said, proposer):
    sizes = {"nsga2": {"population": 24, "generations": 10}, "evolution": {"population": 9}}
    below = {"proposers": sizes, "strategy": "one-shot", "proposer": {"kind": "nsga2", "population": 4}}
    assert over_preset(below, said, {"strategy", "proposer"})["proposer"] == proposer


def test_a_configuration_file_names_the_preset(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("preset: nowhere\n")
    assert "nowhere" in refused("search", file, "--data", "digits", "--out", tmp_path / "run")


@pytest.mark.parametrize(
    "change",
    [
        ["--set", "data.split_seed=1"],
        ["--set", "data.validation_fraction=0.3"],
        ["--set", "data.max_images=500"],
        ["--space", "chain"],
        ["--set", "space.arguments={nodes: [1, 2], widths: [8, 16]}"],
    ],
)
def test_a_supernet_of_other_data_or_space_is_refused(finished, tmp_path, change):
    out = tmp_path / "again"
    told = refused("search", "--supernet", finished.path, "--max-madds", "60k", "--out", out, *change)
    assert "was trained for another space, other data or another split of it" in told
    assert not out.exists()


@pytest.mark.parametrize(
    ("values", "key"),
    [
        (["--sharing", "bias"], "supernet.sharing"),
        (["--sampler", "uniform"], "supernet.sampler"),
        (sets("supernet.recipe.epochs=2", "supernet.recipe.lr=0.7"), "supernet.recipe.lr"),
        (sets("weight_sampling.samples=3"), "weight_sampling.samples"),
    ],
)
def test_a_trained_supernet_is_not_trained_otherwise(finished, tmp_path, values, key):
    told = refused("search", "--supernet", finished.path, "--max-madds", "60k", "--out", tmp_path / "again", *values)
    assert told == f"the supernet of {finished.path} is trained with another {key}: leave it out, or --supernet"
    idle = refused("search", "--supernet", finished.path, "--strategy", "random", "--oracle", "train")
    assert idle == "oracle train uses no supernet: leave out --supernet"


def test_an_unfinished_or_corrupt_supernet_is_refused(finished, tmp_path):
    source, out = tmp_path / "source", tmp_path / "again"
    shutil.copytree(finished.path, source)
    command = ["search", "--supernet", source, "--out", out]
    snapshot = source / "checkpoints" / "snapshot-00.ckpt"
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    assert "is corrupt (its checksum differs)" in refused(*command)
    snapshot.unlink()
    assert "has 1 of 2 snapshots: finish that run with --resume first" in refused(*command)
    assert "holds no trueshot run" in refused("search", "--supernet", tmp_path, "--out", out)
    assert not out.exists()


@pytest.fixture
def killed(finished, tmp_path):
    """A copy of the finished run as it was before its last phases, and the command to go on with it."""
    out = tmp_path / "killed"
    shutil.copytree(finished.path, out)
    (out / "result.json").unlink()
    command = [*DIGITS, "--max-madds", "100k", "--out", out, *TINY_SETS, *sets("data.max_images=400"), "--resume"]
    return out, command


def test_a_corrupt_checkpoint_is_said(killed):
    out, command = killed
    path = out / "checkpoints" / "supernet.ckpt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "supernet.ckpt is corrupt (its checksum differs): remove it and --resume the run" in refused(*command)


def test_a_checkpoint_of_another_phase_is_said(killed):
    out, command = killed
    shutil.copy(out / "checkpoints" / "sgld.ckpt", out / "checkpoints" / "supernet.ckpt")
    assert "supernet.ckpt belongs to another configuration" in refused(*command)
    torch.save({"model": {}}, out / "checkpoints" / "supernet.ckpt")
    assert "supernet.ckpt is no trueshot checkpoint" in refused(*command)


def test_a_lost_snapshot_is_sampled_again(killed, finished, monkeypatch):
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
    out, command = killed
    lost = out / "checkpoints" / "snapshot-01.ckpt"
    content = lost.read_bytes()
    lost.unlink()
    code, stdout, stderr = invoke(*command, "--json")
    assert code == 0, stderr
    assert "weight sampling: 5 steps\n" in stderr
    assert lost.read_bytes() == content
    assert json.loads(stdout)["digest"] == finished.result["digest"]


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Search, "run", interrupted)
    code, _, stderr = invoke(*DIGITS, "--out", tmp_path / "run", *TINY_SETS)
    assert code == 130
    assert stderr.endswith(f"to go on with {tmp_path / 'run'}, repeat the command with --resume\ninterrupted\n")


def config(path, text):
    path.write_text(text)
    return str(path)


BAD = [
    (["search"], "say what to train on: --data digits"),
    (["search", "--data", "nowhere"], "no data at 'nowhere'"),
    (["search", "missing.yaml"], "cannot read configuration missing.yaml: No such file"),
    ([*DIGITS, "--preset", "huge"], "unknown preset 'huge': choose one of digits"),
    ([*DIGITS, "--preset", "digit"], "unknown preset 'digit': did you mean digits"),
    ([*DIGITS, "--preset", "rank-cpu"], "preset rank-cpu is for `trueshot rank`: choose another, or none"),
    ([*DIGITS, "--column", "top"], "oracle supernet reads no table: leave --column out"),
    ([*DIGITS, "--workers", "2"], "oracle supernet scores in this process: leave out --workers and --executor"),
    (
        [*DIGITS, "--strategy", "random", "--oracle", "train", "--sharing", "bias"],
        "oracle train uses no supernet: leave out --sampler, --sharing and supernet",
    ),
    ([*DIGITS, "--fuse", "params-live"], "--fuse says what fused adds up, and supernet adds nothing up: leave it out"),
    ([*DIGITS, "--space", "cube"], "unknown space 'cube': choose one of chain, nasbench201, topology"),
    ([*DIGITS, "--max-madds", "lots"], "--max-madds 'lots' is not a positive number of MAdds: write it like 350k"),
    ([*DIGITS, "--max-madds", "1k"], r"max_madds 1000 is below the cheapest architecture of topology: choose \d+ to"),
    ([*DIGITS, "--max-madds", "9G"], r"max_madds 9000000000 is above the most expensive .*: choose \d+ to \d+ MAdds"),
    ([*DIGITS, "--max-params", "1"], r"max_params 1 is below the cheapest architecture of topology: choose \d+ to"),
    ([*DIGITS, "--time-budget", "soon"], "--time-budget 'soon' is not a duration"),
    ([*DIGITS, "--time-budget", "1ms"], "--time-budget '1ms' is not a duration"),
    ([*DIGITS, "--seed", "-1"], "configuration value seed: '-1' is too small: give at least 0"),
    ([*DIGITS, "--device", "abacus"], "'abacus' is no device: choose cpu or cuda"),
    ([*DIGITS, "--set", "epochs"], "--set 'epochs' is no assignment: write it like supernet.recipe.epochs=20"),
    ([*DIGITS, "--set", "a..b=1"], "is no assignment"),
    ([*DIGITS, "--set", "threads=[1"], "the value is not valid YAML"),
    ([*DIGITS, "--set", "seed=one"], "configuration value seed: 'one' is no whole number: give one such as 3"),
    ([*DIGITS, "--set", "sead=1"], "configuration value sead: there is no such value: did you mean seed"),
    (
        [*DIGITS, "--set", "supernet.recipe.epoch=3"],
        "supernet.recipe.epoch: there is no such value: did you mean epochs",
    ),
    (
        [*DIGITS, "--set", "supernet.recipe.epochs=0"],
        "configuration value supernet.recipe.epochs: 0 is too small: give",
    ),
    (
        [*DIGITS, "--set", "supernet.recipe=3"],
        "configuration value supernet.recipe: 3 is no mapping of names to values: set supernet.recipe.NAME=VALUE",
    ),
    (
        [*DIGITS, "--set", "proposer.population=1"],
        "value proposer.population: 1 is too small: give at least 2",
    ),
    ([*DIGITS, "--set", "budget.fractions=[2.0]"], "configuration value budget.fractions.0: 2.0 is too large: give"),
    (
        [*DIGITS, "--set", "budget.fractions=[]"],
        "configuration value budget.fractions: \\[\\] has too few entries: give at least 1",
    ),
    ([*DIGITS, "--set", "budget.fractions=[0.01]"], "none of the shares budget.fractions"),
    ([*DIGITS, "--set", "data=3"], "configuration value data: 3 is no mapping of names to values: set data.NAME=VALUE"),
    ([*DIGITS, "--set", "data.max_images=5"], "max_images leaves 5 images for 10 classes"),
    ([*DIGITS, "--set", "space=3"], "configuration value space: give a name, and arguments for it"),
    ([*DIGITS, "--set", "spaces=3"], "configuration value spaces: give names of spaces, and arguments for each"),
    ([*DIGITS, "--set", "space.arguments=3"], "configuration value space.arguments: give names and values"),
    ([*DIGITS, "--set", "space.arguments.classes=3"], "classes of the space is that of the data"),
    ([*DIGITS, "--set", "space.arguments.nodes=3"], "space 'topology' cannot be made with {'nodes': 3}"),
    (
        [*DIGITS, "--set", "space.arguments.depth=3"],
        "space.arguments.depth: space topology takes no such argument: choose",
    ),
    ([*DIGITS, "--set", "supernet.sampler.target_madds=1"], "no p_drop gives 1 expected MAdds"),
    ([*DIGITS, "--set", "retraining.distillation={teacher: none, checkpoint: a}"], "timm has no model 'none'"),
    ([*DIGITS, "--set", "supernet.distillation={teacher: resnet18, checkpoint: a}"], "no file a: give the teacher"),
    ([*DIGITS, "--space", "chain", "--set", "supernet.sampler.kind=matched"], "no edge that can be dropped"),
    (["search", "--teacher", "resnet18"], "--teacher is fitted to images, and there are none: give --data"),
    (
        [*DIGITS, "--teacher", "nothing"],
        "--teacher 'nothing' is neither a file, nor a network of timm, nor the package",
    ),
    ([*DIGITS, "--teacher", "resnet18=no.pth"], "cannot read .*no.pth: No such file"),
    ([*DIGITS, "--set", "teacher.weight=0.3"], "teacher.weight is of no account without a teacher: give --teacher"),
    ([*DIGITS, "--teacher", "a", "--set", "teacher.weight=2"], "value teacher.weight: 2 is too large: give"),
    ([*DIGITS, "--set", "teacher=a"], "configuration value teacher: 'a' is no mapping"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(case[0][1:])[-40:] for case in BAD])
def test_what_is_wrong_is_said_in_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = refused(*arguments)
    assert re.search(message, told), told
    assert not list(tmp_path.iterdir()), "an error before the start leaves nothing behind"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n- 2\n", "must be a mapping of names to values"),
        ("supernet: [", "is not valid YAML"),
        ("data: nowhere\n", "no data at 'nowhere'"),
        ("source: digits\nsuprenet: {}\n", "configuration value suprenet: there is no such value"),
        ("\udcff", "is not valid YAML"),
    ],
)
def test_a_wrong_configuration_file_is_said(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert message in refused("search", path, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_directory_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    assert "is not empty and holds no trueshot run" in refused(*DIGITS, "--out", tmp_path)
    assert "is no folder" in refused(*DIGITS, "--out", tmp_path / "thesis.tex")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said():
    assert "CUDA was asked for, but PyTorch finds no GPU: use --device cpu" in refused(
        "search", "--data", "digits", "--device", "cuda"
    )


def test_a_time_budget_too_small_is_said(tmp_path):
    out = tmp_path / "run"
    told = refused(*DIGITS, "--out", out, *TINY_SETS, "--time-budget", "0.01s")
    assert "is too short for networks that converge on images of 8 pixels: give --time-budget" in told
    assert not out.exists()


def test_a_file_of_values_gives_way_to_options(tmp_path, monkeypatch):
    monkeypatch.setattr(Search, "run", _stop)
    path = tmp_path / "config.yaml"
    path.write_text("data: digits\nseed: 4\nspace: chain\nbudget: {most: {madds: 500000}}\nproposer: {population: 6}\n")
    code, _, stderr = invoke("search", path, "--seed", "5", "--out", tmp_path / "run", "--device", "cpu")
    assert code == 130, stderr
    stored = RunDirectory(tmp_path / "run").config
    assert (stored["source"], stored["preset"]) == ("digits", "digits")
    assert stored["space"]["class"].endswith(":Chain")
    search = stored["search"]
    assert (search["seed"], search["proposer"]["population"], search["budget"]["most"]["madds"]) == (5, 6, 500_000)
    assert search["weight_sampling"]["samples"] == 8
    assert "forecast: " in stderr


def _stop(*_, **__):
    raise KeyboardInterrupt


# Images in files.


@pytest.fixture(scope="module")
def digit_files(tmp_path_factory):
    """The digits 0, 1 and 2 as PNG files and JPEG files of several modes and sizes, in train/ and val/."""
    bunch = load_digits()
    root = tmp_path_factory.mktemp("digits")
    chosen = np.flatnonzero(bunch.target < 3)[:150]
    pixels = np.rint(bunch.images[chosen] * 255 / 16).astype(np.uint8)
    write_images(root / "train", pixels[:110], bunch.target[chosen][:110])
    write_images(root / "val", pixels[110:], bunch.target[chosen][110:])
    return root, pixels, bunch.target[chosen]


def folder_search(data, out, *more):
    return ["search", "--data", data, "--device", "cpu", "--out", out, *sets(TINY_SPACE, *TINY), *more]


@pytest.fixture(scope="module")
def folder_run(digit_files, tmp_path_factory):
    out = tmp_path_factory.mktemp("folder") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
        code, _, stderr = invoke(*folder_search(digit_files[0], out, "--set", "data.image_size=8"))
    assert code == 0, stderr
    return out


def test_a_folder_is_searched(folder_run, digit_files):
    root = digit_files[0]
    result = json.loads((folder_run / "result.json").read_text())
    (mistakes,) = (section["mistakes"] for section in result["sections"] if section["kind"] == "mistakes")
    for mistake in mistakes:
        assert Path(mistake["name"]).parent.name == mistake["true"] != mistake["given"]
    assert (folder_run / "report.html").read_text().count("<img src=") == len(mistakes)
    assert result["dataset"]["classes"] == ["one", "two", "zero"]
    assert result["dataset"]["test"] + result["dataset"]["validation"] + result["dataset"]["train"] == 150
    image = next((root / "val" / "zero").iterdir())
    code, stdout, stderr = invoke("classify", folder_run, image, "--json")
    assert code == 0, stderr
    (answer,) = json.loads(stdout)["images"]
    assert {entry["name"] for entry in answer["classes"]} == {"one", "two", "zero"}
    assert sum(entry["probability"] for entry in answer["classes"]) == pytest.approx(1.0, abs=1e-5)


def test_a_parquet_pair_is_searched(digit_files, tmp_path, monkeypatch):
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
    _, pixels, labels = digit_files
    write_parquet_of(tmp_path / "few-train.parquet", pixels[:110], labels[:110])
    write_parquet_of(tmp_path / "few-test.parquet", pixels[110:], labels[110:])
    out = tmp_path / "run"
    code, _, stderr = invoke(*folder_search(tmp_path / "few-train.parquet", out))
    assert code == 0, stderr
    assert json.loads((out / "result.json").read_text())["dataset"]["test"] == 40


@pytest.mark.skipif(DATA_VARIABLE not in os.environ, reason=f"{DATA_VARIABLE} names no folder with data")
def test_cifar10_is_searched(tmp_path, monkeypatch):
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
    out = tmp_path / "run"
    few = sets("data.max_images=300", "data.max_test_images=100", "space.arguments.stem_stride=2")
    code, _, stderr = invoke(*folder_search("cifar10", out, *few, "--max-madds", "400k"))
    assert code == 0, stderr
    dataset = json.loads((out / "result.json").read_text())["dataset"]
    assert (dataset["name"], dataset["image_size"], dataset["channels"], dataset["test"]) == ("cifar10", 32, 3, 100)
    assert "only 300 of the images for training and validation are used (max_images)" in dataset["notes"]


def test_strong_imbalance_is_said_and_reported(digit_files, tmp_path, monkeypatch):
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
    _, pixels, labels = digit_files
    keep = np.flatnonzero((labels == 0) | ((labels == 1) & (np.arange(len(labels)) % 8 == 0)))
    write_images(tmp_path / "data", pixels[keep], labels[keep])
    code, stdout, stderr = invoke(*folder_search(tmp_path / "data", tmp_path / "run", "--set", "data.image_size=8"))
    assert code == 0, stderr
    assert "note: classes are imbalanced: 'zero' has" in stderr
    assert "balanced ┃" in stdout
    report = (tmp_path / "run" / "report.html").read_text()
    assert "imbalanced" in report
    assert "balanced accuracy" in report.lower()


@pytest.fixture
def broken(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    write_images(tmp_path / "data", pixels, np.arange(40) % 2)
    return tmp_path / "data"


def test_bad_folders_are_said(broken, tmp_path):
    out = tmp_path / "run"
    (tmp_path / "empty").mkdir()
    assert f"folder {tmp_path / 'empty'} is empty: give a folder with" in refused(
        *folder_search(tmp_path / "empty", out)
    )
    (broken / "two").mkdir()
    assert f"class 'two' has no images in {broken / 'two'}: add some" in refused(*folder_search(broken, out))
    (broken / "two").rmdir()
    victim = sorted((broken / "one").iterdir())[3]
    victim.write_bytes(victim.read_bytes()[:-30])
    told = refused(*folder_search(broken, out))
    assert "1 of 40 images cannot be read" in told
    assert victim.name in told
    assert "--max-bad-images (now 0)" in told
    assert not out.exists()


def test_bad_images_are_skipped_when_allowed(broken, tmp_path, monkeypatch):
    monkeypatch.setattr(Search, "run", _stop)
    victim = sorted((broken / "one").iterdir())[3]
    victim.write_bytes(b"")
    code, _, stderr = invoke(*folder_search(broken, tmp_path / "run", "--max-bad-images", "1"))
    assert code == 130
    assert "note: 1 unreadable images are skipped" in stderr
    assert victim.name in stderr


def test_a_parquet_without_the_columns_is_said(tmp_path):
    import pandas as pd

    path = tmp_path / "x-train.parquet"
    pd.DataFrame({"picture": [b""], "kind": [1]}).to_parquet(path)
    told = refused(*folder_search(path, tmp_path / "run"))
    assert told.startswith(f"{path} lacks the column image and label (it has picture, kind): rename its columns")


def test_an_image_that_is_none_is_said_by_classify(folder_run, tmp_path):
    (tmp_path / "a.png").write_bytes(b"not an image")
    assert "a.png" in refused("classify", folder_run, tmp_path / "a.png")
    assert "b.png" in refused("classify", folder_run, tmp_path / "b.png")
    Image.new("RGBA", (30, 20)).save(tmp_path / "c.png")
    assert invoke("classify", folder_run, tmp_path / "c.png")[0] == 0


def test_counts_are_read_alike_everywhere(finished):
    stored = RunDirectory(finished.path).config["search"]["budget"]["most"]["madds"]
    assert stored == parse_count("100k") == 100_000


@pytest.mark.usefixtures("no_onnx")
def test_networks_of_a_space_in_a_file_are_used_from_anywhere(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "own-space.md").read_text()
    file = tmp_path / "tower_of_a_user.py"
    file.write_text(page.split("```python")[1].split("```")[0])
    out, image = tmp_path / "run", tmp_path / "grey.png"
    settings = [setting for setting in TINY if not setting.startswith("space")]
    code, _, stderr = invoke(
        *(*DIGITS, "--space", f"{file}:Tower", "--out", out, *sets(*settings, "data.max_images=300")),
        *sets("space.arguments={widths: [8, 8]}"),
    )
    assert code == 0, stderr
    Image.new("L", (8, 8), 128).save(image)
    # A process of its own, elsewhere: this one has imported the file.
    command = [sys.executable, "-m", "trueshot", "classify", str(out), str(image), "--json", "--trust-code"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["images"]) == 1
