"""Time of a single-path training step against the same step of the sampled network built stand-alone.

Both run the same parts of the training code on the same batch with the same optimizer. They take turns, architecture
by architecture; an architecture's ratio compares the least time of each, printed are median and quartiles over random
architectures, on the wall and in processor time. Goal: at most 1.03 for ``chain`` and ``topology``, which are those of
the preset for images of 32 pixels on a processor, batch 64.

There is a second reference, ``plain``: for NAS-Bench-201 the network written by hand (``plain201.py``), which runs
edges that lead nowhere as the public supernets do; for the other two the stand-alone network with PyTorch's own ReLU6.
nni 3.0 runs beside ours when told where: ``--nni PYTHON`` names the interpreter of an environment that has it, and
``nni_step.py`` takes the same turns there. Ratios within an environment are to be compared, not times.

Run: ``python benchmarks/step.py [--archs 50] [--nni PYTHON] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import plain201
import torch
from machine import compared, describe, headline, plain, preset_space, show, take_turns
from torch import nn

from trueshot.core.random import Streams
from trueshot.sampling import Uniform
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import NasBench201, Space
from trueshot.spaces.canonical import cells
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.optimizers import make_optimizer
from trueshot.training.plan import Plan
from trueshot.training.schedules import make_schedule
from trueshot.training.standalone import NetworkTask, build
from trueshot.training.supernet import SupernetTask
from trueshot.training.task import TRAIN

HOW_TO_NNI = """nni was not run. Make an environment for it and name its interpreter:
  python3.11 -m venv /tmp/nni
  /tmp/nni/bin/pip install nni==3.0 'torch<2.3' 'numpy<2' 'pytorch-lightning<2.3' 'setuptools<70'
  python benchmarks/step.py --nni /tmp/nni/bin/python"""


def compare(space: Space, options: argparse.Namespace) -> dict[str, Any]:
    streams = Streams(0)
    recipe = Recipe(epochs=1000, batch_size=options.batch, lr=0.01, momentum=0.0)
    supernet = build(lambda: Supernet(space, single_path), streams, "cpu")
    assert isinstance(supernet, Supernet)
    schedule = make_schedule(recipe, Plan(phase="step", steps=100 * recipe.epochs), 100)
    optimizer = make_optimizer(supernet, recipe)
    task = SupernetTask(supernet, Uniform(space), optimizer, schedule, Loss(), None, streams)
    images = torch.randn(options.batch, *space.input_shape).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, space.classes, (options.batch,))

    def alone(network: nn.Module) -> NetworkTask:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return NetworkTask(network, recipe, make_optimizer(network, recipe), schedule, Loss(), streams)

    rows = []
    for index in range(options.archs201 if isinstance(space, NasBench201) else options.archs):
        arch = task.archs(index)[0]
        tasks = {"supernet": task, "stand-alone": alone(supernet.network(arch))}
        if isinstance(space, NasBench201):
            tasks["plain"] = alone(plain201.network([cells.OPERATIONS[gene] for gene in arch]))
        else:
            tasks["plain"] = alone(plain(supernet.network(arch)))
        batches = {TRAIN: (images, labels)}
        rows.append(
            take_turns({name: partial(one.step, index, batches) for name, one in tasks.items()}, options.repeats)
        )
    return compared(rows)


def compare_nni(options: argparse.Namespace) -> dict[str, Any]:
    script = Path(__file__).with_name("nni_step.py")
    passed = [f"--{name}={getattr(options, name)}" for name in ("repeats", "threads", "batch")]
    passed.append(f"--archs={options.archs201}")
    if not Path(options.nni).is_file():
        raise SystemExit(f"there is no interpreter {options.nni}: make the environment as benchmarks/README.md says")
    done = subprocess.run([options.nni, str(script), *passed], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{options.nni} {script} failed with code {done.returncode}, see above")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archs", type=int, default=50)
    parser.add_argument("--archs201", type=int, default=20, help="of NAS-Bench-201, whose steps are the longest")
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--space", nargs="+", help="only these spaces")
    parser.add_argument("--nni", metavar="PYTHON", help="interpreter of an environment with nni 3.0")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    machine = describe(("torch", "numpy"), options.threads)
    print(headline(machine), flush=True)
    result: dict[str, Any] = {"schema": 1, "benchmark": "step", "batch": options.batch, "machine": machine, "ours": {}}
    for space in (*(preset_space("small-cpu", name, 32) for name in ("topology", "chain")), NasBench201()):
        if options.space is None or space.name in options.space:
            result["ours"][space.name] = found = compare(space, options)
            show(space.name, found)
    if options.nni:
        result["nni"] = found = compare_nni(options)
        print(headline(found["machine"]))
        show("nni nasbench201", found["nasbench201"])
    else:
        print(HOW_TO_NNI, file=sys.stderr)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
