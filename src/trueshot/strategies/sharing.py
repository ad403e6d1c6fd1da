"""From the configuration to the way of sharing weights and to the steps that train it."""

from __future__ import annotations

from pathlib import Path

from trueshot.core.errors import CheckpointError
from trueshot.sharing import Attention, Bias, SharedBias, Sharing, Split, Supernet, single_path
from trueshot.strategies.config import SharingConfig, SupernetConfig
from trueshot.training.sgld import load_snapshot
from trueshot.training.splitting import split_step
from trueshot.training.supernet import StepOptions


def make_sharing(config: SharingConfig) -> Sharing:
    """Return the way of sharing that the configuration asks for."""
    if config.kind == "bias":
        return Bias(depth=config.depth, priors=config.priors)
    if config.kind == "shared-bias":
        return SharedBias(depth=config.depth, priors=config.priors)
    if config.kind == "attention":
        return Attention(depth=config.depth, priors=config.priors, layers=config.layers, own=config.own)
    if config.kind == "split":
        return Split(depth=config.depth, priors=config.priors, lazy=config.lazy)
    return single_path


def step_options(config: SupernetConfig, steps_per_epoch: int) -> StepOptions:
    """Return what the steps of the supernet's training do beyond the plain.

    Raises:
        ConfigError: when weights are to be split after the end.
    """
    epoch = config.sharing.epoch
    at = None if epoch is None else split_step(epoch, config.recipe.epochs, steps_per_epoch)
    return StepOptions(averaging=config.sampler.averaging, split_at=at, dropout=config.recipe.dropout)


def load_weights(supernet: Supernet, snapshot: Path) -> None:
    """Give ``supernet`` the weights of a snapshot in place, and split it where they were split.

    Raises:
        CheckpointError: when they were shared in another way.
    """
    try:
        supernet.load_state_dict(load_snapshot(snapshot))
    except RuntimeError as error:
        raise CheckpointError(
            f"{snapshot} holds other weights than this supernet: give the same supernet.sharing as the run that made it"
        ) from error
