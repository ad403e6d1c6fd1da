"""Trials of what users wrote themselves, before anything long: a step of a supernet, a few scores, a question."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from trueshot.core.config import Part
from trueshot.core.own import blaming, checked_text
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.evaluation.protocol import Evaluator
from trueshot.prediction.own import OwnPredictor
from trueshot.search.config import GuidedConfig
from trueshot.search.own import OwnProposer, try_proposer
from trueshot.search.protocol import Proposer
from trueshot.spaces import Space
from trueshot.spaces.counting import check_logits
from trueshot.strategies.config import EvaluationConfig
from trueshot.strategies.setup import Context
from trueshot.strategies.supernet import SharedWeights, throw_away
from trueshot.strategies.trained import TrainedSupernet
from trueshot.training.snapshots import save_snapshot
from trueshot.training.task import TRAIN

_FEW = 2
_PACKAGE = __name__.partition(".")[0]


def is_own(space: Space) -> bool:
    """Return whether a space is of a user's."""
    return type(space).__module__.partition(".")[0] != _PACKAGE


def try_weights(weights: SharedWeights) -> None:
    """Train and run a supernet of a user's own sharing, sampler or space on a few made-up images; it is thrown away.

    A batch of two comes first, for it is quick; what cannot take that is tried on as many images as the training has.

    Raises:
        ConfigError: when it cannot be trained and run.
    """
    space, sharing, recipe = weights.context.space, weights.config.sharing, weights.config.recipe
    if not (sharing.own or weights.config.sampler.own or is_own(space)):
        return
    what = f"a supernet of space {space.name} by sharing {sharing.kind}"
    remedy = "let what is placed be called as module(x, *context), and return what the next layer takes"
    for last, count in ((False, _FEW), (True, recipe.batch_size)):
        try:
            with blaming(f"{what} cannot be trained and run", remedy), torch.random.fork_rng():
                _train_and_run(weights, count)
        except Exception:
            if last:
                raise
        else:
            return


def _train_and_run(weights: SharedWeights, count: int) -> None:
    """Train one step and run one architecture, whose logits are looked at."""
    context, supernet = weights.context, weights.make()
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, *context.space.input_shape, generator=generator).to(context.device)
    labels = torch.arange(count, device=context.device) % context.space.classes
    task = throw_away(supernet, weights.sampler(), weights.config.recipe)
    arch = task.archs(0)[0]
    supernet.train()
    check_logits(supernet(images, arch), count, context.space)
    task.step(0, {TRAIN: (images, labels)})
    supernet.eval()
    with torch.no_grad():
        check_logits(supernet(images, *supernet.context_of(arch)), count, context.space)


def try_oracle(
    part: Part, context: Context, weights: SharedWeights | None = None, config: EvaluationConfig | None = None
) -> None:
    """Have a user's own evaluator score a few architectures; where it needs a supernet, by weights that are untrained.

    Args:
        part: the evaluator.
        context: of the run, whose directory is not touched.
        weights: how the supernet is trained, for one that needs it.
        config: how a supernet scores.

    Raises:
        ConfigError: when it cannot.
    """
    if not part.own:
        return
    archs = context.space.sample(_FEW, Streams(0).numpy("a trial"))
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng():
        known = context.replace(run=RunDirectory(Path(folder) / "run"))
        if part.says("needs_supernet", False) and weights is not None and config is not None:
            supernet, file = weights.make(), Path(folder) / "weights"
            save_snapshot(file, supernet.state_dict())
            trained = TrainedSupernet(
                weights=weights,
                supernet=supernet,
                snapshots=[file] * weights.sampling.samples,
                checkpoints=[file for _ in weights.last_epochs()],
                config=config,
            )
            known = known.replace(trained=trained)
        evaluator: Evaluator = part.build(known)
        checked_text(evaluator.digest, f"'digest' of evaluator {part.kind}")
        evaluator(archs)


def try_asker(part: Part, proposer: Proposer, space: Space) -> None:
    """Ask a user's own proposer, or fit a user's own predictor of a guided one, as a trial.

    Args:
        part: the proposer as it was chosen.
        proposer: made from it, and thrown away.
        space: what is searched.

    Raises:
        ConfigError: when it cannot be asked or told, or cannot learn or predict.
    """
    if isinstance(proposer, OwnProposer):
        try_proposer(proposer, part.says("population") or 45)
    predictor = getattr(proposer, "predictor", None)
    if isinstance(part.config, GuidedConfig) and isinstance(predictor, OwnPredictor):
        # As many as it will learn from first: some learn nothing from fewer.
        rows = space.sample(min(part.config.first, part.config.evaluations), Streams(0).numpy("a trial"))
        rows = np.unique(rows, axis=0)
        predictor.fit(rows, np.linspace(0.0, 1.0, len(rows)))
        predictor(rows[:_FEW])
        checked_text(predictor.digest, f"'digest' of predictor {predictor.kind}")
