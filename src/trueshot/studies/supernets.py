"""What studies of supernets share: training one with its weights kept at some epochs, and asking for scores once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.cache import EvaluationCache
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.criteria.bootstrap import Interval, bootstrap
from trueshot.criteria.correlation import kendall_tau
from trueshot.evaluation.config import EvaluationConfig
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.wrappers import Cached
from trueshot.spaces import Space
from trueshot.spaces.description import describe
from trueshot.strategies.config import SupernetConfig, WeightSamplingConfig
from trueshot.strategies.supernet import SharedWeights, TrainedSupernet
from trueshot.studies.workspace import Workspace

CHUNK = 256
"""Architectures scored between two visits to the cache: a killed study loses no more."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A trained supernet, with its weights after its last epochs.

    Attributes:
        trained: scores by its weights; the final ones are in place.
        last: files of its weights after the last epochs, oldest first.
    """

    trained: TrainedSupernet
    last: tuple[Path, ...]

    @property
    def weights(self) -> SharedWeights:
        """How it was trained."""
        return self.trained.weights


def train_kept(
    work: Workspace,
    space: Space,
    config: SupernetConfig,
    *,
    seed: int,
    name: str,
    repeat: int,
    last: int = 0,
    sampling: WeightSamplingConfig | None = None,
    evaluation: EvaluationConfig | None = None,
) -> Kept:
    """Train a supernet below ``supernets/`` of the workspace, or take it up; equal settings are trained once.

    Args:
        work: images, device and directory.
        space: of the supernet.
        config: how it is trained.
        seed: of the training.
        name: for its directory and progress; who asks for the same under another name gets the same.
        repeat: number of the repetition, likewise.
        last: after how many of the last epochs the weights are kept.
        sampling: how its weights are sampled afterwards; by default not.
        evaluation: how it scores.
    """
    identity = work.identity("supernet", describe(space), config.plain(), seed, last)
    folder, tail = work.out / "supernets", f"{repeat}-{identity[:12]}"
    run = RunDirectory(next(iter(sorted(folder.glob(f"*-{tail}"))), folder / f"{name}-{tail}"))
    weights = SharedWeights(
        context=work.context(space, run, seed),
        config=config,
        sampling=sampling or WeightSamplingConfig(samples=1),
    )
    supernet, epochs = weights.make(), config.recipe.epochs
    work.observer.say(f"supernet {name}, repetition {repeat + 1}")
    training = weights.train(supernet, weights.batches(), keep=range(epochs - last + 1, epochs + 1))
    work.count(run.path.name, training.epochs[-1]["seconds"])
    trained = TrainedSupernet(weights=weights, supernet=supernet, snapshots=(), config=evaluation or EvaluationConfig())
    return Kept(trained=trained, last=tuple(training.files.values()))


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
