"""The one runner: states what a study can see, forecasts it, has it trained and measured, judges, and writes."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueshot.core.errors import ConfigError
from trueshot.core.files import replacing
from trueshot.core.results import Result
from trueshot.core.units import format_duration
from trueshot.criteria.power import holm
from trueshot.strategies.setup import environment
from trueshot.studies.plan import Line, summed
from trueshot.studies.record import Claim, Finding, Outcome, Power, Scale, Study
from trueshot.studies.session import Session
from trueshot.studies.supernets import Rankings


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs studies at one scale.

    Attributes:
        session: what they are run with.
        scale: how much of them.
        others: all studies that share the bank: weights that they will ask for are kept when a supernet is trained.
    """

    session: Session
    scale: Scale
    others: Sequence[Study] = ()

    def plan(self, studies: Sequence[Study]) -> list[Line]:
        """Return what studies need, shared work counted once; nothing is trained but a few steps for missing rates.

        Raises:
            ConfigError: when a study has no settings of this scale.
        """
        for study in studies:
            self._check(study)
        return summed((study.name, need) for study in studies for need in study.work.needs(self.session, self.scale))

    def power(self, study: Study) -> dict[str, Power]:
        """Return the smallest effect that each claim can see, from what the bank has measured or the claim's prior."""
        if not study.claims:
            return {}
        n = study.work.repetitions(self.session, self.scale)
        known = study.work.known(self.session, self.scale)
        measured = {} if known is None else study.analyse(known).claims
        return {
            claim.name: Power.of(claim, n, measured.get(claim.name, ()), claims=len(study.claims))
            for claim in study.claims
        }

    def _check(self, study: Study) -> None:
        scales = study.scales
        if self.scale not in scales:
            known = ", ".join(scale.value for scale in scales)
            more = study.needs_more.get(self.scale)
            why = f" (it would need {more})" if more else ""
            raise ConfigError(f"study {study.name} has no scale {self.scale.value}: choose one of {known}{why}")

    def announce(self, study: Study) -> None:
        """Say what the study asks, what it can see and what it takes.

        Raises:
            ConfigError: when it has no settings of this scale.
        """
        self._check(study)
        say = self.session.observer.say
        say(f"{study.name}: {study.question}")
        if more := study.needs_more.get(self.scale):
            say(f"this scale cannot settle it: {more}")
        for name, power in self.power(study).items():
            say(f"{name}: {power}")
        left = sum(line.left for line in self.plan([study]))
        say(f"forecast: {format_duration(left)} of one core" if left else "forecast: all of it is in the bank")

    def run(self, study: Study, results: Path) -> Result:
        """Run a study, or finish what an earlier attempt left, and write result and table of scores."""
        start = time.monotonic()
        powers = self.power(study)
        material = study.work.gather(self._keeping(), self.scale)
        outcome = study.analyse(material)
        head = {
            "study": study.name,
            "title": study.title,
            "question": study.question,
            "scale": self.scale.value,
            "claims": judged(study.claims, outcome, powers),
            "findings": [finding.to_json() for finding in outcome.findings],
            "notes": [*outcome.notes, *filter(None, [study.needs_more.get(self.scale)])],
            "data": dict(material.data),
            "seed": self.session.seed,
            "seconds": time.monotonic() - start,
            "trained_seconds": material.seconds,
            "environment": environment(self.session.device),
        }
        path = result_file(results, study, self.scale)
        table = material.table()
        if table is not None:
            with replacing(path.with_suffix(".parquet")) as temporary:
                table.to_parquet(temporary, index=False, compression="zstd")
        Result(command="study", head=head, sections=outcome.pictures).write(path)
        return Result.read(path)

    def _keeping(self) -> Session:
        """Return the session with the epochs that any study asks for."""
        keep: dict[str, frozenset[int]] = {}
        for study in self.others:
            if isinstance(study.work, Rankings) and self.scale in study.work.scales:
                for identity, epochs in study.work.kept(self.session, self.scale).items():
                    keep[identity] = keep.get(identity, frozenset()) | epochs
        return dataclasses.replace(self.session, keep=keep)


def result_file(results: Path, study: Study, scale: Scale) -> Path:
    """Return where the result of a study is written."""
    return results / f"{study.name}-{scale.value}.json"


def judged(claims: Sequence[Claim], outcome: Outcome, powers: Mapping[str, Power]) -> list[dict[str, Any]]:
    """Return claims with our figures, the smallest effects that could be seen, and the verdicts, as JSON values.

    The p-values of a study's claims are adjusted for their number, so that of all that it says to be shown or
    contradicted, one or more is wrong with a probability of at most 5 %.
    """
    values = {claim.name: tuple(float(value) for value in outcome.claims.get(claim.name, ())) for claim in claims}
    found = {claim.name: p for claim in claims if (p := claim.p_value(values[claim.name])) is not None}
    adjusted = dict(zip(found, holm(list(found.values())), strict=True))
    return [_judged(claim, values[claim.name], powers[claim.name], adjusted.get(claim.name)) for claim in claims]


def _judged(claim: Claim, values: tuple[float, ...], power: Power, p: float | None) -> dict[str, Any]:
    finding = Finding(what=claim.name, metric=claim.metric, paper=claim.paper, values=values, over=claim.over)
    limits: Mapping[str, float | None] = {
        "above": claim.above if math.isfinite(claim.above) else None,
        "below": claim.below if math.isfinite(claim.below) else None,
    }
    return {
        **finding.to_json(),
        "says": claim.says,
        **limits,
        "power": dataclasses.asdict(power),
        "p": p,
        "verdict": claim.verdict(values, p).value,
    }
