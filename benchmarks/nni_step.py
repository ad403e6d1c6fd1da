"""nni's side of ``step.py``: run by it in an environment that has nni 3.0 and pytorch-lightning, and not trueshot.

nni's one-shot single path (``RandomOneShot``) trains NAS-Bench-201 at 16 channels: every step sets an architecture in
the way nni does and updates through one optimizer over all weights. Against it stand the network that nni builds for
the same architecture (``stand-alone``) and the same written by hand (``plain``, see ``plain201.py``). All use the bare
parts of a step, without Lightning's trainer, whose own time would hide what the supernet costs, and the memory layout
that nni leaves them in. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import warnings
from functools import partial
from typing import Any

import nni.mutable
import plain201
import torch
from machine import compared, describe, take_turns
from nni.nas.hub.pytorch import NasBench201
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.strategy import RandomOneShot
from torch import Tensor, nn
from torch.nn import functional as F


def make_optimizer(module: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(module.parameters(), lr=0.01, weight_decay=1e-4)


def train_step(module: nn.Module, optimizer: torch.optim.SGD, images: Tensor, labels: Tensor) -> None:
    loss = F.cross_entropy(module(images), labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def resample(supernet: nn.Module, sample: dict[str, Any]) -> None:
    """Set an architecture as nni's own ``resample`` does: it walks all modules and asks each in turn."""
    memo = dict(sample)
    for module in supernet.modules():
        if isinstance(module, BaseSuperNetModule):
            memo.update(module.resample(memo=memo))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("archs", 20), ("repeats", 4), ("threads", 1), ("batch", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    machine = describe(("nni", "torch", "pytorch-lightning"), options.threads)
    space = NasBench201(stem_out_channels=16, num_modules_per_stack=5, num_labels=10)
    decisions = space.simplify()
    supernet = RandomOneShot().mutate_model(space).train()
    shared = make_optimizer(supernet)
    images = torch.randn(options.batch, 3, 32, 32)
    labels = torch.randint(0, 10, (options.batch,))
    rows = []
    for _ in range(options.archs):
        sample = {name: decision.random() for name, decision in decisions.items()}
        with nni.mutable.frozen_context(sample):
            network = NasBench201(stem_out_channels=16, num_modules_per_stack=5, num_labels=10).train()
        plain = plain201.network([sample[f"cell/{i}_{j}"] for j in (1, 2, 3) for i in range(j)]).train()

        def own_step(sample: dict[str, Any] = sample) -> None:
            resample(supernet, sample)
            train_step(supernet, shared, images, labels)

        calls = {
            "supernet": own_step,
            "stand-alone": partial(train_step, network, make_optimizer(network), images, labels),
            "plain": partial(train_step, plain, make_optimizer(plain), images, labels),
        }
        rows.append(take_turns(calls, options.repeats))
    print(json.dumps({"machine": machine, "nasbench201": compared(rows)}))


if __name__ == "__main__":
    main()
