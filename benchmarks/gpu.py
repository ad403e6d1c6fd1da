"""What a GPU that is lent for some minutes shows: tests, speed, a ranking, a search; each part within its minutes.

Results go to ``DIR/PART.json``. What a part did not finish, it goes on with when the same command is repeated, on
another day too: ``speed`` measures what is missing, ``rank`` and ``search`` resume the run that lies in ``DIR``.

Run: ``python benchmarks/gpu.py --part speed --minutes 7 --out DIR [--device cpu]``; ``rank`` and ``search`` need
``$TRUESHOT_DATA``. On a bare machine, ``PYTHONPATH`` names ``src`` and the folder of the wheels that are missing.
Goals on one H200 or H100: a step of NAS-Bench-201 at batch 512 at most 1.3 times its kernels, and at most 9.5 ms; all
15,625 architectures scored on 10,000 images in 3 minutes; rank: tau at least 0.68 in 7 minutes; search: found, random
and off-the-shelf networks retrained within two calls of 7 minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gpu_speed import Result, measurements
from machine import describe, headline

ROOT = Path(__file__).parent.parent
TESTS = ("tests/operations/test_operations_pooling.py", "tests/cli/test_cli_devices.py", "-k", "gpu or devices")
PATIENCE = 45.0
"""Seconds that a command has to write its checkpoint after it was asked to stop."""


def run(command: list[str], seconds: float, log: Path) -> tuple[int | None, float]:
    """Run a command for at most so long; return its exit status, none where it was stopped, and its seconds."""
    paths = filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH")))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    start = time.monotonic()
    with log.open("a") as stream:
        stream.write(f"$ {' '.join(command)}\n")
        stream.flush()
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stream, stderr=stream) as process:
            try:
                return process.wait(max(seconds, 1.0)), time.monotonic() - start
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
            return None, time.monotonic() - start


def tests(options: argparse.Namespace, before: Result, keep: Callable[[Result], None]) -> None:
    """Run the tests that need a GPU; without one they are skipped, which shows that they can be collected."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    code, seconds = run(command, options.seconds, options.out / "tests.log")
    last = (options.out / "tests.log").read_text().splitlines()[-1]
    keep({"finished": code is not None, "passed": code == 0, "seconds": round(seconds, 1), "summary": last})


def command(arguments: list[str], options: argparse.Namespace, before: Result, keep: Callable[[Result], None]) -> None:
    """Run or resume one of trueshot's commands, and keep what its ``result.json`` says."""
    folder = options.out / options.part
    line = [sys.executable, "-m", "trueshot", *arguments, "--device", options.device, "--out", str(folder), "--resume"]
    for value in options.set:
        line += ["--set", value]
    code, seconds = run(line, options.seconds - PATIENCE / 3, options.out / f"{options.part}.log")
    result: Result = {
        "command": line[1:],
        "finished": code == 0,
        "failed": code not in (0, None),
        "seconds": [*before.get("seconds", []), round(seconds, 1)],
    }
    if code == 0:
        result["result"] = json.loads((folder / "result.json").read_text())
    keep(result)


RANK = ["rank", "--data", "cifar10", "--space", "nasbench201", "--truth", "nasbench201.parquet"]
RANK += ["--column", "cifar10_test_200"]
SEARCH = ["search", "--data", "cifar10", "--space", "topology"]


def speed(options: argparse.Namespace, before: Result, keep: Callable[[Result], None]) -> None:
    """Measure what is missing in the results, in order of importance, while there is time."""
    measured: Result = dict(before.get("measured", {}))
    for name, measure in measurements(options.device).items():
        if name in measured:
            continue
        if time.monotonic() > options.until - 20:
            break
        measured[name] = measure()
        shown = {key: value for key, value in measured[name].items() if not isinstance(value, list)}
        print(f"{name:28s} {shown}", flush=True)
        missing = [other for other in measurements(options.device) if other not in measured]
        keep({"finished": not missing, "missing": missing, "measured": measured})


PARTS = {"tests": tests, "speed": speed, "rank": partial(command, RANK), "search": partial(command, SEARCH)}


def _machine(device: str) -> Result:
    machine = describe(("torch", "torchvision", "triton", "numpy"), os.cpu_count() or 1)
    if device == "cuda":
        command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        machine["gpu"] = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=tuple(PARTS), required=True)
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="handed to rank or search")
    options = parser.parse_args()
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    options.seconds = 60 * options.minutes
    options.until = time.monotonic() + options.seconds
    path = options.out / f"{options.part}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    if before.get("finished"):
        print(f"{path} is complete: remove it to measure again")
        return
    machine = _machine(options.device)
    print(headline(machine), flush=True)

    def keep(result: Result) -> None:
        text = json.dumps({"schema": 1, "part": options.part, "machine": machine, **result}, indent=2)
        path.with_suffix(".tmp").write_text(text + "\n")
        path.with_suffix(".tmp").replace(path)

    PARTS[options.part](options, before, keep)
    print(f"results: {path}")


if __name__ == "__main__":
    main()
