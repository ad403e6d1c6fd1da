"""The shared weights of a run: trained once, then sampled by SGLD."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trueshot.core.errors import RunError
from trueshot.core.run import RunDirectory
from trueshot.core.units import format_count
from trueshot.sampling import (
    Deisomorphic,
    FixedPool,
    LazyDeisomorphic,
    LiveConvolution,
    Matched,
    Sampler,
    StrictlyFair,
    Uniform,
    expected_parts,
)
from trueshot.search.bounds import cost_range
from trueshot.sharing import Supernet
from trueshot.spaces import Space
from trueshot.strategies.config import BudgetConfig, SamplerConfig, SearchConfig, WeightSamplingConfig
from trueshot.strategies.pool import read_pool
from trueshot.strategies.setup import Setup
from trueshot.strategies.sharing import make_sharing, step_options
from trueshot.training.checkpoints import load_checkpoint
from trueshot.training.data.batches import Batches, train_batches
from trueshot.training.distillation import Distillation, DistillationConfig
from trueshot.training.loop import Plan, train
from trueshot.training.recipe import decay_groups, make_schedule, make_sgd
from trueshot.training.sgld import SGLD, load_snapshot, save_snapshot
from trueshot.training.standalone import build
from trueshot.training.supernet import Loss, StepOptions, SupernetTask

MOST_DROPPED = 0.8
"""Bound on a ``p_drop`` that nobody asked for: branches that are hardly ever trained would be scored as worthless."""


def make_sampler(space: Space, config: SamplerConfig, budget: BudgetConfig) -> Sampler:
    """Return the sampler of the supernet's training.

    Raises:
        BudgetError: when an explicit target cannot be met.
        DataError: when the pool's file is wrong.
    """
    kind = config.kind
    if kind == "auto":
        kind = "matched" if space.droppable.any() else "uniform"
    if kind == "deisomorphic":
        return Deisomorphic(space, config.rule, config.member, config.require_live_conv, config.per_step)
    sampler: Sampler
    if kind == "fair":
        sampler = StrictlyFair(space)
    elif kind == "matched":
        sampler = replace(_matched(space, config, budget), per_step=config.per_step)
    elif kind == "pool":
        assert config.pool is not None
        sampler = FixedPool(space, read_pool(config.pool, space, config.pool_digest), per_step=config.per_step)
    else:
        sampler = Uniform(space, 1 if kind == "lazy-deisomorphic" else config.per_step)
    if config.require_live_conv:
        sampler = LiveConvolution(space, sampler)
    if kind == "lazy-deisomorphic":
        sampler = LazyDeisomorphic(space, sampler, rule=config.rule, per_step=config.per_step)
    return sampler


def _matched(space: Space, config: SamplerConfig, budget: BudgetConfig) -> Matched:
    if config.target_madds is not None:
        return Matched.to_target(space, config.target_madds)
    always, branches = expected_parts(space)
    if branches == 0:
        return Matched(space, 0.0)
    target = budget.max_madds or cost_range(space, "madds")[1]
    return Matched(space, float(np.clip(1.0 - (target - always) / branches, 0.0, MOST_DROPPED)))


def describe_sampler(sampler: Sampler) -> str:
    """Say in a few words how architectures are drawn."""
    if isinstance(sampler, Matched):
        return f"p_drop {sampler.p_drop:.3f} for {format_count(sampler.expected_madds)} expected MAdds"
    if isinstance(sampler, LiveConvolution):
        return f"{describe_sampler(sampler.sampler)}, with a live convolution"
    if isinstance(sampler, Deisomorphic):
        return f"de-isomorphic over {sampler.classes} classes"
    if isinstance(sampler, LazyDeisomorphic):
        return f"de-isomorphic by rejection from {describe_sampler(sampler.sampler)}"
    if isinstance(sampler, FixedPool):
        return f"uniform from a pool of {len(sampler.archs)}"
    return "strictly fair" if isinstance(sampler, StrictlyFair) else "uniform"


def make_supernet(setup: Setup) -> Supernet:
    """Return the run's supernet with its initial weights."""
    sharing = make_sharing(setup.config.supernet.sharing)
    supernet = build(lambda: Supernet(setup.space, sharing), setup.streams.child("supernet"), setup.device)
    assert isinstance(supernet, Supernet)
    return supernet


def supernet_batches(setup: Setup) -> Batches:
    """Return the batches of the supernet's training."""
    config = setup.config.supernet
    return train_batches(
        setup.dataset.train,
        setup.dataset,
        batch_size=config.recipe.batch_size,
        augmentation=config.augmentation,
        streams=setup.streams.child("supernet-batches"),
        device=setup.device,
    )


def train_supernet(
    setup: Setup, supernet: Supernet, batches: Batches, on_epoch: Callable[[int], None] | None = None
) -> list[dict[str, Any]]:
    """Train ``supernet`` in place (Algorithm 1); ``on_epoch`` and what is returned are those of the training loop."""
    config, recipe = setup.config.supernet, setup.config.supernet.recipe
    optimizer = make_sgd(supernet, recipe)
    task = SupernetTask(
        supernet,
        make_sampler(setup.space, config.sampler, setup.config.budget),
        optimizer,
        make_schedule(optimizer, recipe, batches.steps_per_epoch),
        _loss(setup),
        recipe.clip,
        setup.streams.child("supernet-training"),
        step_options(config, batches.steps_per_epoch),
    )
    plan = Plan(
        phase="supernet",
        steps=recipe.epochs * batches.steps_per_epoch,
        checkpoint=setup.run.checkpoint("supernet"),
        log=setup.run.log("supernet"),
        identity=setup.identity("supernet", config, setup.config.seed),
        save_every=setup.config.save_every,
    )
    return train(task, batches, plan, observer=setup.observer, on_epoch=on_epoch)


def sample_weights(setup: Setup, supernet: Supernet, batches: Batches) -> list[Path]:
    """Sample the shared weights (Algorithm 2), from the trained ones on, one data epoch apart.

    Returns:
        The snapshots; the first holds the trained weights.
    """
    config, recipe = setup.config.weight_sampling, setup.config.supernet.recipe
    files = snapshot_files(setup.run, config)
    if not files[0].exists():
        save_snapshot(files[0], supernet.state_dict())
    if config.samples == 1 or all(file.exists() for file in files):
        return files
    images = len(setup.dataset.train)
    optimizer = SGLD(
        decay_groups(supernet, recipe.weight_decay),
        config.lr or max(recipe.final_lr, 1e-6),
        temperature=1.0 / images if config.temperature is None else config.temperature,
        generator=setup.streams.torch("sgld/noise", 0, device=setup.device),
    )
    task = SupernetTask(
        supernet,
        make_sampler(setup.space, setup.config.supernet.sampler, setup.config.budget),
        optimizer,
        None,
        _loss(setup),
        recipe.clip,
        setup.streams.child("weight-sampling"),
        StepOptions(averaging=setup.config.supernet.sampler.averaging, dropout=recipe.dropout),
    )
    plan = Plan(
        phase="weight sampling",
        steps=(config.samples - 1) * batches.steps_per_epoch,
        checkpoint=setup.run.checkpoint("sgld"),
        log=setup.run.log("sgld"),
        identity=setup.identity("sgld", setup.config.supernet, config, setup.config.seed),
        save_every=setup.config.save_every,
    )
    _forget_beyond_gap(plan, files)

    # A run that is killed between two checkpoints writes the snapshots in between again, with the same content.
    def keep(epoch: int) -> None:
        save_snapshot(files[epoch], supernet.state_dict())

    train(task, batches, plan, observer=setup.observer, on_epoch=keep)
    return files


def _forget_beyond_gap(plan: Plan, files: list[Path]) -> None:
    """Sample anew from the trained weights on where a snapshot that the checkpoint has behind it was removed."""
    if plan.checkpoint is not None and plan.checkpoint.exists():
        content = load_checkpoint(plan.checkpoint)
        if content.get("identity") == plan.identity:
            done = len(content["progress"]["history"])
            if not all(file.exists() for file in files[: done + 1]):
                plan.checkpoint.unlink()


def snapshot_files(run: RunDirectory, config: WeightSamplingConfig) -> list[Path]:
    """Return the files of all snapshots of a run, the trained weights first."""
    return [run.checkpoint(f"snapshot-{index:02d}") for index in range(config.samples)]


def borrowed_snapshots(setup: Setup, source: RunDirectory) -> list[Path]:
    """Return the snapshots of an earlier run whose supernet is to be searched again.

    Raises:
        RunError: when that run has another space, other data or another split of it, or has not finished its weights.
        CheckpointError: when a snapshot is corrupt.
    """
    stored = source.config
    if stored.get("identity") != setup.identity():
        raise RunError(
            f"the supernet in {source.path} was trained for another space, other data or another split of it: leave"
            " --data, --space and the options of the data as in that run, or train a new one"
        )
    files = snapshot_files(source, SearchConfig.make(stored["search"]).weight_sampling)
    there = sum(file.exists() for file in files)
    if there < len(files):
        raise RunError(f"{source.path} has {there} of {len(files)} snapshots: finish that run with --resume first")
    load_snapshot(files[0])
    return files


def _loss(setup: Setup) -> Loss:
    config = setup.config.supernet
    teacher = load_teacher(setup, config.distillation)
    return Loss(label_smoothing=config.recipe.label_smoothing, distillation=teacher)


def load_teacher(setup: Setup, config: DistillationConfig | None) -> Distillation | None:
    """Return the teacher that the configuration asks for."""
    if config is None:
        return None
    space = setup.space
    return Distillation.load(config, classes=space.classes, in_channels=space.in_channels, device=setup.device)
