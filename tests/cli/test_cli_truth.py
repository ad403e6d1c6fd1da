"""``trueshot truth``, run as a user runs it."""

import bz2
import contextlib
import importlib.util
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import kendalltau

sys.path.insert(0, str(Path(__file__).parent))
from cli_runs import invoke, refused, sets

from trueshot.core.errors import TrainingError
from trueshot.evaluation.truth import TruthTable
from trueshot.spaces import Chain, NasBench201
from trueshot.strategies.truth import build as truth

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("nats_bench") is None, reason="needs the package nats_bench (an extra)"
)
needs_data = pytest.mark.skipif("TRUESHOT_DATA" not in os.environ, reason="needs files under $TRUESHOT_DATA")

SPACE = "space.arguments={stem_width: 4, fixed_width: 4, layers: [[8, 2], [8, 1], [12, 1]], head_width: 16}"
RECIPE = "retraining.recipe={epochs: 4, batch_size: 32, lr: 0.2, warmup_epochs: 1, ema_decay: 0.9}"
TINY = sets(SPACE, RECIPE, "data.max_images=200", "data.max_test_images=60", "save_every=0")
BUILD = ["truth", "build", "--space", "chain", "--data", "digits", "--device", "cpu", *TINY]


def build(out, *more):
    return [*BUILD, "--out", out, *more]


def told(*arguments):
    code, out, err = invoke(*arguments, "--json")
    assert code == 0, err
    return json.loads(out), err


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A table of five architectures under two seeds, and what was printed."""
    out = tmp_path_factory.mktemp("truth") / "truth.parquet"
    result, err = told(*build(out, "--n", "5", "--workers", "1"))
    return out, result, err


def test_build_says_what_it_does_and_writes_the_table(built):
    out, result, err = built
    assert result["schema"] == 1
    assert (result["architectures"], result["trainings"], result["measurements"]) == (5, 10, 30)
    assert (result["seeds"], result["fidelities"], result["space"]) == ([0, 1], [4], "chain")
    assert result["work"] == str(out.with_suffix(".work"))
    column = result["columns"]["digits_test_4"]
    assert 10 < column["mean"] < column["max"] <= 100
    assert column["between_seeds"]["architectures"] == 5
    table = TruthTable.read(out)
    assert table.column("digits_test_4").max() == column["max"]
    assert table.architectures[int(table.column("digits_test_4").argmax())] == column["best"]
    assert "0 of 10 trainings done before" in err
    assert "forecast: about" in err
    assert "truth: 200 steps" in err
    assert {path.name for path in out.parent.iterdir()} == {"truth.parquet", "truth.work"}


def test_workers_change_nothing(built, tmp_path):
    _, err = told(*build(tmp_path / "dir", "--n", "5", "--workers", "2"))
    assert "workers: 2, threads of each: 1" in err
    assert (tmp_path / "dir" / "truth.parquet").read_bytes() == built[0].read_bytes()


def test_the_same_command_again_trains_nothing(built):
    before = built[0].read_bytes()
    _, err = told(*build(built[0], "--n", "5"))
    assert "10 of 10 trainings done before" in err
    assert "forecast" not in err
    assert built[0].read_bytes() == before


def test_more_architectures_and_seeds_take_up_what_is_there(built, tmp_path):
    out = tmp_path / "truth.parquet"
    told(*build(out, "--n", "2", "--seeds", "1"))
    message = refused(*build(out, "--n", "5"))
    assert "holds a build of 2 architectures under 1 seeds" in message
    assert "--resume" in message
    _, err = told(*build(out, "--n", "5", "--resume"))
    assert "2 of 10 trainings done before" in err
    assert out.read_bytes() == built[0].read_bytes()


def test_seeds_count_on_from_the_first(built, tmp_path):
    archs = tmp_path / "archs.csv"
    table = TruthTable.read(built[0])
    pd.DataFrame({"arch": table.architectures, "note": range(5)}).to_csv(archs, index=False)
    result, _ = told(*build(tmp_path / "t.csv", "--archs", archs, "--n", "2", "--seeds", "1", "--seed", "1"))
    assert result["seeds"] == [1]
    found = TruthTable.read(tmp_path / "t.csv")
    assert found.architectures == table.architectures[:2]
    assert found.column("digits_test_4").tolist() == table.column("digits_test_4", seed=1)[:2].tolist()


def test_epochs_and_sampler(tmp_path):
    arguments = ["--n", "4", "--seeds", "1", "--epochs", "1", "--sampler", "fair"]
    result, err = told(*build(tmp_path / "t.parquet", *arguments))
    assert result["fidelities"] == [1]
    assert "5 steps each" in err
    # A strictly fair step of four uses each of the four options of every layer once.
    genes = [arch.split("-") for arch in TruthTable.read(tmp_path / "t.parquet").architectures]
    assert [len(set(layer)) for layer in zip(*genes, strict=True)] == [4, 4, 4]


def test_criteria_read_the_table(built, tmp_path):
    """From the table to a judgement of any scores: here the parameter count."""
    table = TruthTable.read(built[0])
    trainings = pd.read_parquet(built[0].with_suffix(".work") / "trainings.parquet").drop_duplicates("arch")
    scores = tmp_path / "scores.csv"
    trainings.rename(columns={"params": "score"})[["arch", "score"]].to_csv(scores, index=False)
    found, _ = told("criteria", "--truth", built[0], "--column", "digits_test_4", "--scores", scores)
    params = trainings.set_index("arch")["params"].loc[list(table.architectures)].to_numpy()
    assert found["n"] == 5
    assert found["kendall_tau"] == pytest.approx(kendalltau(params, table.column("digits_test_4")).statistic)
    shown, _ = told("truth", "show", built[0], "--space", "chain", "--column", "digits_test_4")
    assert shown["columns"]["digits_test_4"]["params_tau"] == pytest.approx(found["kendall_tau"])
    assert "no column 'x'" in refused("criteria", "--truth", built[0], "--column", "x", "--scores", scores)


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


LONGER = ["--n", "6", "--seeds", "1", "--workers", "2", "--epochs", "8"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The table of a build that takes longer, uninterrupted."""
    out = tmp_path_factory.mktemp("whole")
    told(*build(out, *LONGER))
    return (out / "truth.parquet").read_bytes()


@contextlib.contextmanager
def in_the_middle(out, log):
    """Start the longer build, wait until one training is recorded and another is at a checkpoint, and yield it."""
    command = [sys.executable, "-m", "trueshot", *map(str, build(out, *LONGER))]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        while not (list((out / "trainings").glob("*.json")) and list((out / "checkpoints").glob("*.ckpt"))):
            assert process.poll() is None, log.read_text()
            time.sleep(0.002)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.timeout(900)
def test_a_killed_build_ends_as_an_uninterrupted_one(whole, tmp_path):
    out = tmp_path / "killed"
    records, checkpoints = out / "trainings", out / "checkpoints"
    with in_the_middle(out, tmp_path / "log") as process:
        workers = children(process.pid)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert len(workers) == 2
    # Nobody trains on behind the back of the next command.
    deadline = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))
    before = {path: path.stat().st_mtime_ns for path in records.glob("*.json")}
    assert 1 <= len(before) < 6
    assert not (out / "truth.parquet").exists()
    _, err = told(*build(out, *LONGER))
    assert f"{len(before)} of 6 trainings done before" in err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (out / "truth.parquet").read_bytes() == whole
    assert not list(checkpoints.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.timeout(900)
def test_a_build_whose_workers_are_killed_ends_as_an_uninterrupted_one(whole, tmp_path):
    out = tmp_path / "killed"
    with in_the_middle(out, tmp_path / "log") as process:
        killed = children(process.pid)
        for worker in killed:
            os.kill(worker, signal.SIGKILL)
        assert process.wait() == 0, (tmp_path / "log").read_text()
    assert len(killed) == 2
    assert (out / "truth.parquet").read_bytes() == whole
    assert not list((out / "checkpoints").iterdir())


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the package ray (an extra)")
def test_a_cluster_changes_nothing(built, tmp_path):
    _, err = told(*build(tmp_path / "dir", "--n", "5", "--workers", "2", "--executor", "ray"))
    assert "workers: 2, threads of each: 1" in err
    assert (tmp_path / "dir" / "truth.parquet").read_bytes() == built[0].read_bytes()


def test_trainings_that_fail_are_told_at_the_end_and_the_others_make_the_table(built, tmp_path, monkeypatch):
    calls, train = [], truth.train_and_measure

    def trained(*arguments, **options):
        calls.append(arguments)
        if len(calls) in (1, 3):
            raise TrainingError("the loss is not finite: lower the learning rate")
        return train(*arguments, **options)

    monkeypatch.setattr(truth, "train_and_measure", trained)
    command = build(tmp_path / "t.parquet", "--n", "4", "--seeds", "1", "--workers", "1", "--json")
    code, out, err = invoke(*command)
    table, whole = TruthTable.read(tmp_path / "t.parquet"), TruthTable.read(built[0])
    assert code == 2
    first, third = whole.architectures[0], whole.architectures[2]
    reason = f"architecture '{third}', seed 0: the loss is not finite: lower the learning rate"
    assert err.splitlines()[-2] == f"failed: architecture '{third}', seed 0: {reason}"
    assert err.splitlines()[-1] == f"error: {reason.replace(third, first)}"
    result = json.loads(out)
    assert (result["trainings"], result["failed"], result["architectures"]) == (4, 2, 2)
    assert table.architectures == (whole.architectures[1], whole.architectures[3])
    # Only what failed is done again by the same command.
    result, err = told(*command)
    assert len(calls) == 6
    assert result["failed"] == 0
    assert "2 of 4 trainings done before" in err
    assert TruthTable.read(tmp_path / "t.parquet").architectures == whole.architectures[:4]


def test_a_build_of_which_every_training_fails_writes_no_table(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise TrainingError("the loss is not finite: lower the learning rate")

    monkeypatch.setattr(truth, "train_and_measure", fails)
    code, out, err = invoke(*build(tmp_path / "t.parquet", "--n", "2", "--seeds", "1", "--workers", "1", "--json"))
    assert (code, out) == (2, "")
    assert "the loss is not finite: lower the learning rate" in err.splitlines()[-1]
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--set", "retraining.repeats=2"],
            "configuration value retraining.repeats: there is no such value: did you mean recipe",
        ),
        (["--set", "supernet.recipe.epochs=2"], "configuration value supernet: there is no such value: choose one of"),
        (
            ["--set", "space.name=topology"],
            "space.arguments.stem_width: space topology takes no such argument: did you mean head_width",
        ),
        (["--set", "space.arguments.classes=3"], "classes of the space is that of the data"),
        (["--set", "space.arguments.wings=3"], "space.arguments.wings: space chain takes no such argument"),
        (["--preset", "none"], "unknown preset 'none'"),
        (["--sampler", "best"], "configuration value sampler: unknown sampler 'best': choose one of"),
        (["--n", "300"], "space chain has only 64 architectures"),
        (["--space", "castle"], "unknown space 'castle'"),
        (["--data", "nowhere"], "no data at 'nowhere'"),
        (["--executor", "slurm"], "unknown executor 'slurm': choose one of local, ray"),
        (["--ray", "auto"], "--ray auto joins a Ray cluster: add --executor ray, or leave it out"),
    ],
)
def test_wrong_options_are_one_line_and_leave_nothing(tmp_path, arguments, message):
    assert message in refused(*build(tmp_path / "t.parquet", *arguments))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("arch\nE3K3-E3K3-E3K3\nE3K3-E3K9-E3K3\n", "entry 2, 'E3K3-E3K9-E3K3', is no architecture of chain"),
        ("arch\nE3K3-E3K3\n", "entry 1, 'E3K3-E3K3', is no architecture of chain"),
        ("arch\nE3K3-E3K3-E3K3\nE3K3-E3K3-E3K3\n", "entry 2, are one architecture"),
        ("arch\n", "has no architectures"),
        ("name\nE3K3-E3K3-E3K3\n", "has no column 'arch': it has name"),
        ("", "cannot read"),
    ],
)
def test_wrong_architectures_are_one_line(tmp_path, content, message):
    archs = tmp_path / "archs.csv"
    archs.write_text(content)
    error = refused(*build(tmp_path / "t.parquet", "--archs", archs))
    assert message in error
    assert "archs.csv" in error
    assert not (tmp_path / "t.parquet").exists()


def test_more_wrong_architectures(tmp_path):
    archs = tmp_path / "archs.csv"
    archs.write_text("arch\nE3K3-E3K3-E3K3\n")
    assert "has only 1 architectures" in refused(*build(tmp_path / "t.parquet", "--archs", archs, "--n", "2"))
    assert "give one of them" in refused(*build(tmp_path / "t.parquet", "--archs", archs, "--sampler", "uniform"))
    assert "there is no file" in refused(*build(tmp_path / "t.parquet", "--archs", tmp_path / "none.csv"))


def test_too_few_images(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(2):
            Image.new("L", (8, 8), 40 * number).save(tmp_path / "images" / label / f"{number}.png")
    command = ["truth", "build", "--space", "chain", "--data", tmp_path / "images", "--out", tmp_path / "t.parquet"]
    assert "class 'cat' has 2 images, too few" in refused(*command)
    assert "max_images leaves 12 images" in refused(*build(tmp_path / "t.parquet", "--set", "data.max_images=12"))


def test_what_others_made_is_not_overwritten(built, tmp_path):
    other = tmp_path / "other.parquet"
    shutil.copy(built[0], other)
    assert "trueshot did not build it" in refused(*build(other, "--n", "2"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    assert "holds no trueshot run" in refused(*build(tmp_path / "full", "--n", "2"))
    assert "another configuration" in refused(*build(built[0], "--n", "5", "--set", "retraining.recipe.lr=0.1"))


def test_a_space_of_ones_own_can_be_imported_by_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    tutorial = (Path(__file__).parents[2] / "docs" / "own-space.md").read_text()
    file = tmp_path / "folder" / "space_of_truth.py"
    file.parent.mkdir()
    file.write_text(re.search(r"```python\n(.*?)```", tutorial, flags=re.DOTALL)[1])
    command = ["truth", "build", "--space", f"{file}:Tower", "--data", "digits", "--device", "cpu", "--epochs", "1"]
    small = sets("data.max_images=100", "data.max_test_images=30", "space.arguments.widths=[8, 8]")
    try:
        result, _ = told(*command, *small, "--n", "1", "--seeds", "1", "--workers", "1", "--out", tmp_path / "t.csv")
        assert (result["space"], result["architectures"]) == ("tower", 1)
        # Processes that are started afresh get this path.
        assert str(file.parent) in sys.path
        told("truth", "show", tmp_path / "t.csv", "--space", f"{file}:Tower")
    finally:
        sys.modules.pop("space_of_truth", None)


def test_show_for_people(built):
    code, out, err = invoke("truth", "show", built[0], "--space", "chain")
    assert (code, err) == (0, "")
    assert "5 architectures, 30 values" in out
    assert "metrics: digits_valid, digits_test, digits_train; epochs: 4; seeds: 0, 1" in out
    assert "seed against seed Kendall tau" in out
    assert "what costs nothing: Kendall tau of parameters" in out
    directory, _ = told("truth", "show", built[0], "--column", "digits_valid_4")
    assert list(directory["columns"]) == ["digits_valid_4"]
    assert directory["columns"]["digits_valid_4"]["params_tau"] is None
    assert "the table was built of chain" in refused("truth", "show", built[0], "--space", "topology")


def test_show_finds_twins(tmp_path):
    space = NasBench201()
    rows = np.unique(space.sample(400, 0), axis=0)
    frame = pd.DataFrame({"arch": [space.format(row) for row in rows], "m_9": np.arange(len(rows), dtype=float)})
    frame.to_parquet(tmp_path / "t.parquet")
    twins = told("truth", "show", tmp_path / "t.parquet", "--space", "nasbench201")[0]["columns"]["m_9"]["twins"]
    classes = np.unique(space.canonical(rows), axis=0, return_counts=True)[1]
    assert (twins["groups"], twins["architectures"]) == ((classes > 1).sum(), classes[classes > 1].sum())
    assert "standard deviation among twins" in invoke(
        "truth", "show", tmp_path / "t.parquet", "--space", "nasbench201"
    )[1]  # fmt: skip


def test_bad_tables(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("arch,m_9\n")
    for command in (["truth", "show", path], ["truth", "import", path, "--out", tmp_path / "o.parquet"]):
        assert "t.csv has the columns arch, m_9: a table of truth has either arch and a column" in refused(*command)
    path.write_text("arch,m_9\nE3K3,1\nE9,2\n")
    assert "no column 'm_8': did you mean m_9?" in refused("truth", "show", path, "--column", "m_8")
    message = "entry 1, 'E3K3', is no architecture of chain"
    assert message in refused("truth", "show", path, "--space", "chain")
    assert message in refused("truth", "import", path, "--out", tmp_path / "o.parquet", "--space", "chain")
    assert not (tmp_path / "o.parquet").exists()
    assert "there is no file" in refused("truth", "show", tmp_path / "absent.parquet")


@pytest.mark.parametrize("layout", ["long", "wide"])
def test_import_of_tables(built, tmp_path, layout):
    table = TruthTable.read(built[0])
    source, out = tmp_path / f"{layout}.csv", tmp_path / "out.parquet"
    if layout == "long":
        table.write(source)
    else:
        wide = {"arch": table.architectures, **{name: table.column(name) for name in table.columns}}
        pd.DataFrame(wide).to_csv(source, index=False)
    result, _ = told("truth", "import", source, "--out", out)
    assert result["benchmark"] is None
    assert result["architectures"] == 5
    again = TruthTable.read(out)
    assert all(np.allclose(again.column(name), table.column(name), rtol=1e-15) for name in table.columns)
    assert again.seeds("digits_test_4") == ((0, 1) if layout == "long" else (-1,))
    assert "--benchmark is of NATS-Bench" in refused("truth", "import", source, "--out", out, "--benchmark", "tss")
    assert "call it .parquet or .csv" in refused("truth", "import", source, "--out", tmp_path / "o.txt")


@needs_package
@needs_data
def test_import_of_the_official_sample(tmp_path):
    sample = Path(os.environ["TRUESHOT_DATA"]) / "nats-tss-sample"
    out = tmp_path / "sample.parquet"
    result, _ = told("truth", "import", sample, "--out", out, "--benchmark", "tss")
    assert (result["architectures"], result["benchmark"]) == (3, "tss")
    assert result["seeds"] == [111, 777, 888, 999]
    table = told("truth", "show", out, "--space", "nasbench201", "--column", "cifar10_test_200")[0]
    assert table["columns"]["cifar10_test_200"]["between_seeds"]["pairs"] == 3
    error = refused("truth", "import", sample, "--out", tmp_path / "o.parquet", "--benchmark", "sss")
    assert "is of NATS-Bench's topology benchmark" in error
    cut = tmp_path / "cut"
    cut.mkdir()
    content = (sample / "000011.pickle.pbz2").read_bytes()
    (cut / "000011.pickle.pbz2").write_bytes(content[: len(content) // 2])
    assert "truncated" in refused("truth", "import", cut, "--out", tmp_path / "o.parquet")
    assert not (tmp_path / "o.parquet").exists()


@needs_package
def test_import_of_foreign_files(tmp_path):
    out = tmp_path / "o.parquet"
    foreign = tmp_path / "foreign.pickle.pbz2"
    foreign.write_bytes(bz2.compress(pickle.dumps([1, 2])))
    assert "no file of NATS-Bench" in refused("truth", "import", foreign, "--out", out)
    foreign.write_bytes(b"not compressed at all")
    assert "cannot read" in refused("truth", "import", foreign, "--out", out)
    assert "holds no result" in refused("truth", "import", tmp_path / "..", "--out", out)


def test_import_refuses_before_it_reads(tmp_path):
    out = tmp_path / "o.parquet"
    assert "there is no file or folder" in refused("truth", "import", tmp_path / "none", "--out", out)
    assert "unknown benchmark 'nds'" in refused("truth", "import", tmp_path, "--out", out, "--benchmark", "nds")


def test_a_space_of_the_table_need_not_be_the_default(built):
    # The default chain has 19 layers; that of the build is found beside the table.
    assert len(Chain().decisions) == 19
    told("truth", "show", built[0], "--space", "chain")
