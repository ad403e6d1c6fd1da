"""What is looked at of a user's own strategy, before anything is trained on what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from trueshot.core.errors import ConfigError
from trueshot.core.own import Own, blaming, checked_numbers, checked_text
from trueshot.core.results import check_section, checked_json
from trueshot.evaluation.own import OwnEvaluator
from trueshot.sampling.own import guarded
from trueshot.strategies.checks import check_sampler
from trueshot.strategies.protocol import Forecast, Found, Phase
from trueshot.strategies.setup import Context

_PACKAGE = __name__.partition(".")[0]


class OwnStrategy(Own):
    """Looks at what a user's own strategy says of itself, and at what it found."""

    def __init__(self, kind: str, made: Any, arguments: Mapping[str, Any]) -> None:
        super().__init__(kind, made)
        self._context: Context = arguments["context"]

    @property
    def cost(self) -> str:
        """Name of the cost under shares of whose bound winners are picked."""
        with blaming(f"'cost' of strategy {self.kind} cannot be read", "correct it"):
            name = self.made.cost
        names = self._context.costs.names
        if name not in names:
            raise ConfigError(f"'cost' of strategy {self.kind} is {name!r}: name one of {', '.join(names)}")
        return str(name)

    def check(self) -> None:
        """Find what would stop the run only later, if the strategy can."""
        with blaming(f"strategy {self.kind} cannot be checked", "correct its `check`"):
            getattr(self.made, "check", lambda: None)()

    def announce(self) -> list[str]:
        """Return lines that say what is about to happen, if the strategy has any."""
        with blaming(f"strategy {self.kind} cannot say what it does", "let `announce` return a list of texts"):
            lines = list(getattr(self.made, "announce", list)())
        return [checked_text(line, f"a line of `announce` of strategy {self.kind}") for line in lines]

    def forecast(self) -> Forecast:
        """Return what the phases are expected to take: no phases where the strategy foretells nothing."""
        with blaming(f"strategy {self.kind} cannot tell how long it takes", "correct its `forecast`"):
            forecast = getattr(self.made, "forecast", lambda: Forecast((), partial=True))()
        told = f"`forecast` of strategy {self.kind}"
        if not isinstance(forecast, Forecast):
            raise ConfigError(f"{told} gave {type(forecast).__name__}: return a Forecast, of no phases: Forecast(())")
        with blaming(f"{told} holds no phases", "return Forecast((Phase(NAME, SECONDS), ...))"):
            phases = tuple(forecast)
        for phase in phases:
            if not isinstance(phase, Phase) or not isinstance(phase.name, str) or not _is_duration(phase.seconds):
                raise ConfigError(f"{told} holds {phase!r}: give a Phase of a name and of seconds, from 0")
        return Forecast(phases, forecast.partial)

    def run(self) -> Found:
        """Find architectures."""
        with blaming(f"strategy {self.kind} cannot be run", "correct its `run`"):
            found = self.made.run()
        return self._checked(found) if isinstance(found, Found) else found

    def _checked(self, found: Found) -> Found:
        """Return what was found with its evaluator and sampler in their guards; all else is checked."""
        told = f"strategy {self.kind}"
        checked_text(found.scored_by, f"'scored_by' of what {told} found")
        if found.standing is not None:
            checked_numbers(found.standing, np.size(found.scores), f"{told} found a standing of")
        with blaming(f"'told' of what {told} found is no list of pairs", "give pairs of a label and a text"):
            pairs = tuple((label, text) for label, text in found.told)
        for text in (part for pair in pairs for part in pair):
            if not isinstance(text, str):
                raise ConfigError(f"'told' of what {told} found holds {text!r}: give pairs of a label and a text")
        if not isinstance(found.values, Mapping) or not all(isinstance(key, str) for key in found.values):
            raise ConfigError(f"'values' of what {told} found are no mapping of names to values: give one")
        for key, value in found.values.items():
            checked_json(value, f"value '{key}' that {told} found")
        with blaming(f"'more' of what {told} found is no list", "give a tuple of sections"):
            more = tuple(found.more)
        for section in more:
            check_section(section, told)
        return replace(
            found,
            told=pairs,
            more=more,
            evaluator=self._evaluator(found.evaluator),
            sampler=self._sampler(found.sampler),
        )

    def _evaluator(self, evaluator: Any) -> Any:
        told = f"{type(evaluator).__name__} of strategy {self.kind}"
        if not callable(evaluator) or not hasattr(evaluator, "digest"):
            raise ConfigError(
                f"the evaluator that strategy {self.kind} found by is {evaluator!r}: give one that is called with"
                " architectures and has a digest"
            )
        guard = evaluator if _of_package(evaluator) else OwnEvaluator(told, evaluator, {"context": self._context})
        checked_text(guard.digest, f"'digest' of {told}")
        return guard

    def _sampler(self, sampler: Any) -> Any:
        if sampler is None or _of_package(sampler):
            return sampler
        told = f"{type(sampler).__name__} of strategy {self.kind}"
        if not hasattr(sampler, "sample") or not hasattr(sampler, "per_step"):
            raise ConfigError(f"sampler {told} has no `sample` or no `per_step`: give a Sampler, or None")
        guard = guarded(told, sampler, {"context": self._context})
        check_sampler(guard, self._context.space)
        return guard


def _of_package(part: Any) -> bool:
    return type(part).__module__.partition(".")[0] == _PACKAGE


def _is_duration(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value) and value >= 0)
