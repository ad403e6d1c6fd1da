"""What a search will take, from a few measured steps; and the schedule that fits a time budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trueshot.core.errors import ConfigError
from trueshot.core.executor import cores
from trueshot.core.random import Streams
from trueshot.core.units import format_duration
from trueshot.evaluation.timing import image_seconds, waiting_for
from trueshot.search.extremes import cost_range
from trueshot.spaces import Space
from trueshot.spaces.costs import additive
from trueshot.strategies.config import RetrainingConfig, SearchConfig
from trueshot.strategies.finish.picking import Candidate, pick_off_the_shelf
from trueshot.strategies.protocol import Forecast, Phase
from trueshot.strategies.short import PHASE
from trueshot.strategies.short_config import ShortConfig
from trueshot.strategies.teacher import WITH_HEAD
from trueshot.training.standalone import build

if TYPE_CHECKING:
    from trueshot.strategies.finish.finish import Finish
    from trueshot.strategies.run import SearchRun

_POOL, _FEW = 2000, 50
EXPORT = 10.0
"""Seconds that the export of one network takes, and its check: tracing, which hardly depends on its size."""
_DECIDED = 4
"""Networks that the decision shows at most, all of which are exported."""
FILLED = 0.95
"""Share of a time budget that is planned for; the rest is for what no forecast knows."""
_LEAST_SIZE = 24
"""Pixels a side below which images are not reduced."""
_SHORTEST = 1e-3
"""Where nothing is trained by itself, the schedule shrinks as far as it goes."""
_MOST = 4.0
"""The schedule grows by this factor at most where there is time; what is left trains the chosen network longer."""


@dataclass(frozen=True, kw_only=True)
class FinishRates:
    """What the finish takes, measured.

    Attributes:
        step: seconds of a training step of a network of the cost of each budget, largest first.
        shelf: of a network off the shelf, 0 without one.
        steps_per_epoch: of the training images; ``all_steps`` of these and the validation images.
        image: seconds of one image in a pass forward.
        measured: validation and test images.
        frozen: seconds that a pretrained network and its linear head take, 0 without one.
    """

    step: tuple[float, ...]
    shelf: float
    steps_per_epoch: int
    all_steps: int
    image: float
    measured: int
    frozen: float = 0.0

    @classmethod
    def of(cls, finish: Finish) -> FinishRates:
        """Time a few steps of networks of the cost of each budget."""
        context, config = finish.context, finish.config
        # Costs that are no sums may take their time.
        size = _FEW if additive(context.costs[finish.cost]) is None else _POOL
        pool = np.concatenate([context.space.sample(size, 0), context.space.sample(size, Streams(0).numpy("pool"))])
        cost, high = context.costs[finish.cost](pool), cost_range(context.costs, finish.cost)[1]
        batches, winners, space = finish.network.batches(0), [], context.space.final()
        for budget in finish.budgets:
            row = pool[np.abs(cost - min(budget, high)).argmin()]
            winners.append(Candidate(name="probe", role="winner", space=context.space, budget=budget, row=row))
        shelf = pick_off_the_shelf(context.space, winners) if config.off_the_shelf else []
        images, probe = context.images, finish.network.probe
        return cls(
            step=tuple(probe(space, winner.row, batches) for winner in winners),
            shelf=sum(probe(one.space, one.row, batches) for one in shelf),
            steps_per_epoch=batches.steps_per_epoch,
            all_steps=max(1, (len(images.train) + len(images.validation)) // config.recipe.batch_size),
            image=_forward(finish, space, winners[0].row, batches),
            measured=len(images.validation) + images.test_size,
            frozen=_frozen(finish, batches),
        )

    def short(self, config: ShortConfig, whole: int, validation: int, side_by_side: int) -> tuple[Phase, ...]:
        """Return the phase of the short trainings, those of the most expensive budget throughout; none without any.

        Args:
            config: how many, and for how long.
            whole: epochs of the retraining.
            validation: images that each training is measured on.
            side_by_side: trainings at a time.
        """
        rounds = config.rounds(whole)
        each = self.step[0] * self.steps_per_epoch
        seconds = [-(-count // side_by_side) * (epochs * each + validation * self.image) for count, epochs in rounds]
        return (Phase(PHASE, sum(seconds)),) if rounds else ()

    def phases(self, config: RetrainingConfig, budgets: int) -> tuple[Phase, ...]:
        """Return the phases of the finish, for so many budgets."""
        alike = (1 + config.random + config.at_bound) * config.repeats
        trained = sum(self.step[:budgets]) * alike + self.shelf * config.off_the_shelf
        if config.convergence:
            trained += (self.step[0] + self.shelf * config.off_the_shelf) / 2
        anew = self.step[0] * self.all_steps
        networks = budgets * alike + config.off_the_shelf + 1
        return (
            *([Phase("pretrained", self.frozen)] if self.frozen else []),
            Phase("retraining", (trained * self.steps_per_epoch + anew) * config.recipe.epochs),
            Phase("test and export", networks * self.measured * self.image + EXPORT * _DECIDED),
        )


def _frozen(finish: Finish, batches: Any) -> float:
    """Return what it takes to see all images by the pretrained network once, and half as long for its head."""
    pretrained, images = finish.network.pretrained, finish.context.images
    if pretrained is None:
        return 0.0
    space = pretrained.space(images)
    count = len(images.train) + len(images.validation) + images.test_size
    return WITH_HEAD * count * _forward(finish, space, space.parse(""), batches)


def _forward(finish: Finish, space: Space, row: Any, batches: Any) -> float:
    """Return the seconds of one image in a pass forward."""
    network = build(lambda: space.network(row), Streams(0), finish.context.device).eval()
    images, _ = next(iter(batches.iterate(0, 1)))
    return image_seconds(network, images, wait=waiting_for(finish.context.device))


@dataclass(frozen=True)
class Rates:
    """A forecast whose phases are scaled without measuring again."""

    run: SearchRun
    strategy: dict[str, float]
    finish: FinishRates | None

    @classmethod
    def of(cls, run: SearchRun) -> Rates:
        """Measure once; a phase's seconds are divided by its share of the schedule."""
        first = [] if run.context.teacher is None else [run.context.teacher.forecast(run.context)]
        own = [*first, *run.strategy.forecast()]
        phases = {phase.name: phase.seconds / amount(run.config, phase.name) for phase in own}
        finish = run.finish
        return cls(run, phases, None if finish is None else FinishRates.of(finish))

    def forecast(self, config: SearchConfig) -> Forecast:
        """Return what the phases of a run with this configuration take."""
        phases = [Phase(name, seconds * amount(config, name)) for name, seconds in self.strategy.items()]
        if self.finish is not None and config.retraining is not None:
            budgets = len(dataclasses.replace(self.run, config=config).budgets)
            phases += self._short(config.short)
            phases += self.finish.phases(config.retraining, budgets)
        return Forecast(tuple(phases))

    def _short(self, config: ShortConfig) -> tuple[Phase, ...]:
        """Return the phase of the short trainings, which are shares of the retraining as it was asked for."""
        whole, context = self.run.config.retraining, self.run.context
        assert whole is not None
        assert self.finish is not None
        workers = context.executor.workers or cores()
        at_once = max(1, min(workers, cores() // torch.get_num_threads()))
        return self.finish.short(config, whole.recipe.epochs, len(context.images.validation), at_once)


def amount(config: SearchConfig, phase: str) -> float:
    """Return what a phase's time is proportional to; a phase that does not scale counts once."""
    strategy: Any = config.strategy.config
    supernet: Any = getattr(strategy, "supernet", None)
    samples = getattr(getattr(strategy, "weight_sampling", None), "samples", 1)
    way = strategy.oracle.says("way", "") if hasattr(strategy, "oracle") else ""
    amounts: dict[str, Callable[[], float]] = {
        "supernet": lambda: supernet.recipe.epochs,
        "weight sampling": lambda: max(samples - 1, 1e-9),
        "search": lambda: strategy.asker.says("evaluations", 1) * (samples if way == "score" else 1),
    }
    return float(amounts[phase]()) if phase in amounts else 1.0


def scaled_config(config: SearchConfig, factor: float) -> SearchConfig:
    """Return the configuration with its schedule scaled; a strategy that has none to scale stays as it is."""
    strategy: Any = config.strategy.config
    if hasattr(strategy, "scaled"):
        part = type(config.strategy)(config.strategy.kind, strategy.scaled(factor), config.strategy.cls)
        config = config.replace(strategy=part)
    if config.retraining is None:
        return config
    return config.replace(retraining=config.retraining.scaled(factor), short=config.short.scaled(factor))


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A schedule that fits a time budget.

    Attributes:
        config: whose strategy has the schedule. Its retraining stays whole: which networks are trained for how long is
            decided when the search is over, by the speed then measured.
        forecast: what it takes, with what will probably be left out.
        cut: what that is, in order, for people.
        factor: by which the schedule was scaled; below 1 it is shorter than the preset's.
    """

    config: SearchConfig
    forecast: Forecast
    cut: tuple[str, ...]
    factor: float


def cuts(config: SearchConfig) -> Iterator[tuple[SearchConfig, str]]:
    """Yield configurations with ever fewer trainings, and what each left out; two random networks always stay.

    First second seeds go, then the second random group, then smaller budgets, the smallest first, then random networks
    beyond two.
    """
    retraining = config.retraining
    if retraining is None:
        return
    if retraining.repeats > 1:
        config = config.replace(retraining=(retraining := retraining.replace(repeats=1)))
        yield config, "second seeds"
    if retraining.at_bound:
        config = config.replace(retraining=(retraining := retraining.replace(at_bound=0)))
        yield config, "random networks just below the bound"
    shares = sorted(config.budget.fractions, reverse=True)
    while len(shares) > 1:
        gone = shares.pop()
        config = config.replace(budget=config.budget.replace(fractions=tuple(shares)))
        yield config, f"budget {gone:g}"
    if retraining.random > 2:
        config = config.replace(retraining=retraining.replace(random=2))
        yield config, "random networks beyond two"


def least_factor(config: SearchConfig, steps_per_epoch: int) -> float:
    """Return how far the schedule may shrink: to the steps below which networks cannot converge."""
    retraining = config.retraining
    if retraining is None:
        return _SHORTEST
    return min(1.0, retraining.least_steps / (retraining.recipe.epochs * steps_per_epoch))


def fit(rates: Rates, seconds: float) -> Fit | None:
    """Return the schedule that fits so many seconds, ``None`` when even the least does not.

    Trainings are left out before the schedule becomes shorter than the configuration's. Where all fits, the schedule
    grows, at most fourfold.

    Args:
        rates: measured.
        seconds: for everything that is forecast.
    """
    config, left_out = rates.run.config, list[str]()
    fewer = iter(() if rates.finish is None else cuts(config))
    while rates.forecast(config).total > seconds:
        found = next(fewer, None)
        if found is None:
            break
        config, what = found
        left_out.append(what)
    least = _SHORTEST if rates.finish is None else least_factor(config, rates.finish.steps_per_epoch)

    def total(factor: float) -> float:
        return rates.forecast(scaled_config(config, factor)).total

    if total(least) > seconds and config.retraining is not None and config.retraining.off_the_shelf:
        config = config.replace(retraining=config.retraining.replace(off_the_shelf=False))
        left_out.append("the network off the shelf")
    if total(least) > seconds:
        return None
    low, high = least, _MOST
    for _ in range(40):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if total(middle) <= seconds else (low, middle)
    chosen, whole = scaled_config(config, low), rates.run.config
    return Fit(
        config=chosen.replace(retraining=whole.retraining, budget=whole.budget),
        forecast=rates.forecast(chosen),
        cut=tuple(left_out),
        factor=low,
    )


def shortest(rates: Rates) -> float:
    """Return the seconds of the shortest schedule under which networks can converge."""
    config = rates.run.config
    if rates.finish is None or config.retraining is None:
        return rates.forecast(scaled_config(config, _SHORTEST)).total
    config = [config, *(fewer for fewer, _ in cuts(config))][-1]
    assert config.retraining is not None
    config = config.replace(retraining=config.retraining.replace(off_the_shelf=False))
    return rates.forecast(scaled_config(config, least_factor(config, rates.finish.steps_per_epoch))).total


def bare(rates: Rates) -> float:
    """Return the seconds of the configuration's own schedule with all left out that may be."""
    config = rates.run.config
    fewer = [config, *(fewer for fewer, _ in cuts(config))] if rates.finish is not None else [config]
    return rates.forecast(fewer[-1]).total


def at_size(seconds: float, share: float) -> float:
    """Return what a schedule takes on images of so many times the side: all but the export goes with the pixels."""
    export = min(seconds, EXPORT * _DECIDED)
    return (seconds - export) * share**2 + export


def refuse(seconds: float, options: dict[int | None, float]) -> ConfigError:
    """Return the error of a time budget under which nothing can converge, with what would do.

    Args:
        seconds: asked for.
        options: seconds that the shortest schedule takes, by image size in pixels; ``None`` for no images.
    """
    first, *others = options.items()
    size = "" if first[0] is None else f" on images of {first[0]} pixels"
    smaller = [f"--set data.image_size={side} with {format_duration(needed)}" for side, needed in others]
    return ConfigError(
        f"--time-budget {format_duration(seconds)} is too short for networks that converge{size}: give"
        f" {' or '.join([f'--time-budget {format_duration(first[1])}', *smaller, 'fewer images by data.max_images'])}"
    )


def smaller_sizes(image_size: int) -> list[int]:
    """Return the sizes in pixels that images may be reduced to for lack of time, largest first."""
    sizes = {8 * round(image_size * share / 8) for share in (0.75, 0.5)}
    return sorted((size for size in sizes if _LEAST_SIZE <= size < image_size), reverse=True)


def ends(found: Fit, seconds: float, used: float) -> dict[str, float]:
    """Return when the parts of a run should be done, in seconds of the run, by name.

    What the forecast leaves of the time budget is shared out among the parts but for the last, whose time is kept free.

    Args:
        found: the schedule.
        seconds: asked for.
        used: already.
    """
    parts = {phase.name: phase.seconds for phase in found.forecast}
    last = parts.pop("test and export", 0.0)
    room = max(FILLED * seconds - last - used, 1e-3)
    share = room / max(sum(parts.values()), 1e-9)
    found_ends, at = {}, used
    for name, needed in parts.items():
        at += needed * share
        found_ends["networks" if name == "retraining" else name] = at
    return found_ends
