"""Compare proposers on a synthetic objective: how much of the attainable gain each reaches in 990 evaluations.

The space is that of ST-NAS (54 genes). The score of an architecture is the sum of a value N(0, 1) for each gene and
option; at most so many MAdds are allowed as a quarter of random architectures stay under. The gain is (best found -
mean of random architectures under the bound) / (optimum under the bound - that mean); the optimum is exact (a linear
program in integers). Regularised evolution and random search maximise the score; NSGA-II maximises it and minimises the
MAdds, as searches by ``one-shot`` do, or maximises it alone. Evolution asks for eight children before it is told, by
default; beside it stand one at a time, and the published population of 100 with samples of 25.

Run: ``python benchmarks/proposers.py [--seeds 10] [--first-seed 0] [--evaluations 990] [--batch 45] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, headline
from scipy.optimize import Bounds as Box
from scipy.optimize import LinearConstraint, milp

from trueshot.search.bounds import Bounds
from trueshot.search.config import EvolutionConfig, NSGA2Config, RandomSearchConfig
from trueshot.search.evolution import Evolution
from trueshot.search.nsga2 import NSGA2
from trueshot.search.protocol import Proposer
from trueshot.search.random_search import RandomSearch
from trueshot.spaces import Topology
from trueshot.spaces.costs import Madds

SAMPLED = 20_000


@dataclass(frozen=True)
class Problem:
    """One random objective on the space: its values, the bound, and what the gain is measured between."""

    space: Topology
    seed: int
    values: np.ndarray
    bound: int
    mean: float
    optimum: float

    def score(self, archs: np.ndarray) -> np.ndarray:
        """Return the sum of the values."""
        return self.values[np.arange(len(self.values)), archs].sum(axis=1)

    def gain(self, best: float) -> float:
        """Return the share of the attainable gain."""
        return (best - self.mean) / (self.optimum - self.mean)


def make_problem(space: Topology, seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(space.options), int(space.options.max())))
    archs = space.sample(SAMPLED, rng)
    madds = space.cost(archs).madds
    bound = int(np.quantile(madds, 0.25))
    scores = values[np.arange(len(values)), archs].sum(axis=1)
    return Problem(space, seed, values, bound, float(scores[madds <= bound].mean()), optimum(space, values, bound))


def optimum(space: Topology, values: np.ndarray, bound: int) -> float:
    """Return the best score under the bound: one option of each gene, the sum of MAdds at most the bound."""
    parts = Madds(space).additive()
    assert parts is not None
    genes = np.repeat(np.arange(len(values)), space.options)
    gains = np.concatenate([row[:options] for row, options in zip(values, space.options.tolist(), strict=True)])
    each = (genes == np.arange(len(values))[:, None]).astype(float)
    # In millions, for the solver's tolerances.
    costs = np.concatenate(parts.options) / 1e6
    found = milp(
        -gains,
        integrality=np.ones(len(gains)),
        bounds=Box(0, 1),
        constraints=[LinearConstraint(each, 1, 1), LinearConstraint(costs, -np.inf, (bound - parts.fixed) / 1e6)],
        options={"mip_rel_gap": 0.0},
    )
    assert found.success, found.message
    return float(-found.fun)


def make_proposers(evaluations: int) -> dict[str, Callable[[Problem], Proposer]]:
    generations = evaluations // 45

    def under(problem: Problem) -> dict[str, Any]:
        return {"bounds": Bounds.of(max_madds=problem.bound), "seed": problem.seed}

    return {
        "random": lambda p: RandomSearch(p.space, config=RandomSearchConfig(evaluations=evaluations), **under(p)),
        "nsga2": lambda p: NSGA2(p.space, config=NSGA2Config(generations=generations), **under(p)),
        "nsga2, score alone": lambda p: NSGA2(
            p.space, config=NSGA2Config(generations=generations, minimise=()), **under(p)
        ),
        "evolution": lambda p: Evolution(p.space, config=EvolutionConfig(evaluations=evaluations), **under(p)),
        "evolution, one at a time": lambda p: Evolution(
            p.space, config=EvolutionConfig(evaluations=evaluations, at_once=1), **under(p)
        ),
        "evolution, 100 and 25": lambda p: Evolution(
            p.space, config=EvolutionConfig(evaluations=evaluations, population=100, sample=25), **under(p)
        ),
    }


def search(problem: Problem, proposer: Proposer, batch: int) -> tuple[float, int, float]:
    """Return the gain, the number of evaluations and the proposer's own seconds of processor time."""
    best, evaluated, start = -np.inf, 0, time.process_time()
    while not proposer.finished:
        archs = proposer.ask(batch)
        if len(archs):
            assert (problem.space.cost(archs).madds <= problem.bound).all()
            scores = problem.score(archs)
            proposer.tell(archs, scores)
            best, evaluated = max(best, float(scores.max())), evaluated + len(archs)
    return problem.gain(best), evaluated, time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--evaluations", type=int, default=990)
    parser.add_argument("--batch", type=int, default=45, help="most architectures asked for at once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    options = parser.parse_args()
    machine = describe(("numpy", "scipy", "pymoo"), 1)
    print(headline(machine), flush=True)
    space = Topology()
    problems = [make_problem(space, options.first_seed + seed) for seed in range(options.seeds)]
    rows: dict[str, Any] = {}
    print(f"{'proposer':28s}{'gain: mean':>11s}{'std':>8s}{'least':>8s}{'most':>8s}{'evaluations':>13s}{'seconds':>9s}")
    for name, make in make_proposers(options.evaluations).items():
        runs = [search(problem, make(problem), options.batch) for problem in problems]
        gains, evaluated, seconds = (list(column) for column in zip(*runs, strict=True))
        rows[name] = {
            "gain": {"mean": statistics.fmean(gains), "std": statistics.stdev(gains), "each": gains},
            "evaluations": evaluated,
            "own_seconds": statistics.median(seconds),
        }
        print(
            f"{name:28s}{statistics.fmean(gains):>11.1%}{statistics.stdev(gains):>8.1%}{min(gains):>8.1%}"
            f"{max(gains):>8.1%}{max(evaluated):>13d}{statistics.median(seconds):>9.2f}",
            flush=True,
        )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        setting = {key: getattr(options, key) for key in ("seeds", "first_seed", "evaluations", "batch")}
        content = {"schema": 1, "benchmark": "proposers", "machine": machine, "setting": setting, "proposers": rows}
        options.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
