"""Spaces, costs and scores for the tests of the search."""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trueshot.spaces import Chain, Topology

CHAIN, TOPOLOGY = Chain(), Topology()
SMALL = Topology(nodes=(2, 2), widths=(4, 8), head_width=16, expansions=(1, 3), kernels=(3,), image_size=16, classes=4)


def everything(space):
    """Return all rows of a small space."""
    return np.array(list(itertools.product(*map(range, space.options.tolist()))), dtype=np.uint8)


def separable(seed, space=TOPOLOGY):
    """Return a score: the sum of a random value for each gene and option."""
    weights = np.random.default_rng(seed).normal(size=(len(space.options), int(space.options.max())))
    return lambda archs: weights[np.arange(len(space.options)), archs].sum(axis=1)


def search(proposer, evaluate, n=45):
    """Ask and tell to the end; return architectures, scores and the size of each ask."""
    asked, scores = [], []
    while not proposer.finished:
        archs = proposer.ask(n)
        if len(archs):
            asked.append(archs)
            scores.append(evaluate(archs))
            proposer.tell(archs, scores[-1])
    return np.concatenate(asked), np.concatenate(scores), [len(archs) for archs in asked]


@dataclass(frozen=True)
class Latency:
    """Milliseconds read from a file: of each option, and of each pair of options of neighbouring genes on top."""

    space: object
    file: Path
    name = "latency"
    title = "latency"
    unit = "ms"

    def __call__(self, archs):
        tables = json.loads(self.file.read_text())
        single, pairs = np.array(tables["options"]), np.array(tables["pairs"])
        genes = np.arange(len(single))
        alone = single[genes, archs].sum(axis=1)
        # The slower of two branches counts, which makes it no sum.
        together = np.maximum(pairs[genes[1:], archs[:, :-1]], pairs[genes[1:], archs[:, 1:]])
        return alone + together.max(axis=1) + 0.5 * together.sum(axis=1)


def write_latencies(path, space, seed=0):
    """Write random latencies of a space and return the path."""
    rng = np.random.default_rng(seed)
    size = (len(space.options), int(space.options.max()))
    tables = {"options": rng.gamma(2.0, 0.03, size).tolist(), "pairs": rng.gamma(2.0, 0.05, size).tolist()}
    path.write_text(json.dumps(tables))
    return path
