"""The same numbers before and after a change: every loss, score, choice, accuracy and weight of small public commands.

Runs the ``trueshot`` commands of the cases below, on the processor with one thread, and writes what they found as one
flat JSON object of keys and values: floats in hexadecimal, weights as hashes. ``--against REV`` runs the same commands
on a revision in a git worktree and compares: no key may vanish and no value may differ, but for those in ``MENDED``.

A key is ``case/step/...``: ``result`` is what the command printed with ``--json``, ``epochs`` its training logs,
``score`` its evaluation caches, ``table`` its other tables, ``weights`` its saved weights. Times, versions, paths and
other texts are left out. Where several things have one key, as supernets whose names differ in a fingerprint alone,
they are told apart by ``#1``, ``#2`` in the order of their values.

Run: ``python benchmarks/numbers.py [--out FILE] [--against REV] [--case NAME ...] [--jobs 2]``, or
``python benchmarks/numbers.py --compare BEFORE.json AFTER.json``; two cases need ``$TRUESHOT_DATA``.
"""

from __future__ import annotations

import os
import sys

if __name__ == "numbers":
    # Some script of this folder is running, and wants Python's own module of this name, as NumPy and PyTorch do.
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("numbers", os.path.join(os.path.dirname(os.__file__), "numbers.py"))
    sys.modules["numbers"] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules["numbers"])

import argparse
import fnmatch
import hashlib
import io
import json
import random
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

Numbers = dict[str, Any]
MENDED: dict[str, str] = {}
"""Patterns of keys whose values differ on purpose, and the defect that was mended."""


# --- Cases: by name, steps run one after another in a folder with the files of files(); each step leaves what
# it makes in a subfolder of its name.


def said(command: str, *sets: str) -> str:
    """Return a command, without ``trueshot``, that prints JSON and has values set by ``--set``."""
    return " ".join([command, "--json", *(f"--set {shlex.quote(text)}" for text in sets)])


SHORT = (
    "weight_sampling.samples=3",
    "evolution={population: 4, generations: 3}",
    "retraining.recipe={epochs: 2, batch_size: 128, lr: 0.1, warmup_epochs: 1}",
)
FAIR = said(
    "search --data digits --space chain --max-params 11k --device cpu --seed 3 --resume",
    *SHORT,
    "spaces.chain={stem_width: 8, stem_stride: 1, fixed_width: 8, layers: [[12, 1], [16, 2], [16, 1]], head_width: 32}",
    "supernet={recipe: {epochs: 3, lr: 0.1}, sampler: {kind: fair}}",
    "retraining={off_the_shelf: false, repeats: 1}",
    "budget.fractions=[1.0]",
    "data.max_images=400",
    "save_every=0",
)
AGAIN = "search --supernet fair --device cpu --seed 5"
WAYS = "one-shot one-shot:accuracy+twins parameter score:accuracy median fine-tuned fine-tuned:accuracy"
RIVALS = "params madds synflow naswot jacob_cov grad_norm snip acc_12"


def ranked(more: str, *sets: str) -> dict[str, str]:
    """Return the steps of a case that ranks in every way by one kind of supernet."""
    ways = " ".join(f"--evaluator {way}" for way in WAYS.split())
    command = said(
        f"rank --data digits --truth truth.csv --column acc_200 --device cpu --workers 1 --out rank {ways} {more}",
        "spaces={nasbench201: {channels: 4, cells: 1, affine: false}}",
        "data={max_images: 400, image_size: 8}",
        "supernet={recipe: {epochs: 4, batch_size: 64}, augmentation: {}}",
        "weight_sampling.samples=3",
        "evaluation={recalibration: {batch_size: 60}, fine_tune_steps: 2}",
        *sets,
    )
    return {"rank": command}


def study(name: str) -> dict[str, str]:
    """Return the steps of a case that runs a study at the smoke scale."""
    return {"study": f"study {name} --scale smoke --device cpu --out study/work --results study --json"}


CASES = {
    "search-digits": {
        "search": said(
            "search --data digits --max-madds 150k --out search --resume --device cpu",
            *SHORT,
            "supernet.recipe={epochs: 3, lr: 0.1}",
            "retraining.repeats=1",
        )
    },
    "search-chain": {
        "fair": f"{FAIR} --out fair",
        "resumed": f"{FAIR} --out resumed",
        "less": said(f"{AGAIN} --out less --max-params 9k"),
        "single": said(f"{AGAIN} --out single", "evaluation={expectation: single, metric: accuracy}"),
        "score": said(f"{AGAIN} --out score", "evaluation.expectation=score"),
        "tuned": said(f"{AGAIN} --out tuned", "evaluation={expectation: fine-tuned, fine_tune_steps: 2}"),
    },
    "rank-plain": ranked(
        "--sharing plain --sampler fair --supernets 2 --good 62 " + " ".join(f"--rival {n}" for n in RIVALS.split()),
        "ranking.curve=2",
    ),
    "rank-bias": ranked("--sharing bias --sampler uniform", "supernet.sharing.depth=2"),
    "rank-shared-bias": ranked("--sharing shared-bias --sampler deisomorphic"),
    "rank-attention": ranked("--sharing attention --sampler lazy-deisomorphic", "supernet.sharing.layers=2"),
    "rank-split": ranked("--sharing split --sampler uniform", "supernet.sharing.epoch=2", "ranking.curve=3"),
    "rank-cifar10": {
        "rank": said(
            "rank --data cifar10 --truth nasbench201.parquet --column cifar10_test_200 --archs 30 --supernets 1"
            " --epochs 2 --rival params --device cpu --out rank",
            "data={max_images: 1000, max_test_images: 100}",
        )
    },
    "truth": {
        "build": said(
            "truth build --space chain --data digits --n 4 --seeds 2 --epochs 3 --workers 1 --device cpu"
            " --out build/table.parquet",
            "space.arguments={stem_width: 4, fixed_width: 4, layers: [[8, 2], [8, 1]], head_width: 16}",
            "data={max_images: 300, max_test_images: 100}",
        ),
        "show": "truth show build/table.parquet --space chain --json",
    },
    "stnas-table2": study("stnas-table2"),
    "stnas-table5": study("stnas-table5"),
    "surgery-table4": study("surgery-table4"),
    "tools": {
        "chain": "space show chain --supernet --json",
        "topology": "space show topology --supernet --json",
        "nasbench201": "space show nasbench201 --json --arch"
        " '|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|'",
        "matched": "sample topology --n 500 --target-madds 347M --json",
        "uniform": "sample chain --n 500 --seed 2 --json",
        "canonical": "canonical nasbench201 --in truth.csv --out canonical/table.csv --json",
        "nb201": "canonical nasbench201 --rule nb201 --in truth.csv --out nb201/table.csv --json",
        "criteria": "criteria --truth truth.csv --column acc_200 --scores scores.csv --bootstrap 50 --k 0.2 --json",
    },
}
RESUMED = "resumed"
"""A step of this name is killed once for each of ``KILLS``, and must find what the step before it found."""
KILLS = ("*supernet*.ckpt", "*sgld*.ckpt", "*.safetensors")
"""Patterns of files, which are there as soon as supernet, weight samples, and a network are being trained."""
NEEDS = {
    "rank-cifar10": ("cifar10-train.parquet", "cifar10-test.parquet", "nasbench201.parquet"),
    "surgery-table4": ("nasbench201.parquet",),
}
"""Files of ``$TRUESHOT_DATA`` without which a case is skipped."""


def files() -> dict[str, str]:
    """Return a truth about 24 architectures of NAS-Bench-201 that have few twins, and scores of them, as CSV."""
    operations = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    draw = random.Random(0).random
    truth, scores = {}, {}
    while len(truth) < 24:
        edges = [operations[int(5 * draw())] if edge == 3 else operations[1 + int(4 * draw())] for edge in range(6)]
        arch = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*edges)
        convolutions = sum(name.startswith("nor") for name in edges)
        truth[arch], scores[arch] = 57 + 2 * convolutions + 4 * draw(), convolutions + 3 * draw()
    rows = [f"{arch},{value},{value if number < 12 else ''}" for number, (arch, value) in enumerate(truth.items())]
    scored = [f"{arch},{value}" for arch, value in scores.items()]
    return {
        "truth.csv": "\n".join(["arch,acc_200,acc_12", *rows]) + "\n",
        "scores.csv": "\n".join(["arch,score", *scored]) + "\n",
    }


# --- Readers: the only part that knows what commands print and leave; found by what a file holds, not by where it is.

Pairs = Iterator[tuple[str, Any]]
LEFT_OUT = re.compile(r"schema|version|.*seconds.*|timings|minutes|environment|estimate|.*memory.*|path")
TEXTS = ("arch", "archs", "best", "canonical")
"""Texts that are what was found; others only tell of it."""
KINDS = ("log", "checkpoints", "winners", "baselines", "supernets", "model", "work")
"""Folders and files that tell what lies in them, and not which."""


def printed(content: Any, key: str, field: str = "") -> Pairs:
    """Walk through JSON; entries of lists are called by their names where they have some."""
    if isinstance(content, dict):
        for name, value in content.items():
            if not LEFT_OUT.fullmatch(name):
                yield from printed(value, f"{key}/{name}", name)
    elif isinstance(content, list):
        for index, value in enumerate(content):
            named = isinstance(value, dict) and (value.get("name") or value.get("what"))
            metric = f"/{value['metric']}" if named and "metric" in value else ""
            yield from printed(value, f"{key}/{named or index}{metric}", field)
    elif not isinstance(content, str) or field in TEXTS:
        yield key, content


def log(path: Path, key: str) -> Pairs:
    """Read loss and accuracy of each epoch."""
    for row in map(json.loads, path.read_text().splitlines()):
        for name in ("loss", "accuracy"):
            if "epoch" in row and name in row:
                yield f"epochs/{key}/{row['epoch']:03d}/{name}", row[name]


def table(path: Path, key: str) -> Pairs:
    """Read the numbers of a table of architectures, and the choices in it."""
    import pandas as pd

    rows = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    named = next((name for name in ("arch", "architecture", "row") if name in rows), None)
    kind = re.sub("^evaluations$", "score", key.rpartition("/")[2])
    place = "/".join(["score" if kind == "score" else f"table/{kind}", *key.split("/")[:-1]])
    marks = [name for name in ("metric", "fidelity", "epochs", "seed") if name in rows]
    for row in rows.to_dict("records") if named else []:
        arch = row[named].hex() if isinstance(row[named], bytes) else row[named]
        where = "/".join([place, arch, *(f"{name}-{row[name]}" for name in marks)])
        for name, value in row.items():
            chosen = name in TEXTS or not isinstance(value, str | bytes)
            if chosen and name not in (named, "row", *marks) and not LEFT_OUT.fullmatch(str(name)):
                yield f"{where}/{name}", value


def weights(path: Path, key: str) -> Pairs:
    """Hash the values of all weights, whatever their names."""
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        tensors = load_file(path)
    else:
        raw = path.read_bytes()
        # A checkpoint may have a header of its own before what PyTorch wrote.
        content = torch.load(io.BytesIO(raw[raw.index(b"PK\x03\x04") :]), map_location="cpu", weights_only=True)
        if (tensors := _model(content)) is None:
            raise RuntimeError(f"{path}: no weights called 'model' in it")
    hashes = sorted(
        hashlib.sha256(f"{tensor.dtype} {list(tensor.shape)} ".encode() + _bytes(tensor)).hexdigest()
        for tensor in tensors.values()
    )
    yield f"weights/{key}", hashlib.sha256("".join(hashes).encode()).hexdigest()


def _model(content: dict[str, Any]) -> dict[str, Any] | None:
    """Find the weights among what else a checkpoint holds, such as the state of an optimizer."""
    inner = [_model(value) for value in content.values() if isinstance(value, dict)]
    return content.get("model") or next(filter(None, inner), None)


def _bytes(tensor: Any) -> bytes:
    import torch

    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


READERS: dict[str, Callable[[Path, str], Pairs]] = {".jsonl": log, ".parquet": table, ".csv": table}
READERS |= dict.fromkeys((".ckpt", ".pt", ".safetensors"), weights)


def read_step(folder: Path, out: Path) -> Numbers:
    """Return every number that a command printed and left in its folder."""
    pairs = list(printed(json.loads(out.read_text()), "result"))
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in READERS and not path.name.startswith("."):
            parts = path.relative_to(folder).with_suffix("").parts
            names = [re.sub(r"-[0-9a-f]{12,}$|\.work$", "", name) for name in parts]
            key = "/".join([name for name in names if name not in KINDS] or names[-1:])
            pairs += READERS[path.suffix](path, key)
    found: dict[str, list[Any]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value.hex() if isinstance(value, float) else value)
    numbers = {}
    for key, values in found.items():
        for number, value in enumerate(sorted(values, key=str), start=1):
            numbers[key if len(values) == 1 else f"{key}#{number}"] = value
    return numbers


# --- Running and comparing.


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
    words, log = ["-m", "trueshot", *shlex.split(command)], folder / f"{step}.log"
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
    """Print what vanished and what differs; return whether all of it is in ``MENDED``."""
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
    for name, files in missing.items():
        if files:
            print(f"skipped: {name} needs {', '.join(files)} in $TRUESHOT_DATA", flush=True)
    return [name for name, files in missing.items() if not files]


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
    files = [json.loads(path.read_text())["numbers"] for path in options.compare]
    pair = [{key: value for key, value in numbers.items() if key.split("/")[0] in names} for numbers in files]
    return 0 if compare(*pair) else 1


if __name__ == "__main__":
    sys.exit(main())
