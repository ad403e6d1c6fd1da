"""The commands of ``same_numbers.py``, their files, and what they were called before.

A case has steps, which run one after another in a folder with the files of :func:`files`; each step leaves what it
makes in a subfolder of its name.
"""

from __future__ import annotations

import random
import shlex
from pathlib import Path


def said(command: str, *sets: str) -> str:
    """Return a command, without ``trueshot``, that prints JSON and has values set by ``--set``."""
    return " ".join([command, "--json", *(f"--set {shlex.quote(text)}" for text in sets)])


SHORT = (
    "weight_sampling.samples=3",
    "proposer={population: 4, generations: 3}",
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
WAYS = (
    "supernet:single supernet:single:accuracy+twins supernet:parameter supernet:score:accuracy supernet:median"
    " supernet:fine-tuned supernet:fine-tuned:accuracy"
)
BASELINES = "params madds synflow naswot jacob_cov grad_norm snip acc_12"


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
    return {"study": f"study {name} --scale smoke --device cpu --workers 1 --bank study/bank --results study --json"}


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
        "single": said(f"{AGAIN} --out single --oracle supernet:single", "evaluation.metric=accuracy"),
        "score": said(f"{AGAIN} --out score --oracle supernet:score"),
        "tuned": said(f"{AGAIN} --out tuned --oracle supernet:fine-tuned", "evaluation.fine_tune_steps=2"),
    },
    "rank-plain": ranked(
        "--sharing plain --sampler fair --supernets 2 --good 62 "
        + " ".join(f"--baseline {n}" for n in BASELINES.split()),
        "ranking.curve=2",
    ),
    "rank-bias": ranked("--sharing bias --sampler uniform", "supernet.sharing.depth=2"),
    "rank-shared-bias": ranked("--sharing shared-bias --sampler deisomorphic"),
    "rank-attention": ranked("--sharing attention --sampler lazy-deisomorphic", "supernet.sharing.layers=2"),
    "rank-split": ranked("--sharing split --sampler uniform", "supernet.sharing.epoch=2", "ranking.curve=3"),
    "rank-cifar10": {
        "rank": said(
            "rank --data cifar10 --truth nasbench201.parquet --column cifar10_test_200 --archs 30 --supernets 1"
            " --epochs 2 --baseline params --device cpu --out rank",
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

OLD_TREE = "src/trueshot/strategies/one_shot.py"
"""A file that only revisions with the old names have."""
OLD_STUDIES = "src/trueshot/studies/workspace.py"
"""A file that only revisions have whose studies keep their work in a folder of their own."""
OLD_NAMES = {
    "supernet:single": "one-shot",
    "supernet:": "",
    "--oracle one-shot": "--set evaluation.expectation=single",
    "--oracle ": "--set evaluation.expectation=",
    "--baseline ": "--rival ",
    "proposer={": "evolution={",
}
"""Texts of commands, and what revisions with the old names call them; replaced in this order."""


def command_for(tree: Path, command: str) -> list[str]:
    """Return the words of a command in the names of the revision in ``tree``."""
    if (tree / OLD_TREE).exists():
        for new, old in OLD_NAMES.items():
            command = command.replace(new, old)
    if (tree / OLD_STUDIES).exists():
        command = command.replace("--workers 1 --bank study/bank", "--out study/work")
    return shlex.split(command)


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
