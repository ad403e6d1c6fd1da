"""What a GPU that is lent for some minutes shows: tests, speed, a ranking, a search; each part within its minutes.

Results go to ``DIR/PART.json``, with the figures that the part shows, their goals and what was measured of them
(``gpu_figures.py``). What a part did not finish, it goes on with when the same command is repeated, on another day
too: ``tests`` and ``speed`` do what is missing, ``rank`` and ``search`` resume the run that lies in ``DIR``, by the
command that began it. With ``--device cpu`` everything is small, to see that it runs.

Run: ``python benchmarks/gpu.py --part speed --minutes 7 --out DIR [--device cpu]``; ``rank`` and ``search`` need
``$TRUESHOT_DATA``. A bare machine needs Python 3.11 or newer and trueshot's dependencies but pytest, onnxruntime and
onnxscript, ``rank`` not even pymoo; ``PYTHONPATH`` names the folder into which the
wheels of what is missing there were unpacked.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from gpu_figures import Result, figures, told
from machine import describe, headline

ROOT = Path(__file__).parent.parent
PATIENCE = 45.0
"""Seconds at most that a command has to write its checkpoint after it was asked to stop; a sixth of a short call."""

DATA = ("--data", "cifar10")
SMALL_DATA = ("data.max_images=600", "data.max_test_images=200")
RANK = ("rank", *DATA, "--space", "nasbench201", "--preset", "gpu-7min")
RANK += ("--truth", "nasbench201.parquet", "--column", "cifar10_test_200")
SMALL_RANK = (
    *SMALL_DATA,
    "data.image_size=8",
    "spaces={nasbench201: {channels: 4, cells: 1, affine: false}}",
    "supernet.recipe={epochs: 2, batch_size: 64}",
    "evaluation={images: 100, batch_size: 100, recalibration: {batch_size: 100}}",
    "fusion.reference=20",
    "ranking={architectures: 40, curve: 1, curve_architectures: 20, bootstrap: 20}",
)
SEARCH = ("search", *DATA, "--space", "topology", "--preset", "small-gpu")
SMALL_SEARCH = (
    *SMALL_DATA,
    "space.arguments={nodes: [1, 3], widths: [8, 12], kernels: [3], head_width: 16, stem_stride: 2}",
    "supernet.recipe={epochs: 1, batch_size: 64}",
    "weight_sampling.samples=2",
    "evaluation={images: 100, recalibration: {batch_size: 64}}",
    "proposer={population: 4, generations: 2}",
    "retraining.recipe={epochs: 1, batch_size: 64, warmup_epochs: 0}",
    "retraining={repeats: 1, random: 1, convergence: false}",
    "budget.fractions=[1.0]",
)
SEARCH_PARTS = 2
"""Calls that a search is spread over: its time budget is what they have together, less their starts."""


def environment() -> dict[str, str]:
    """Return the environment of what is run, where this checkout's package comes first."""
    paths = filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH")))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def run(command: Sequence[str], until: float, log: Path) -> tuple[int | None, float]:
    """Run a command, to end at ``until`` of the clock; return its exit status, none where it was stopped, and seconds.

    It is asked to stop early enough to write its checkpoint.
    """
    start = time.monotonic()
    patience = min(PATIENCE, (until - start) / 6)
    with log.open("a") as stream:
        stream.write(f"$ {' '.join(command)}\n")
        stream.flush()
        with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=stream, stderr=stream) as process:
            try:
                return process.wait(max(until - patience - time.monotonic(), 1.0)), time.monotonic() - start
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(0.8 * patience)
            except subprocess.TimeoutExpired:
                process.kill()
            return None, time.monotonic() - start


def tests(options: argparse.Namespace, before: Result, keep: Callable[[Result], None]) -> None:
    """Make the checks of ``gpu_tests.py`` that have not been made, each in a process and a folder of its own."""
    from gpu_tests import CHECKS

    checks: Result = dict(before.get("checks", {}))
    for name in CHECKS:
        if checks.get(name, {}).get("passed") or time.monotonic() > options.until - 10:
            continue
        folder = options.out / "tests" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = [sys.executable, str(ROOT / "benchmarks" / "gpu_tests.py"), name, "--device", options.device]
        code, seconds = run([*command, "--folder", str(folder)], options.until, options.out / "tests.log")
        if code is not None:
            checks[name] = {"passed": code == 0, "seconds": round(seconds, 1)}
            print(f"{name:20s} {'passed' if code == 0 else 'FAILED, see tests.log'} in {seconds:.0f} s", flush=True)
        missing = [other for other in CHECKS if other not in checks]
        passed = sum(check["passed"] for check in checks.values())
        keep({"finished": not missing, "missing": missing, "passed": passed, "checks": checks})


def command(
    given: Sequence[str],
    small: Sequence[str],
    options: argparse.Namespace,
    before: Result,
    keep: Callable[[Result], None],
) -> None:
    """Run or resume one of trueshot's commands, and keep what its ``result.json`` says."""
    folder = options.out / options.part
    arguments = list(before.get("arguments") or [*given, *_more(options)])
    if not before:
        for value in (*(small if options.device == "cpu" else ()), *options.set):
            arguments += ["--set", value]
    if not before:
        # A call that is killed leaves what it began with, so that the next one goes on by the same command.
        keep({"arguments": arguments, "finished": False, "failed": False, "seconds": []})
    line = [sys.executable, "-m", "trueshot", *arguments, "--device", options.device, "--out", str(folder), "--resume"]
    if options.part == "rank":
        line += ["--workers", str(min(8, len(os.sched_getaffinity(0))))]
    code, seconds = run(line, options.until, options.out / f"{options.part}.log")
    result: Result = {
        "arguments": arguments,
        "finished": code == 0,
        "failed": code not in (0, None),
        "seconds": [*before.get("seconds", []), round(seconds, 1)],
    }
    if code == 0:
        result["result"] = json.loads((folder / "result.json").read_text())
    else:
        print(f"{'failed' if code else 'stopped in time'}: see {options.part}.log; repeat the command to go on")
    keep(result)


def _more(options: argparse.Namespace) -> list[str]:
    """Return the time budget of a search on a GPU; on a processor it is small enough without."""
    if options.part != "search" or options.device == "cpu":
        return []
    return ["--time-budget", f"{0.85 * SEARCH_PARTS * options.seconds:.0f}s"]


def speed(options: argparse.Namespace, before: Result, keep: Callable[[Result], None]) -> None:
    """Measure what is missing in the results, in order of importance, while there is time."""
    # A bare machine has no trueshot installed.
    sys.path.insert(0, str(ROOT / "src"))
    from gpu_speed import measurements

    measured: Result = dict(before.get("measured", {}))
    wanted = measurements(options.device)
    for name, measure in wanted.items():
        if name in measured:
            continue
        if time.monotonic() > options.until - 20:
            break
        measured[name] = {**measure(), "on": options.on}
        shown = {key: value for key, value in measured[name].items() if not isinstance(value, list)}
        print(f"{name:28s} {shown}", flush=True)
        missing = [other for other in wanted if other not in measured]
        keep({"finished": not missing, "missing": missing, "measured": measured})


PARTS = {
    "tests": tests,
    "speed": speed,
    "rank": partial(command, RANK, SMALL_RANK),
    "search": partial(command, SEARCH, SMALL_SEARCH),
}


def _machine(device: str) -> Result:
    machine = describe(("torch", "torchvision", "triton", "numpy"), os.cpu_count() or 1)
    if device == "cuda":
        command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        machine["gpu"] = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return machine


def main() -> None:
    started = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=tuple(PARTS), required=True)
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="handed to rank or search")
    options = parser.parse_args()
    if not 0 < options.minutes < float("inf"):
        parser.error(f"--minutes {options.minutes:g}: give a number above 0")
    for name in ("TRUESHOT_DATA", "PYTHONPATH"):
        if os.environ.get(name):
            # What is run works in another folder.
            parts = os.environ[name].split(os.pathsep)
            os.environ[name] = os.pathsep.join(os.path.abspath(part) for part in parts if part)
    if options.part in ("rank", "search") and not os.environ.get("TRUESHOT_DATA"):
        parser.error(f"--part {options.part} needs CIFAR-10: let TRUESHOT_DATA name the folder of the data")
    options.out = options.out.resolve()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        parser.error(f"--out {options.out} is a file: give a folder")
    options.seconds = 60 * options.minutes
    options.until = started + options.seconds
    path = options.out / f"{options.part}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    # A check that failed, as for want of a wheel, is made again.
    failed = any(not check["passed"] for check in before.get("checks", {}).values())
    if before.get("finished") and not failed:
        more = f" and {options.out / options.part}" if options.part in ("rank", "search") else ""
        print(f"{path} is complete: remove it{more} to measure again")
        return
    if before and before["device"] != options.device:
        parser.error(f"{path} was begun with --device {before['device']}: give that, or another --out")
    machine = _machine(options.device)
    options.on = machine.get("gpu", machine["processor"])
    print(headline(machine), flush=True)

    def keep(result: Result) -> None:
        shown = figures(options.part, result, options.device)
        machines = [*before.get("machines", []), machine]
        head = {"schema": 2, "part": options.part, "device": options.device, "machines": machines, "figures": shown}
        path.with_suffix(".tmp").write_text(json.dumps({**head, **result}, indent=2) + "\n")
        path.with_suffix(".tmp").replace(path)

    PARTS[options.part](options, before, keep)
    for row in json.loads(path.read_text())["figures"] if path.exists() else figures(options.part, {}, options.device):
        print(told(row, options.device))
    if not path.exists():
        sys.exit("nothing was measured: give more --minutes")
    print(f"results: {path}; {(time.monotonic() - started) / 60:.1f} minutes")
    found = json.loads(path.read_text())
    if found.get("failed") or any(not check["passed"] for check in found.get("checks", {}).values()):
        sys.exit(f"error: --part {options.part} failed: see {options.out / options.part}.log")


if __name__ == "__main__":
    main()
