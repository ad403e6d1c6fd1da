"""A run that is killed, at any time, and gone on with ends as one that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from trueshot.training.checkpoints import load_checkpoint

# The first test waits for some twenty searches: half a minute on a core of its own, minutes on a busy one.
pytestmark = pytest.mark.timeout(1800)

SCHEDULE = [
    "space.arguments={nodes: [1, 2], widths: [8, 12], kernels: [3], head_width: 16}",
    "data.max_images=400",
    "supernet.recipe.epochs=3",
    "supernet.recipe.lr=0.1",
    "weight_sampling.samples=3",
    "evaluation.recalibration={mode: reset, batches: 1, batch_size: 64}",
    "evolution={population: 4, generations: 3}",
    "retraining.recipe={epochs: 4, batch_size: 128, lr: 0.1, warmup_epochs: 1, ema_decay: 0.9}",
    "retraining.off_the_shelf=false",
    "retraining.repeats=1",
    "budget.fractions=[1.0, 0.6]",
    "threads=1",
    "save_every=0",
]
COMMAND = ["search", "--data", "digits", "--device", "cpu", "--max-madds", "100k", "--seed", "3"]
COMMAND += [word for value in SCHEDULE for word in ("--set", value)]
# 320 training images in batches of 64 and 400 in batches of 128: 15 supernet steps, 10 of SGLD, 12 for a network.
KILLS = {
    "supernet": (["supernet", 7], "supernet: 15 steps, 6 done before"),
    "supernet's checkpoint": (["replace", "supernet.ckpt"], "supernet: 15 steps\n"),
    "weight sampling": (["weight sampling", 7], "weight sampling: 10 steps, 6 done before"),
    "a snapshot": (["replace", "snapshot-02.ckpt"], "weight sampling: 10 steps, 9 done before"),
    "search": (["search", 6], "search: 12 architectures"),
    "retraining": (["random-1", 5], "random-1: 12 steps, 4 done before"),
    "a network": (["replace", "architecture.json"], "best-1: 12 steps, 12 done before"),
    "test": (["test", 1], "test: 4 networks"),
}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(out, *more):
    return [*COMMAND, "--out", str(out), *more]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder with an uninterrupted run, ``whole``, and a killed and resumed one for each entry of KILLS."""
    folder = tmp_path_factory.mktemp("resume")
    plans = [{"argv": command(folder / "whole"), "log": str(folder / "whole.log"), "kill": None}]
    for name, (kill, _) in KILLS.items():
        plans.append({"argv": command(folder / name), "log": str(folder / f"{name}.log"), "kill": kill})
        resumed = {"argv": command(folder / name, "--resume"), "log": str(folder / f"{name}.again.log"), "kill": None}
        plans.append(resumed)
    script = Path(__file__).with_name("killed_runs.py")
    done = subprocess.run(
        [sys.executable, str(script), json.dumps(plans)], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ends = json.loads(done.stdout.splitlines()[-1])
    logs = "\n".join(f"{plan['log']}\n{Path(plan['log']).read_text()}" for plan in plans)
    assert ends == [0] + [-signal.SIGKILL, 0] * len(KILLS), logs
    return folder


def without_times(content):
    """Leave out what tells how long something took."""
    if isinstance(content, dict):
        timed = ("seconds", "timings", "search_own_seconds", "written")
        return {key: without_times(value) for key, value in content.items() if key not in timed}
    return [without_times(value) for value in content] if isinstance(content, list) else content


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def scores(run):
    rows = pq.read_table(run / "evaluations.parquet").to_pylist()
    return {(row["digest"], row["row"]): (row["score"], row["arch"], row["madds"], row["params"]) for row in rows}


def check_equal(whole, other):
    files = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file() and "tfevents" not in path.name}
    missing = {name for name in files if not (other / name).is_file()}
    assert missing <= {Path("report.html")} | {name for name in files if name.suffix == ".onnx"}
    networks = sorted(name for name in files if name.suffix == ".safetensors")
    assert len(networks) == 4
    for name in networks:
        assert (whole / name).read_bytes() == (other / name).read_bytes(), name
    checkpoints = sorted(name for name in files if name.suffix == ".ckpt")
    assert [name.name for name in checkpoints] == [
        "sgld.ckpt",
        "snapshot-00.ckpt",
        "snapshot-01.ckpt",
        "snapshot-02.ckpt",
        "supernet.ckpt",
    ]
    for name in checkpoints:
        one, two = (without_times(load_checkpoint(run / name)) for run in (whole, other))
        assert same(one, two), name
    assert scores(whole) == scores(other)
    for name in sorted(files):
        if name.suffix == ".json" and name.name not in ("timings.json", "config.json"):
            one, two = (without_times(json.loads((run / name).read_text())) for run in (whole, other))
            assert one == two, name
        if name.suffix == ".jsonl":
            one, two = ([json.loads(line) for line in (run / name).read_text().splitlines()] for run in (whole, other))
            assert without_times(one) == without_times(two), name


@pytest.mark.parametrize("name", KILLS)
def test_a_killed_run_ends_as_an_uninterrupted_one(runs, name):
    check_equal(runs / "whole", runs / name)
    assert KILLS[name][1] in (runs / f"{name}.again.log").read_text()


def test_nothing_is_done_twice(runs):
    again = (runs / "retraining.again.log").read_text()
    assert "supernet: 15 steps, 15 done before" in again
    assert "best-1:" not in again
    assert "forecast" in (runs / "whole.log").read_text()
    assert "forecast" not in again


def test_another_seed_gives_other_weights(runs):
    # Without this, runs that ignore their seed and their data would pass.
    first = load_checkpoint(runs / "whole" / "checkpoints" / "snapshot-00.ckpt")["model"]
    last = load_checkpoint(runs / "whole" / "checkpoints" / "snapshot-02.ckpt")["model"]
    assert not same(first, last)
    assert len({score for score, *_ in scores(runs / "whole").values()}) > 3


def test_the_command_killed_from_outside_and_repeated(runs, tmp_path):
    out = tmp_path / "run"
    start = [sys.executable, "-m", "trueshot"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*start, *command(out)], env=ENVIRONMENT, stdout=log, stderr=log)
        while not (out / "checkpoints" / "supernet.ckpt").exists():
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert not (out / "result.json").exists()
    again = subprocess.run(
        [*start, *command(out, "--resume", "--json")], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    check_equal(runs / "whole", out)
    assert json.loads(again.stdout)["schema"] == 1
    assert (out / "report.html").stat().st_size > 10_000
    assert (out / "winners" / "best-1" / "model.onnx").exists()
