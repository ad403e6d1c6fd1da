"""What studies of supernets share: training one with its weights kept at some epochs, and asking for scores once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.cache import EvaluationCache
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.criteria.bootstrap import Interval, bootstrap
from trueshot.criteria.correlation import kendall_tau
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.wrappers import Cached
from trueshot.sharing import Supernet
from trueshot.spaces import Space
from trueshot.spaces.description import describe
from trueshot.strategies.config import SearchConfig
from trueshot.strategies.setup import Setup
from trueshot.strategies.sharing import load_weights
from trueshot.strategies.weights import make_supernet, supernet_batches, train_supernet
from trueshot.studies.workspace import Workspace
from trueshot.training.sgld import save_snapshot

CHUNK = 256
"""Architectures scored between two visits to the cache: a killed study loses no more."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained supernet.

    Attributes:
        setup: what it was trained with.
        supernet: with its final weights in place.
        marks: snapshots of its weights by the number of complete epochs, ascending.
    """

    setup: Setup
    supernet: Supernet
    marks: dict[int, Path]

    @property
    def last(self) -> tuple[Path, ...]:
        """The snapshots, oldest first."""
        return tuple(self.marks.values())

    def at(self, epoch: int) -> Supernet:
        """Return a supernet of its own with the weights after ``epoch`` epochs."""
        supernet = make_supernet(self.setup)
        load_weights(supernet, self.marks[epoch])
        return supernet


def train_kept(
    work: Workspace, space: Space, config: SearchConfig, *, name: str, repeat: int, marks: Iterable[int], key: object
) -> Trained:
    """Train a supernet below ``supernets/`` of the workspace, or take it up; equal settings are trained once.

    Args:
        work: images, device and directory.
        space: of the supernet.
        config: its sections ``data``, ``supernet`` and ``evaluation`` and its seed count.
        name: for its directory and progress; who asks for the same under another name gets the same.
        repeat: number of the repetition, likewise.
        marks: numbers of complete epochs after which the weights are kept.
        key: what tells this supernet from others beyond space, training and seed.
    """
    identity = work.identity("supernet", describe(space), config.supernet, config.seed, key)
    folder, tail = work.out / "supernets", f"{repeat}-{identity[:12]}"
    run = RunDirectory(next(iter(sorted(folder.glob(f"*-{tail}"))), folder / f"{name}-{tail}"))
    setup = Setup(config=config, space=space, dataset=work.dataset, run=run, device=work.device, observer=work.observer)
    supernet = make_supernet(setup)
    files = {epoch: run.checkpoint(f"epoch-{epoch:03d}") for epoch in sorted(marks)}

    def keep(epoch: int) -> None:
        if epoch in files:
            save_snapshot(files[epoch], supernet.state_dict())

    work.observer.say(f"supernet {name}, repetition {repeat + 1}")
    history = train_supernet(setup, supernet, supernet_batches(setup), on_epoch=keep)
    work.count(run.path.name, history[-1]["seconds"])
    return Trained(setup=setup, supernet=supernet, marks=files)


def ask(
    path: Path, evaluator: Evaluator, archs: UInt8[np.ndarray, "n decisions"], *, chunk: int | None = None
) -> Float64[np.ndarray, " n"]:
    """Return what an evaluator says, each answer asked for once in the life of the cache at ``path``."""
    with EvaluationCache(path) as cache:
        return Cached(evaluator, cache, chunk=chunk)(archs)


def tau(scores: Float64[np.ndarray, " n"], truth: Float64[np.ndarray, " n"]) -> float:
    """Return Kendall's tau of scores with the truth; scores that are all equal rank nothing, which counts as 0."""
    if min(np.ptp(scores), np.ptp(truth)) == 0:
        return 0.0
    return kendall_tau(predicted=scores, true=truth)


def tau_interval(
    scores: Float64[np.ndarray, " n"], truth: Float64[np.ndarray, " n"], streams: Streams, *, resamples: int = 1000
) -> Interval | None:
    """Return the bootstrap interval of :func:`tau` over the choice of architectures, ``None`` where undefined."""
    if min(np.ptp(scores), np.ptp(truth)) == 0:
        return None
    generator = streams.numpy("bootstrap")
    return bootstrap(kendall_tau, predicted=scores, true=truth, resamples=resamples, generator=generator)
