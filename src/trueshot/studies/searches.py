"""Studies of searches: one search under two budgets, and off-the-shelf networks trained as its winners were."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from trueshot.core.fingerprint import fingerprint
from trueshot.core.random import Streams
from trueshot.core.records import NetworkRecord
from trueshot.core.results import Networks, Result
from trueshot.core.run import RunDirectory
from trueshot.core.units import format_count
from trueshot.sampling import Matched
from trueshot.spaces.description import plain
from trueshot.strategies.config import RetrainingConfig, SearchConfig
from trueshot.strategies.run import SearchRun
from trueshot.studies.baselines import Baseline, Frame
from trueshot.studies.networks import Network, repeated, train_networks
from trueshot.studies.plan import Need
from trueshot.studies.rates import network_rate, score_rate, space_name, step_rate
from trueshot.studies.record import Finding, Scale
from trueshot.studies.session import Session, told
from trueshot.studies.setting import Images, Kind, SpaceConfig, layered

METRIC = "top-1 (%)"

_TOLERANCE = 0.15
"""A baseline must come so close to the MAdds of the winner; coarse channel steps keep small ones from coming closer."""

Maker = Callable[[Frame, int], Baseline]

LESSER, GREATER = 0, 1
"""Places of the two budgets."""


@dataclass(frozen=True)
class ScaledBaseline:
    """An off-the-shelf network at the cost of the winner under one of the budgets."""

    make: Maker
    budget: int = LESSER


@dataclass(frozen=True, kw_only=True, eq=False)
class Searched:
    """What was measured: the material of an analysis.

    Attributes:
        result: of the search.
        scaled_baselines: trainings of each baseline, by its name; empty where its cost is too far from the winner's.
        told: of a baseline that was not trained, why.
        data: of the images.
        seconds: of everything.
    """

    result: Result
    scaled_baselines: Mapping[str, list[dict[str, Any]]]
    told: Mapping[str, str]
    data: Mapping[str, Any]
    seconds: float

    @property
    def records(self) -> tuple[NetworkRecord, ...]:
        """All networks that the search trained."""
        (networks,) = self.result.of_kind(Networks)
        records: tuple[NetworkRecord, ...] = networks.records
        return records

    def found(self, role: str, place: int = LESSER) -> list[NetworkRecord]:
        """Return the winners, or the random architectures, under a budget."""
        budget = sorted(self.result.head["budgets"])[place]
        return [record for record in self.records if record.budget == budget and record.role == role]

    def searched(self, what: str, role: str, paper: float | None, place: int = LESSER) -> Finding:
        """Return the finding of the winner under a budget, or of the random architectures beside it."""
        records = self.found(role, place)
        values = tuple(100.0 * record.test.top1 for record in records if record.test is not None)
        return _finding(what, values, paper, records[0].costs, records[0].arch)

    def scaled_baseline(self, what: str, name: str, paper: float | None) -> Finding:
        """Return the finding of a baseline."""
        records = self.scaled_baselines[name]
        if not records:
            return Finding(what=what, metric=METRIC, paper=paper, note=self.told[name])
        return _finding(what, tuple(100.0 * record["top1"] for record in records), paper, records[0], None)

    def table(self) -> None:
        """There is no table of architectures."""


@dataclass(frozen=True, kw_only=True)
class Searches:
    """A search, and baselines at the cost of its winners.

    Attributes:
        scales: settings of each scale: source, space, and the values of a search beside them.
        scaled_baselines: the baselines, by name.
    """

    scales: Mapping[Scale, Mapping[str, Any]]
    scaled_baselines: Mapping[str, ScaledBaseline]

    def settings(self, session: Session, scale: Scale) -> tuple[Images, SpaceConfig, SearchConfig]:
        """Return images, space and the configuration of the search."""
        values = layered(self.scales[scale])
        space = SpaceConfig.make(values.pop("space"))
        source = session.source or values.pop("source")
        values.pop("source", None)
        config = SearchConfig.flat({**values, "seed": session.seed}, session.names)
        return Images(source=source, data=config.data), space, config

    def repetitions(self, session: Session, scale: Scale) -> int:
        """Return the trainings of each network."""
        retraining = self.settings(session, scale)[2].retraining
        return 0 if retraining is None else retraining.repeats

    def known(self, session: Session, scale: Scale) -> None:
        """Nothing is measured before the search is done."""

    def needs(self, session: Session, scale: Scale) -> list[Need]:
        """Return the parts of the search and the trainings of the networks."""
        images, choice, config = self.settings(session, scale)
        strategy: Any = config.strategy.config
        space = session.space(choice, images, planned=True)
        retraining = config.retraining
        assert retraining is not None
        budget = float(config.budget.most["madds"])
        sampler = dataclasses.replace(
            strategy.supernet.sampler,
            kind="matched",
            config=strategy.supernet.sampler.config.replace(target_madds=round(budget)),
        )
        kind = Kind(
            source=images.source,
            data=images.data,
            space=choice,
            supernet=strategy.supernet.replace(sampler=sampler),
            evaluation=strategy.evaluation,
        )
        epochs = strategy.supernet.recipe.epochs + strategy.weight_sampling.samples - 1
        identity = fingerprint(choice.plain(), config.plain())
        need = partial(Need, key=identity, seed=session.seed, kind=f"search of {kind.label}", done=False)
        pool = Matched.to_target(space, budget).sample(400, Streams(0).numpy("cost"))
        row = pool[np.abs(space.cost(pool).madds - budget * min(config.budget.fractions)).argmin()]
        step = network_rate(session, space_name(space, row), partial(space.network, row), images, retraining.recipe)
        # Networks are trained on training and validation images together.
        steps = images.size.train // retraining.recipe.batch_size * retraining.recipe.epochs
        count = retraining.repeats * (
            (1 + retraining.random) * len(config.budget.fractions) + len(self.scaled_baselines)
        )
        return [
            need(what="training", seconds=epochs * kind.steps * step_rate(session, kind)),
            need(what="scores", seconds=strategy.proposer.config.evaluations * score_rate(session, kind)),
            need(what="networks", seconds=count * steps * step),
        ]

    def gather(self, session: Session, scale: Scale) -> Searched:
        """Search, or take the search up, then train the baselines."""
        images, choice, config = self.settings(session, scale)
        space, dataset = session.space(choice, images), session.dataset(images)
        identity = fingerprint(dataset.digest, plain(space), config.plain())
        run = RunDirectory(session.bank.path / "searches" / identity[:16])
        context = session.context(images, space, run, session.seed)
        context = context.replace(bounds=config.budget.bounds(context.costs), retraining=config.retraining)
        result = SearchRun(config=config, context=context).run()
        frame = Frame(
            image_size=dataset.image_size,
            classes=len(dataset.classes),
            in_channels=dataset.channels,
            head_width=space.arguments()["head_width"],
        )
        found = Searched(result=result, scaled_baselines={}, told={}, data={}, seconds=0.0)
        scaled_baselines: dict[str, list[dict[str, Any]]] = {}
        why: dict[str, str] = {}
        assert config.retraining is not None
        for name, scaled_baseline in self.scaled_baselines.items():
            target = round(found.found("winner", scaled_baseline.budget)[0].costs["madds"])
            plan = scaled_baseline.make(frame, target)
            if abs(plan.madds - target) > _TOLERANCE * target:
                close = f"its closest width has {format_count(plan.madds)} MAdds, not {format_count(target)}"
                scaled_baselines[name], why[name] = [], f"not trained: {close}"
            else:
                scaled_baselines[name] = train_networks(session, images, _repeated(name, plan, config.retraining))
        seconds = sum(record["seconds"] for records in scaled_baselines.values() for record in records)
        total = result.head["timings"]["total"] + seconds
        return Searched(result=result, scaled_baselines=scaled_baselines, told=why, data=told(dataset), seconds=total)


def _repeated(name: str, plan: Baseline, retraining: RetrainingConfig) -> list[Network]:
    network = Network(
        name=name, key=plan.key, make=plan.make, recipe=retraining.recipe, augmentation=retraining.augmentation
    )
    return repeated(network, retraining.repeats)


def _finding(
    what: str, values: tuple[float, ...], paper: float | None, costs: Mapping[str, Any], arch: str | None
) -> Finding:
    madds, params = costs["madds"], costs["params"]
    note = f"{format_count(madds)} MAdds, {format_count(params)} parameters"
    figures: dict[str, float | int | str | None] = {"madds": madds, "params": params, "arch": arch}
    return Finding(what=what, metric=METRIC, paper=paper, values=values, over="trainings", note=note, figures=figures)
