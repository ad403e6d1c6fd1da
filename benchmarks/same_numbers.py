"""The same numbers before and after a change: every loss, score, choice, accuracy and weight of small public commands.

Runs the ``trueshot`` commands of ``same_numbers_cases.py``, on the processor with one thread, and writes what they
found as one flat JSON object of keys and values: floats in hexadecimal, weights as hashes. ``--against REV`` runs the
same commands on a revision in a git worktree and compares: no key may vanish and no value may differ, but for those in
``MENDED``. A revision of before names were changed is asked by its own names, and its keys are given the present ones.

A key is ``case/step/...``: ``result`` is what the command printed with ``--json``, ``epochs`` its training logs,
``score`` its evaluation caches, ``table`` its other tables, ``weights`` its saved weights. Times, versions, paths and
other texts are left out. Where several things have one key, as supernets whose names differ in a fingerprint alone,
they are told apart by ``#1``, ``#2`` in the order of their values.

Run: ``python benchmarks/same_numbers.py [--out FILE] [--against REV] [--case NAME ...] [--jobs 2]``, or
``python benchmarks/same_numbers.py --compare BEFORE.json AFTER.json``; two cases need ``$TRUESHOT_DATA``.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from same_numbers_cases import CASES, KILLS, NEEDS, RESUMED, command_for, files
from same_numbers_readers import Numbers, read_step, renamed

ROOT = Path(__file__).resolve().parents[1]

_ALONE = "networks that are compared are trained without the validation images; random ones are drawn by another rule"
_CHOSEN = "a chosen network is trained anew, and found ones are compared with random ones budget by budget"
MENDED: dict[str, str] = {
    "*/networks/mobilenetv2/arch": "no architecture is an empty text in result.json version 2",
    "surgery-table4/*/weights/*epoch-*": "weights of single epochs, which the table does not use, are not kept",
    "stnas-table5/*/weights/*epoch-*": "weights of single epochs, which the table does not use, are not kept",
    "search-*/result/networks/*": _ALONE,
    **{f"search-*/{kind}/*{name}*": _ALONE for kind in ("epochs", "weights") for name in ("best-", "random-")},
    **{f"search-*/{kind}/*mobilenetv2*": "scaled in depth as well as in width" for kind in ("epochs", "weights")},
    "search-*/result/comparison*": _CHOSEN,
    "search-*/score/*": "random networks are others, and so are their scores",
    "*/study/result/details/*": "they stand in NAME-SCALE.parquet and in the findings",
    **{
        f"stnas-table2/study/result/findings/{name}/*": "a published reference has no figure of ours and no spread"
        for name in ("DARTS", "Proxyless-R", "Single-path NAS", "FBNet-C", "SPOS", "BetaNet-A")
    },
}
"""Patterns of keys whose values differ on purpose, and the defect that was mended or what else is meant."""


@dataclass(frozen=True)
class Tree:
    """A checkout whose commands are run, its revision, and where its runs are kept."""

    path: Path
    revision: str
    work: Path

    def start(self, command: Sequence[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
        """Start Python on one thread of the processor, with this tree's package; what it prints goes beside the log."""
        one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        environment = {**os.environ, **one, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(self.path / "src")}
        with log.open("ab") as err, log.with_suffix(".out").open("wb") as out:
            return subprocess.Popen([sys.executable, *command], cwd=folder, env=environment, stdout=out, stderr=err)

    def check(self) -> None:
        """Make sure that it is this tree's package which Python imports, and not an installed one."""
        self.work.mkdir(parents=True, exist_ok=True)
        log = self.work / "check.log"
        self.start(["-c", "import trueshot; print(trueshot.__file__)"], self.work, log).wait()
        if not (found := log.with_suffix(".out").read_text().strip()).startswith(str(self.path / "src")):
            raise SystemExit(f"not the package of {self.path} is imported, but {found or 'none'}")

    def stamp(self, name: str) -> str:
        """Return a hash of the sources and of a case: while it holds, a run of the case need not be repeated."""
        paths = sorted(path for path in (self.path / "src" / "trueshot").rglob("*") if path.is_file())
        content = [path.read_bytes() for path in paths if path.suffix != ".pyc"]
        return hashlib.sha256(b"\0".join([repr((CASES[name], KILLS, files())).encode(), *content])).hexdigest()


def run_case(tree: Tree, name: str) -> Numbers:
    """Return the numbers of a case, read from an earlier run of it where the sources are the same.

    Raises:
        RuntimeError: when a command fails, or a resumed run differs from the one that was not interrupted.
    """
    folder, stamp, start = tree.work / name, tree.stamp(name), time.monotonic()
    done, numbers, last = folder / "done", {}, {}
    if not done.exists() or done.read_text() != stamp:
        shutil.rmtree(folder, ignore_errors=True)
        for step in CASES[name]:
            (folder / step).mkdir(parents=True)
        for file, text in files().items():
            (folder / file).write_text(text)
        for step, command in CASES[name].items():
            run_step(tree, folder, step, command)
        done.write_text(stamp)
    for step in CASES[name]:
        before, last = last, read_step(folder / step, folder / f"{step}.out")
        if step == RESUMED and (wrong := differing(before, last)):
            raise RuntimeError(f"{folder}: {len(wrong)} values differ after kills, first {wrong[0]}")
        numbers |= {f"{name}/{step}/{key}": value for key, value in last.items()}
    print(f"{name} at {tree.revision[:9]}: {len(numbers)} values in {time.monotonic() - start:.0f} s", flush=True)
    return numbers


def run_step(tree: Tree, folder: Path, step: str, command: str) -> None:
    """Run a command; one to be resumed is killed before."""
    words, log = ["-m", "trueshot", *command_for(tree.path, command)], folder / f"{step}.log"
    for pattern in KILLS if step == RESUMED else ():
        process = tree.start(words, folder, log)
        while process.poll() is None and not any((folder / step).rglob(pattern)):
            time.sleep(0.01)
        process.kill()
        if process.wait() >= 0:
            raise RuntimeError(f"{folder}: {step} ended before there was a file {pattern}: see {log}")
    if code := tree.start(words, folder, log).wait():
        raise RuntimeError(f"{folder}: {step} failed with code {code}: see {log}")


def run_all(trees: Sequence[Tree], names: Sequence[str], jobs: int) -> tuple[list[Numbers], bool]:
    """Run the cases in every tree; return the numbers of each tree, and whether every case succeeded."""
    numbers: list[Numbers] = [{} for _ in trees]
    fine = True
    pairs = list(zip(trees, numbers, strict=True))
    with ThreadPoolExecutor(jobs) as pool:
        tasks = {pool.submit(run_case, tree, name): found for name in names for tree, found in pairs}
        for task in as_completed(tasks):
            try:
                tasks[task].update(task.result())
            except RuntimeError as error:
                fine = False
                print(f"failed: {error}", flush=True)
    return numbers, fine


def differing(before: Numbers, after: Numbers) -> list[str]:
    """Return the keys that one of the two lacks or that have other values; 1 and 1.0 are not the same."""
    keys = sorted(before.keys() | after.keys())
    return [key for key in keys if repr(before.get(key, ())) != repr(after.get(key, ()))]


def compare(before: Numbers, after: Numbers) -> bool:
    """Print what vanished and what differs, under the new names; return whether all of it is in ``MENDED``."""
    before, after = renamed(before), renamed(after)
    counts = dict.fromkeys(("new", "wrong", "mended"), 0)
    for key in differing(before, after):
        reason = next((reason for pattern, reason in MENDED.items() if fnmatch.fnmatchcase(key, pattern)), None)
        kind = "new" if key not in before else "wrong" if reason is None else "mended"
        counts[kind] += 1
        if kind != "new":
            told = f"{_told(before[key])} became {_told(after[key])}" if key in after else "vanished"
            print(f"{key}: {told}" + (f" (mended: {reason})" if reason else ""))
    same = len(before) - counts["wrong"] - counts["mended"]
    print(f"the same: {same}; vanished or other: {counts['wrong']}, mended: {counts['mended']}; new: {counts['new']}")
    return not counts["wrong"]


def _told(value: Any) -> str:
    is_float = isinstance(value, str) and re.fullmatch(r"-?0x[01]\.[0-9a-f]+p[+-]\d+", value)
    return f"{value} ({float.fromhex(value)!r})" if is_float else str(value)


def git(*arguments: str | Path, where: Path = ROOT) -> str:
    """Return what git prints."""
    return subprocess.run(["git", "-C", where, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def possible(names: Sequence[str]) -> list[str]:
    """Return the cases whose data is there, and say which others are skipped."""
    data = Path(os.environ.get("TRUESHOT_DATA", "nowhere"))
    missing = {name: [file for file in NEEDS.get(name, ()) if not (data / file).is_file()] for name in names}
    for name, lacking in missing.items():
        if lacking:
            print(f"skipped: {name} needs {', '.join(lacking)} in $TRUESHOT_DATA", flush=True)
    return [name for name, lacking in missing.items() if not lacking]


def run(options: argparse.Namespace) -> bool:
    """Run the cases, here and on the other revision, write the numbers and compare; return whether all is well."""
    from machine import describe

    names, work = possible(options.case or list(CASES)), options.work.resolve()
    trees = [Tree(ROOT, git("rev-parse", "HEAD"), work / "here")]
    if options.against:
        revision = git("rev-parse", "--verify", f"{options.against}^{{commit}}")
        trees.append(Tree(work / f"tree-{revision[:12]}", revision, work / revision[:12]))
        if not trees[1].path.exists():
            git("worktree", "add", "--detach", trees[1].path, revision)
    try:
        for tree in trees:
            tree.check()
        numbers, fine = run_all(trees, names, options.jobs)
    finally:
        if options.against and not options.keep:
            git("worktree", "remove", "--force", trees[1].path)
    machine = describe(("torch", "numpy"), 1)
    content = {"revision": trees[0].revision, "machine": machine, "numbers": numbers[0]}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    print(f"{len(numbers[0])} values of {len(names)} cases written to {options.out}")
    return (not options.against or compare(numbers[1], numbers[0])) and fine


def main() -> int:
    """Do what the options ask for; return 0 when no command failed and no number is another than it was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/numbers/numbers.json"), metavar="FILE")
    parser.add_argument("--work", type=Path, default=Path("runs/numbers"), metavar="DIR", help="where runs are kept")
    parser.add_argument("--case", action="append", default=[], choices=CASES, metavar="NAME", help="only this one")
    parser.add_argument("--list", action="store_true", help="list the cases and their commands")
    parser.add_argument("--jobs", type=int, default=1, help="cases at the same time")
    parser.add_argument("--against", metavar="REV", help="run a revision too and compare")
    parser.add_argument("--keep", action="store_true", help="keep the worktree of --against")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("BEFORE", "AFTER"), help="compare two files")
    options = parser.parse_args()
    if options.list:
        for name, steps in CASES.items():
            print("\n".join([name, *(f"  {step}: trueshot {command}" for step, command in steps.items())]))
        return 0
    if not options.compare:
        return 0 if run(options) else 1
    names = options.case or CASES
    found = [json.loads(path.read_text())["numbers"] for path in options.compare]
    pair = [{key: value for key, value in numbers.items() if key.split("/")[0] in names} for numbers in found]
    return 0 if compare(*pair) else 1


if __name__ == "__main__":
    sys.exit(main())
