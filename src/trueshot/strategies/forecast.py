"""How long a run will take, from a few measured steps, and how to scale it to a time budget."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trueshot.core.errors import ConfigError
from trueshot.core.random import Streams
from trueshot.core.units import format_duration
from trueshot.search.bounds import cost_range
from trueshot.spaces.offtheshelf import MobileNetV2
from trueshot.strategies.config import RetrainConfig, SearchConfig
from trueshot.strategies.picking import Candidate, budgets_of, pick_off_the_shelf
from trueshot.strategies.retraining import retraining_batches
from trueshot.strategies.scoring import make_one_shot, scores_per_architecture
from trueshot.strategies.setup import Setup
from trueshot.strategies.weights import make_sampler, make_supernet, supernet_batches
from trueshot.training.recipe import Recipe, make_sgd
from trueshot.training.standalone import NetworkTask, build
from trueshot.training.supernet import Loss, SupernetTask

_STEPS = 4


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Expected seconds of each phase; measured, hence different each time."""

    supernet: float
    weight_sampling: float
    search: float
    retraining: float

    @property
    def total(self) -> float:
        """Seconds of the whole run."""
        return self.supernet + self.weight_sampling + self.search + self.retraining

    def __str__(self) -> str:
        parts = {
            "supernet": self.supernet,
            "weight sampling": self.weight_sampling,
            "search": self.search,
            "retraining": self.retraining,
        }
        told = ", ".join(f"{name} {format_duration(seconds)}" for name, seconds in parts.items())
        return f"forecast: {format_duration(self.total)} in all ({told})"


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Measured seconds: of a supernet step, a score, and an optimizer step of each network to retrain."""

    supernet_step: float
    score: float
    network_steps: tuple[float, ...]
    supernet_steps_per_epoch: int
    network_steps_per_epoch: int


def measure_rates(setup: Setup, *, train: bool) -> Rates:
    """Time a few steps of each kind on throw-away weights; ``train`` false leaves the supernet's training out."""
    config = setup.config
    supernet = make_supernet(setup)
    batches = supernet_batches(setup)
    seconds = 0.0
    sampler = make_sampler(setup.space, config.supernet.sampler, config.budget)
    fine_tuned = config.evaluation.expectation == "fine-tuned"
    if train or fine_tuned:
        recipe = config.supernet.recipe
        streams = Streams(0)
        task = SupernetTask(supernet, sampler, make_sgd(supernet, recipe), None, Loss(), recipe.clip, streams)
        stream = batches.iterate(0, _STEPS + 1)
        seconds = _median_time(lambda index: task.step(index, *next(stream)), _STEPS)
    evaluator = make_one_shot(setup, supernet)
    archs = sampler.sample(_STEPS + 1, Streams(0).numpy("forecast"))
    score = _median_time(lambda index: evaluator(archs[index][None]), _STEPS)
    networks = _network_steps(setup)
    return Rates(
        supernet_step=seconds if train else 0.0,
        score=score * scores_per_architecture(config.evaluation, config.weight_sampling.samples)
        + (seconds * config.evaluation.fine_tune_steps if fine_tuned else 0.0),
        network_steps=networks,
        supernet_steps_per_epoch=batches.steps_per_epoch,
        network_steps_per_epoch=retraining_batches(setup, 0).steps_per_epoch,
    )


def forecast(config: SearchConfig, rates: Rates) -> Forecast:
    """Multiply out."""
    epoch = rates.supernet_step * rates.supernet_steps_per_epoch
    network_epoch = sum(rates.network_steps) * rates.network_steps_per_epoch
    return Forecast(
        supernet=epoch * config.supernet.recipe.epochs,
        weight_sampling=epoch * (config.weight_sampling.samples - 1),
        search=rates.score * config.evolution.evaluations,
        retraining=network_epoch * config.retraining.recipe.epochs,
    )


def scale_to(config: SearchConfig, rates: Rates, seconds: float) -> SearchConfig:
    """Return the configuration with its schedule scaled, by one factor, to the time budget less a tenth.

    Epochs of the supernet and of the retraining, snapshots and generations grow or shrink together, at most fourfold
    up; the number of architectures in a generation and of networks to retrain stay.

    Raises:
        ConfigError: when even the shortest schedule does not fit.
    """
    low, high = 1e-3, 4.0
    shortest = forecast(_scaled(config, low), rates).total
    if shortest > seconds:
        raise ConfigError(
            f"the shortest schedule takes {format_duration(shortest)}, more than the time budget"
            f" {format_duration(seconds)}: allow more time, or choose smaller images or a smaller space"
        )
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if forecast(_scaled(config, middle), rates).total <= 0.9 * seconds else (low, middle)
    return _scaled(config, low)


def _scaled(config: SearchConfig, factor: float) -> SearchConfig:
    def epochs(value: int) -> int:
        return max(1, round(value * factor))

    supernet, retraining = config.supernet.recipe, config.retraining.recipe
    sharing, shared_epochs = config.supernet.sharing, epochs(supernet.epochs)
    if sharing.epoch is not None:
        moved = min(round(sharing.epoch * shared_epochs / supernet.epochs), shared_epochs - 1)
        sharing = sharing.model_copy(update={"epoch": moved})
    evolution = config.evolution
    generations = max(min(2, evolution.generations), round(evolution.generations * min(1.0, factor)))
    return config.model_copy(
        update={
            "supernet": config.supernet.model_copy(
                update={"recipe": _with_epochs(supernet, shared_epochs), "sharing": sharing}
            ),
            "weight_sampling": config.weight_sampling.model_copy(
                update={"samples": max(1, round(config.weight_sampling.samples * min(1.0, factor)))}
            ),
            "evolution": dataclasses.replace(evolution, generations=generations),
            "retraining": _retraining(config.retraining, epochs(retraining.epochs)),
        }
    )


def _retraining(config: RetrainConfig, epochs: int) -> RetrainConfig:
    return config.model_copy(update={"recipe": _with_epochs(config.recipe, epochs)})


def _with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    warmup = min(recipe.warmup_epochs, epochs / 4)
    return dataclasses.replace(recipe, epochs=epochs, warmup_epochs=warmup)


def _network_steps(setup: Setup) -> tuple[float, ...]:
    """Time a step of networks of the cost of each budget, as often as such networks will be retrained."""
    config, space = setup.config, setup.space
    objective = config.evolution.objective
    pool = np.concatenate(
        [
            space.sample(2000, 0),
            make_sampler(space, config.supernet.sampler, config.budget).sample(2000, Streams(0).numpy("pool")),
        ]
    )
    costs = space.cost(pool)
    cost = costs.madds if objective == "madds" else costs.params
    high = cost_range(space, "madds" if objective == "madds" else "params")[1]
    steps: list[float] = []
    winners = []
    for budget in budgets_of(space, config.budget, objective):
        row = pool[np.abs(cost - min(budget, high)).argmin()]
        winners.append(Candidate(name="probe", role="winner", budget=budget, row=row))
        steps += [_network_step(setup, lambda row=row: space.final().network(row))] * (1 + config.retraining.random)  # type: ignore[misc]
    shelf_step: tuple[float, ...] = ()
    if config.retraining.off_the_shelf and winners:
        (shelf,) = pick_off_the_shelf(space, winners)
        assert isinstance(shelf.plan, MobileNetV2)
        shelf_step = (_network_step(setup, shelf.plan.network),)
    return tuple(steps * config.retraining.repeats) + shelf_step


def _network_step(setup: Setup, make: Callable[[], object]) -> float:
    recipe = setup.config.retraining.recipe
    network = build(make, Streams(0), setup.device)  # type: ignore[arg-type]
    task = NetworkTask(network, recipe, make_sgd(network, recipe), None, Loss(), Streams(0))
    stream = retraining_batches(setup, 0).iterate(0, _STEPS + 1)
    return _median_time(lambda index: task.step(index, *next(stream)), _STEPS)


def _median_time(action: Callable[[int], object], times: int) -> float:
    """Return the median seconds of ``times`` calls after one that warms up."""
    action(0)
    seconds = []
    for index in range(1, times + 1):
        start = time.perf_counter()
        action(index)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
