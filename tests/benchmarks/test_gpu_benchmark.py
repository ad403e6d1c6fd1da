"""The command for a lent GPU: its figures, and what it can do without."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import gpu  # noqa: E402
from gpu_figures import FIGURES, figures, told  # noqa: E402

SPEED = {
    "measured": {
        "step, batch 512": {"ms": 9.0, "kernel_ms": 6.0},
        "scoring, batches of 500": {"per_s": 9.2},
        "scoring, batches of 10000": {"per_s": 54.413333},
    }
}
RANK = {
    "finished": True,
    "seconds": [200.0, 250.0],
    "result": {
        "evaluators": {
            "supernet": {"all": {"kendall_tau": {"value": 0.7, "low": 0.69, "high": 0.71}}},
            "fused": {"all": {"kendall_tau": 0.8}},
        }
    },
}
RECORDS = [
    {"role": "winner", "test": {"top1": 0.9}},
    {"role": "random", "test": {"top1": 0.8}},
    {"role": "off-the-shelf", "test": None},
]
SEARCH = {
    "finished": True,
    "seconds": [420.0, 300.0],
    "result": {"sections": [{"kind": "front"}, {"kind": "networks", "records": RECORDS}]},
}


@pytest.mark.parametrize(
    ("part", "found", "measured", "reached"),
    [
        ("speed", SPEED, [9.0, 1.5, 2.5], [True, False, True]),
        ("rank", RANK, [0.7, 0.8, 7.5], [True, False, False]),
        ("search", SEARCH, [2.0, 2.0], [False, True]),
        ("tests", {"finished": True, "passed": 5}, [5.0], [True]),
        ("rank", {"finished": False, "seconds": [420.0]}, [None] * 3, [None] * 3),
    ],
)
def test_figures_on_a_gpu(part, found, measured, reached):
    rows = figures(part, found, "cuda")
    assert [row["measured"] for row in rows] == pytest.approx(measured)
    assert [row["reached"] for row in rows] == reached


def test_half_done_tests_are_no_figure():
    assert figures("tests", {"finished": False, "passed": 3}, "cuda")[0]["measured"] is None


def test_a_processor_shows_no_figure_but_says_which_a_gpu_will():
    for part, found in (("speed", SPEED), ("rank", RANK), ("search", SEARCH)):
        rows = figures(part, found, "cpu")
        assert [row["measured"] for row in rows] == [None] * len(FIGURES[part])
        assert all("only a GPU shows it" in told(row, "cpu") for row in rows)
    (row,) = figures("tests", {"finished": True, "passed": 4}, "cpu")
    assert told(row, "cpu") == "shows: checks that pass on the device, of five, goal >= 5: measured 4, missed"


def test_a_command_ends_in_time(tmp_path):
    start = time.monotonic()
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert gpu.run(sleeping, start + 1.5, tmp_path / "log")[0] is None
    assert time.monotonic() - start < 10
    assert gpu.run([sys.executable, "-c", "raise SystemExit(3)"], start + 60, tmp_path / "log")[0] == 3


def test_a_run_goes_on_by_the_command_that_began_it(tmp_path, monkeypatch):
    lines, kept = [], []
    monkeypatch.setattr(
        gpu, "run", lambda line, *_: lines.append(line) or ((None, 7.0) if len(lines) == 1 else (0, 5.0))
    )
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "result.json").write_text(json.dumps({"found": 1}))

    def call(minutes, given, before):
        options = argparse.Namespace(
            part="search", device="cuda", seconds=60 * minutes, until=0, out=tmp_path, set=given
        )
        gpu.PARTS["search"](options, before, kept.append)
        return kept[-1]

    first = call(7, ["seed=3"], {})
    assert (first["finished"], first["failed"], first["seconds"]) == (False, False, [7.0])
    assert first["arguments"][-4:] == ["--time-budget", "714s", "--set", "seed=3"]
    second = call(2, ["seed=4"], first)
    assert lines[0] == lines[1]
    assert (second["finished"], second["seconds"], second["result"]) == (True, [7.0, 5.0], {"found": 1})


WITHOUT = """
import sys
from pathlib import Path
for name in ("pymoo", "pytest", "onnxruntime", "onnxscript", "hypothesis", "beartype"):
    sys.modules[name] = None
sys.path.insert(0, {benchmarks!r})
from gpu_tests import CHECKS
CHECKS["ranking-plain"]("cpu", Path({folder!r}))
"""


def test_a_ranking_needs_neither_pymoo_nor_exporters_nor_pytest(tmp_path):
    code = WITHOUT.format(benchmarks=str(ROOT / "benchmarks"), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]


def called(*arguments, **environment):
    """Return exit status and what was printed by the command, without data unless told."""
    kept = {key: value for key, value in os.environ.items() if key != "TRUESHOT_DATA"}
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--device", "cpu", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**kept, **environment})
    return done.returncode, done.stdout + done.stderr


def test_what_cannot_be_measured_is_said_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    out = ["--out", tmp_path / "out"]
    for arguments, words in (
        (["--part", "tests", "--minutes", "0", *out], "--minutes 0: give a number above 0"),
        (["--part", "tests", "--minutes", "nan", *out], "--minutes nan: give a number above 0"),
        (["--part", "rank", *out], "--part rank needs CIFAR-10: let TRUESHOT_DATA name the folder"),
        (["--part", "tests", "--out", tmp_path / "file"], "is a file: give a folder"),
    ):
        code, printed = called(*arguments)
        assert (code, words in printed, "Traceback" in printed) == (2, True, False), printed


def test_a_killed_call_leaves_what_it_began_with(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(gpu, "run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    options = argparse.Namespace(part="search", device="cuda", seconds=420, until=0, out=tmp_path, set=["seed=3"])
    with pytest.raises(KeyboardInterrupt):
        gpu.PARTS["search"](options, {}, kept.append)
    assert kept[-1]["arguments"][-4:] == ["--time-budget", "714s", "--set", "seed=3"]
    assert not kept[-1]["finished"]
