"""Studies of rankings: supernets by condition and seed, what they say of architectures, and the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from jaxtyping import UInt8

from trueshot.core.executor import Job, raise_failures
from trueshot.core.files import read_json
from trueshot.core.fingerprint import fingerprint
from trueshot.spaces import Space
from trueshot.studies.bank import Scores
from trueshot.studies.networks import trained_truth, truth_needs
from trueshot.studies.plan import Need
from trueshot.studies.rates import score_key, score_rate, step_key, step_rate
from trueshot.studies.record import Scale
from trueshot.studies.scored import Scored
from trueshot.studies.session import Session, classes, draw, told
from trueshot.studies.setting import Extent, Kind, layered, read
from trueshot.studies.supernet_job import Column, SupernetJob, columns, do_job
from trueshot.studies.tables import table_truth


@dataclass(frozen=True, kw_only=True)
class Rankings:
    """Supernets of several conditions that score the same architectures.

    Attributes:
        scales: settings of each scale, over ``base``; under ``conditions`` what differs for some at this scale.
        conditions: what differs for each from the settings of the scale; ``share`` scales the length of the training.
        base: settings of all scales.
    """

    scales: Mapping[Scale, Mapping[str, Any]]
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"plain": {}})
    base: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, session: Session, scale: Scale) -> tuple[Extent, dict[str, Kind]]:
        """Return how much is run, and the kind of supernet of each condition."""
        values = layered(self.base, self.scales[scale])
        more = values.pop("conditions", {})
        kinds: dict[str, Kind] = {}
        extent: Extent | None = None
        for name, changes in self.conditions.items():
            own = layered(values, changes, more.get(name, {}))
            share = own.pop("share", 1.0)
            kind, extent = read(own, session.names)
            kind = kind.replace(supernet=kind.supernet.scaled(share)) if share != 1.0 else kind
            kinds[name] = kind if session.source is None else kind.replace(source=session.source)
        assert extent is not None
        return extent, kinds

    def kept(self, session: Session, scale: Scale) -> dict[str, frozenset[int]]:
        """Return the epochs whose weights are asked for, by the identity of the kind."""
        extent, kinds = self.settings(session, scale)
        asked: dict[str, frozenset[int]] = {}
        for kind in kinds.values():
            epochs = kind.supernet.recipe.epochs
            found = {epoch for config in extent.scores.values() for epoch in config.epochs(epochs)}
            asked[kind.identity] = asked.get(kind.identity, frozenset()) | found
        return asked

    def repetitions(self, session: Session, scale: Scale) -> int:
        """Return the number of supernets of each condition."""
        return self.settings(session, scale)[0].seeds

    def needs(self, session: Session, scale: Scale) -> list[Need]:
        """Return every training, sampling and scoring, and the trainings of the truth."""
        extent, kinds = self.settings(session, scale)
        space = session.space(next(iter(kinds.values())).space, next(iter(kinds.values())), planned=True)
        archs, needs = draw(extent.archs, space, session.streams(extent.within)), list[Need]()
        for kind in kinds.values():
            step, score = step_rate(session, kind), score_rate(session, kind)
            for index in range(extent.seeds):
                seed = session.seed_of(extent.stream, index)
                entry = session.bank.entry(kind, seed)
                need = partial(Need, seed=seed, kind=kind.label)
                train = kind.supernet.recipe.epochs * kind.steps * step
                needs.append(need(key=kind.identity, what="training", seconds=train, done=entry.record.exists()))
                for column in columns(extent, kind, archs):
                    key, samples = column.key(kind), column.config.weight_sampling.samples
                    done = entry.scores_file(key).exists()
                    if samples > 1:
                        sampled = fingerprint(kind.identity, column.config.weight_sampling.plain())
                        seconds = (samples - 1) * kind.steps * step
                        needs.append(need(key=sampled, what="samples", seconds=seconds, done=done))
                    seconds = len(column.archs) * _score_seconds(column, kind, step, score)
                    needs.append(need(key=f"{kind.identity} {key}", what="scores", seconds=seconds, done=done))
        if extent.truth.recipe is not None:
            needs += truth_needs(session, next(iter(kinds.values())), extent.truth, space, archs)
        return needs

    def known(self, session: Session, scale: Scale) -> Scored | None:
        """Return the material of the supernets that are complete in the bank, ``None`` for fewer than three."""
        extent, kinds = self.settings(session, scale)
        for seeds in range(extent.seeds, 2, -1):
            work = _Work(session, extent.replace(seeds=seeds), kinds)
            if extent.truth.recipe is None and not any(work.missing(*place) for place in work.places):
                return work.material()
        return None

    def gather(self, session: Session, scale: Scale) -> Scored:
        """Train and score what is missing, each supernet a job; return all scores.

        Raises:
            TrueshotError: that of a job which failed, after the others are done and kept.
        """
        work = _Work(session, *self.settings(session, scale))
        _ = work.truth if work.extent.truth.recipe is None else None
        work.train()
        return work.material()


def _score_seconds(column: Column, kind: Kind, step: float, score: float) -> float:
    way, samples = column.config.way, column.config.weight_sampling.samples
    tuning = kind.evaluation.fine_tune_steps * step if way == "fine-tuned" else 0.0
    return tuning + score * (samples if way == "score" else 1)


@dataclass(frozen=True, eq=False)
class _Work:
    """The work of one scale of one study."""

    session: Session
    extent: Extent
    kinds: Mapping[str, Kind]

    @property
    def first(self) -> Kind:
        return next(iter(self.kinds.values()))

    @cached_property
    def space(self) -> Space:
        """The space of the first condition: others have the same architectures, by their strings."""
        return self.session.space(self.first.space, self.first)

    @cached_property
    def archs(self) -> UInt8[np.ndarray, "n decisions"]:
        return draw(self.extent.archs, self.space, self.session.streams(self.extent.within))

    @cached_property
    def texts(self) -> list[str]:
        return [self.space.format(row) for row in self.archs]

    @cached_property
    def truth(self) -> dict[str, Scores]:
        config = self.extent.truth
        if config.recipe is not None:
            return {"truth": trained_truth(self.session, self.first, config, self.space, self.archs)}
        return table_truth(config, self.texts)

    def rows(self, kind: Kind) -> UInt8[np.ndarray, "n decisions"]:
        space = self.session.space(kind.space, kind)
        if space.decisions == self.space.decisions:
            return self.archs
        return np.stack([space.parse(text) for text in self.texts])

    @property
    def places(self) -> list[tuple[Kind, int]]:
        """Every supernet, each kind once."""
        unique = {kind.identity: kind for kind in self.kinds.values()}
        seeds = [self.session.seed_of(self.extent.stream, index) for index in range(self.extent.seeds)]
        return [(kind, seed) for kind in unique.values() for seed in seeds]

    def columns(self, kind: Kind) -> list[Column]:
        """Return the scores asked of a kind, by all conditions that share its weights and evaluation."""
        return list(columns(self.extent, kind, self.rows(kind)))

    def missing(self, kind: Kind, seed: int) -> list[Column]:
        entry = self.session.bank.entry(kind, seed)
        return [column for column in self.columns(kind) if not entry.scores_file(column.key(kind)).exists()]

    def train(self) -> None:
        """Train and score, each supernet a job."""
        session = self.session
        todo = [(kind, seed, missing) for kind, seed in self.places if (missing := self.missing(kind, seed))]
        jobs = [self._job(kind, seed, missing) for kind, seed, missing in todo]
        units = [job.units for job in jobs]
        done = [0] * len(jobs)
        session.observer.begin("supernets", sum(units), 0, "unit")

        def progress(position: int, count: int) -> None:
            done[position] = count
            session.observer.advance("supernets", min(sum(done), sum(units)))

        def result(position: int, content: dict[str, Any]) -> None:
            kind, seed, _ = todo[position]
            session.bank.entry(kind, seed).keep(content)
            session.bank.learn(_rates(kind, content["rates"], session))
            progress(position, units[position])

        share = 0.0 if session.device.type == "cpu" else session.executor.device_share
        queue = [
            Job(position, f"supernet {kind.label}, seed {seed}", 1, share)
            for position, (kind, seed, _) in enumerate(todo)
        ]
        if queue:
            do = partial(do_job, jobs)
            raise_failures(
                session.executor.run(do, queue, on_progress=progress, on_result=result), session.observer.say
            )
        session.observer.end("supernets")

    def _job(self, kind: Kind, seed: int, missing: list[Column]) -> SupernetJob:
        session = self.session
        dataset = session.dataset(kind)
        # Decoded here once, so that workers find them in memory.
        _ = dataset.validation
        entry = session.bank.supernet(kind, seed, dataset.digest)
        asked = {column.epoch for column in missing if column.epoch is not None}
        keep = asked | session.keep.get(kind.identity, frozenset())
        space = session.space(kind.space, kind)
        context = session.context(kind, space, entry.run, seed).alone()
        return SupernetJob(context=context, kind=kind, keep=tuple(sorted(keep)), columns=tuple(missing))

    def material(self) -> Scored:
        """Read all scores from the bank."""
        session, scores, records = self.session, {}, {}
        for name, kind in self.kinds.items():
            seeds = [session.seed_of(self.extent.stream, index) for index in range(self.extent.seeds)]
            entries = [session.bank.entry(kind, seed) for seed in seeds]
            records[name] = [read_json(entry.record) for entry in entries]
            for column in self.columns(kind):
                scores[name, column.name] = np.stack([entry.scores(column.key(kind)) for entry in entries])
        networks = self.space.final().cost(self.archs)
        spent = [read_json(session.bank.entry(*place).record)["seconds"] for place in self.places]
        truth = self.truth
        dataset = session.dataset(self.first)
        return Scored(
            archs=tuple(self.texts),
            costs={"params": networks.params.astype(np.float64), "madds": networks.madds.astype(np.float64)},
            labels=classes(self.space, self.archs, self.extent.archs.rule),
            truth=truth,
            scores=scores,
            records=records,
            epochs={name: kind.supernet.recipe.epochs for name, kind in self.kinds.items()},
            data=told(dataset),
            seconds=sum(sum(seconds.values()) for seconds in spent),
            streams=session.streams(self.extent.within),
            resamples=self.extent.resamples,
        )


def _rates(kind: Kind, found: Mapping[str, float], session: Session) -> dict[str, float]:
    keys = {"step": step_key(kind, session.device), "score": score_key(kind, session.device)}
    return {keys[name]: seconds for name, seconds in found.items()}
