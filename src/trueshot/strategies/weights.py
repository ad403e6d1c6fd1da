"""The shared weights of a run: trained once, then sampled by SGLD."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trueshot.core.errors import RunError
from trueshot.core.run import RunDirectory
from trueshot.core.units import format_count
from trueshot.sampling import Matched, Sampler, StrictlyFair, Uniform, expected_parts
from trueshot.search.bounds import cost_range
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import Space
from trueshot.strategies.config import BudgetConfig, SamplerConfig, WeightSamplingConfig
from trueshot.strategies.setup import Setup
from trueshot.training.data.batches import Batches, train_batches
from trueshot.training.distillation import Distillation, DistillationConfig
from trueshot.training.loop import Plan, train
from trueshot.training.recipe import cosine, decay_groups, make_sgd
from trueshot.training.sgld import SGLD, load_snapshot, save_snapshot
from trueshot.training.standalone import build
from trueshot.training.supernet import Loss, SupernetTask


def make_sampler(space: Space, config: SamplerConfig, budget: BudgetConfig) -> Sampler:
    """Return the sampler of the supernet's training.

    Raises:
        BudgetError: when an explicit target cannot be met.
    """
    kind = config.kind
    if kind == "auto":
        kind = "matched" if space.droppable.any() else "uniform"
    if kind == "fair":
        return StrictlyFair(space)
    if kind == "uniform":
        return Uniform(space)
    if config.target_madds is not None:
        return Matched.to_target(space, config.target_madds)
    low, branches = expected_parts(space)
    target = budget.max_madds or cost_range(space, "madds")[1]
    return Matched.to_target(space, float(np.clip(target, low, low + branches)))


def describe_sampler(sampler: Sampler) -> str:
    """Say in a few words how architectures are drawn."""
    if isinstance(sampler, Matched):
        return f"p_drop {sampler.p_drop:.3f} for {format_count(sampler.expected_madds)} expected MAdds"
    return "strictly fair" if isinstance(sampler, StrictlyFair) else "uniform"


def make_supernet(setup: Setup) -> Supernet:
    """Return the run's supernet with its initial weights."""
    supernet = build(lambda: Supernet(setup.space, single_path), setup.streams.child("supernet"), setup.device)
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


def train_supernet(setup: Setup, supernet: Supernet, batches: Batches) -> None:
    """Train ``supernet`` in place (Algorithm 1)."""
    config, recipe = setup.config.supernet, setup.config.supernet.recipe
    optimizer = make_sgd(supernet, recipe)
    task = SupernetTask(
        supernet,
        make_sampler(setup.space, config.sampler, setup.config.budget),
        optimizer,
        cosine(optimizer, recipe, batches.steps_per_epoch),
        _loss(setup),
        recipe.clip,
        setup.streams.child("supernet-training"),
    )
    plan = Plan(
        phase="supernet",
        steps=recipe.epochs * batches.steps_per_epoch,
        checkpoint=setup.run.checkpoint("supernet"),
        log=setup.run.log("supernet"),
        identity=setup.identity("supernet", config, setup.config.seed),
    )
    train(task, batches, plan, observer=setup.observer)


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
    )
    plan = Plan(
        phase="weight sampling",
        steps=(config.samples - 1) * batches.steps_per_epoch,
        checkpoint=setup.run.checkpoint("sgld"),
        log=setup.run.log("sgld"),
        identity=setup.identity("sgld", setup.config.supernet, config, setup.config.seed),
    )

    # A run that is killed between two checkpoints writes the snapshots in between again, with the same content.
    def keep(epoch: int) -> None:
        save_snapshot(files[epoch], supernet.state_dict())

    train(task, batches, plan, observer=setup.observer, on_epoch=keep)
    return files


def snapshot_files(run: RunDirectory, config: WeightSamplingConfig) -> list[Path]:
    """Return the files of all snapshots of a run, the trained weights first."""
    return [run.checkpoint(f"snapshot-{index:02d}") for index in range(config.samples)]


def borrowed_snapshots(setup: Setup, source: RunDirectory) -> list[Path]:
    """Return the snapshots of an earlier run whose supernet is to be searched again.

    Raises:
        RunError: when that run has another space or other data, or has not finished its weights.
    """
    stored = source.config
    if stored.get("identity") != setup.identity():
        raise RunError(
            f"the supernet in {source.path} was trained for another space or other data: give the same --data and"
            " --space as that run, or train a new one"
        )
    files = sorted((source.path / "checkpoints").glob("snapshot-*.ckpt"))
    wanted = stored["search"]["weight_sampling"]["samples"]
    if len(files) < wanted:
        raise RunError(f"{source.path} has {len(files)} of {wanted} snapshots: finish that run with --resume first")
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
