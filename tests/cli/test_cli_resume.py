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
import timm
import torch

from trueshot.training.checkpoints import load_checkpoint

# The first test waits for some searches, each a few seconds on a core of its own and more on a busy one.
pytestmark = pytest.mark.timeout(1800)

SCHEDULE = [
    "space.arguments={nodes: [1, 3], widths: [8, 12], kernels: [3], head_width: 16}",
    "data.max_images=400",
    "supernet.recipe.epochs=3",
    "supernet.recipe.lr=0.1",
    "weight_sampling.samples=3",
    "evaluation.recalibration={mode: reset, batches: 1, batch_size: 64}",
    "retraining.recipe={epochs: 4, batch_size: 128, lr: 0.1, warmup_epochs: 1, ema_decay: 0.9}",
    "retraining.off_the_shelf=false",
    "retraining.repeats=1",
    "retraining.random=1",
    "budget.fractions=[1.0, 0.6]",
    "threads=1",
    "save_every=0",
]
COMMAND = ["search", "--data", "digits", "--device", "cpu", "--max-madds", "100k", "--seed", "3"]
COMMAND += [word for value in SCHEDULE for word in ("--set", value)]
# 320 training images in batches of 64 and of 128: 15 supernet steps, 10 of SGLD, 8 for a network; 12 for the one that
# is trained anew on 400 images.
STRATEGIES = {
    "one-shot": ["--set", "proposer={population: 4, generations: 3}"],
    "evolution": [
        *("--strategy", "evolution"),
        *("--set", "proposer={evaluations: 12, population: 4, sample: 2, at_once: 4}"),
    ],
    "short": ["--set", "proposer={population: 4, generations: 2}", "--short-trainings", "4"],
    "teacher": [
        *("--set", "proposer={population: 4, generations: 2}"),
        *("--teacher", "WEIGHTS", "--set", "teacher.image_size=24"),
    ],
}
WEIGHTS = "mobilenetv3_small_050.pth"
"""File of the teacher's weights, beside the runs."""
KILLS = {
    "the teacher's head": (["replace", "teacher.ckpt"], "teacher: 320 images\n"),
    "supernet's checkpoint": (["replace", "supernet.ckpt"], "supernet: 15 steps\n"),
    "supernet": (["supernet", 7], "supernet: 15 steps, 6 done before"),
    "weight sampling": (["weight sampling", 7], "weight sampling: 10 steps, 6 done before"),
    "a snapshot": (["replace", "snapshot-02.ckpt"], "weight sampling: 10 steps, 9 done before"),
    "search": (["search", 6], "search: 12 architectures"),
    # Four architectures for one epoch, two of them for two.
    "a short training": (["replace", "short.parquet"], "short trainings: 8 epochs"),
    "short trainings": (["short trainings", 5], "short trainings: 8 epochs"),
    "a network": (["replace", "architecture.json"], "best-1: 8 steps, 8 done before"),
    "retraining": (["random-1", 5], "random-1: 8 steps, 4 done before"),
    "validation": (["validation", 1], "validation: 5 networks"),
    "the last training": (["recommended", 7], "recommended: 12 steps, 6 done before"),
    "test": (["test", 1], "test: 5 networks"),
}
"""Where a run is killed, in the order of its phases, and what the next process says of it."""
SHORT = ("a short training", "short trainings")
CHAINS = {
    "one-shot": [name for name in KILLS if name not in (*SHORT, "the teacher's head")],
    "evolution": ["search"],
    "short": list(SHORT),
    "teacher": ["the teacher's head", "retraining"],
}
"""One run of each strategy dies at each of these; all but proposing and short trainings is the same code for all."""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(strategy, out, *more):
    own = [str(out.parent / WEIGHTS) if word == "WEIGHTS" else word for word in STRATEGIES[strategy]]
    return [*COMMAND, *own, "--out", str(out), *more]


def plan(kill, strategy, log, out, *more):
    """Return one process: its command, the file of what it prints, and when it dies."""
    return {"argv": command(strategy, out, *more), "log": str(log), "kill": kill}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder for each strategy: a run to its end, ``whole``, and one that was killed again and again, ``killed``."""
    folder = tmp_path_factory.mktemp("resume")
    plans, ends = [], []
    for strategy, names in CHAINS.items():
        own = folder / strategy
        own.mkdir()
        if strategy == "teacher":
            torch.manual_seed(0)
            torch.save(timm.create_model("mobilenetv3_small_050").state_dict(), own / WEIGHTS)
        plans.append(plan(None, strategy, own / "whole.log", own / "whole"))
        for place, name in enumerate(names):
            more = ["--resume"] if place else []
            plans.append(plan(KILLS[name][0], strategy, own / f"{place}.log", own / "killed", *more))
        plans.append(plan(None, strategy, own / f"{len(names)}.log", own / "killed", "--resume"))
        ends += [0] + [-signal.SIGKILL] * len(names) + [0]
    script = Path(__file__).with_name("killed_runs.py")
    done = subprocess.run(
        [sys.executable, str(script), json.dumps(plans)], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    logs = "\n".join(f"{one['log']}\n{Path(one['log']).read_text()}" for one in plans)
    assert json.loads(done.stdout.splitlines()[-1]) == ends, logs
    return folder


def after(runs, strategy, name):
    """What the process said that followed a kill."""
    return (runs / strategy / f"{CHAINS[strategy].index(name) + 1}.log").read_text()


def without_times(content):
    """Leave out what tells how long something took, and what is told of exports, which these runs leave out."""
    if isinstance(content, dict):
        timed = ("seconds", "milliseconds", "size", "timings", "search_own_seconds", "written")
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
    assert len(networks) == (4 if whole.parent.name == "teacher" else 6)
    for name in networks:
        assert (whole / name).read_bytes() == (other / name).read_bytes(), name
    checkpoints = sorted(name for name in files if name.suffix == ".ckpt")
    assert [name.name for name in checkpoints] == [
        "sgld.ckpt",
        "snapshot-00.ckpt",
        "snapshot-01.ckpt",
        "snapshot-02.ckpt",
        "supernet.ckpt",
        *(["teacher.ckpt"] if whole.parent.name == "teacher" else []),
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


@pytest.mark.parametrize("strategy", CHAINS)
def test_a_run_killed_in_every_phase_ends_as_an_uninterrupted_one(runs, strategy):
    check_equal(runs / strategy / "whole", runs / strategy / "killed")


@pytest.mark.parametrize(("strategy", "name"), [(kind, name) for kind, names in CHAINS.items() for name in names])
def test_the_next_process_goes_on_where_the_last_was_killed(runs, strategy, name):
    assert KILLS[name][1] in after(runs, strategy, name)


def test_strategies_differ(runs):
    # Without this, runs that ignore their strategy would pass.
    asked = [(runs / strategy / "whole" / "log" / "asked.jsonl").read_text() for strategy in STRATEGIES]
    assert asked[0] != asked[1]


def test_nothing_is_done_twice(runs):
    again = after(runs, "one-shot", "retraining")
    assert "supernet: 15 steps, 15 done before" in again
    assert "best-1:" not in again
    assert "forecast" in (runs / "one-shot" / "whole.log").read_text()
    assert "forecast" not in again


def test_short_trainings_are_kept_and_told(runs):
    folder = runs / "short"
    assert len(pq.read_table(folder / "killed" / "log" / "short.parquet")) == 6
    assert "short trainings, round 2: 2 architectures, 2 epochs" in after(runs, "short", "short trainings")
    assert not list((folder / "whole" / "checkpoints").glob("trained-*"))
    result = json.loads((folder / "whole" / "result.json").read_text())
    assert result["short_trainings"] == [{"architectures": 4, "epochs": 1}, {"architectures": 2, "epochs": 2}]
    assert result["timings"]["short trainings"] > 0
    assert "short trainings" in (folder / "whole.log").read_text().partition("forecast:")[2].partition("\n")[0]


def test_another_seed_gives_other_weights(runs):
    # Without this, runs that ignore their seed and their data would pass.
    first = load_checkpoint(runs / "one-shot" / "whole" / "checkpoints" / "snapshot-00.ckpt")["model"]
    last = load_checkpoint(runs / "one-shot" / "whole" / "checkpoints" / "snapshot-02.ckpt")["model"]
    assert not same(first, last)
    assert len({score for score, *_ in scores(runs / "one-shot" / "whole").values()}) > 3


def test_the_command_killed_from_outside_and_repeated(runs, tmp_path):
    out = tmp_path / "run"
    start = [sys.executable, "-m", "trueshot"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*start, *command("one-shot", out)], env=ENVIRONMENT, stdout=log, stderr=log)
        while not (out / "checkpoints" / "supernet.ckpt").exists():
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert not (out / "result.json").exists()
    again = subprocess.run(
        [*start, *command("one-shot", out, "--resume", "--json")],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    check_equal(runs / "one-shot" / "whole", out)
    assert json.loads(again.stdout)["schema"] == 1
    assert (out / "report.html").stat().st_size > 10_000
    assert (out / "winners" / "best-1" / "model.onnx").exists()
