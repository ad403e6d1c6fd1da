"""What is looked at of a user's own proposer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.errors import ConfigError
from trueshot.core.own import Own, blaming
from trueshot.spaces import Space
from trueshot.spaces.own import checked_rows


class OwnProposer(Own):
    """Looks at what a user's own proposer asks for; it is told copies."""

    def __init__(self, kind: str, made: Any, arguments: Mapping[str, Any]) -> None:
        super().__init__(kind, made)
        self.space: Space = arguments["context"].space

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask for."""
        with blaming(f"'finished' of proposer {self.kind} cannot be read", "correct it"):
            finished = self.made.finished
        if callable(finished) or not isinstance(finished, bool | np.bool_ | int):
            raise ConfigError(
                f"'finished' of proposer {self.kind} is {'a method' if callable(finished) else repr(finished)}: let it"
                " be True or False, an attribute or a property"
            )
        return bool(finished)

    def ask(self, n: int) -> UInt8[np.ndarray, "_ decisions"]:
        """Return further architectures to evaluate."""
        with blaming(f"proposer {self.kind} cannot ask", "correct its `ask`"):
            asked = self.made.ask(n)
        rows = checked_rows(asked, self.space, f"proposer {self.kind} asked for")
        if len(rows) > n:
            raise ConfigError(
                f"proposer {self.kind} asked for {len(rows)} architectures where {n} were wanted: let `ask(n)` give at"
                " most n"
            )
        return rows

    def tell(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> None:
        """Take the scores."""
        with blaming(f"proposer {self.kind} cannot be told scores", "correct its `tell`"):
            self.made.tell(archs.copy(), scores.copy())


def try_proposer(proposer: OwnProposer, n: int) -> None:
    """Ask a proposer that is thrown away once, and tell it made-up scores.

    Raises:
        ConfigError: when it asks for nothing, or cannot be told.
    """
    if proposer.finished:
        raise ConfigError(f"proposer {proposer.kind} has finished before it asked for anything: see to `finished`")
    rows = proposer.ask(n)
    if not len(rows):
        raise ConfigError(
            f"proposer {proposer.kind} asks for nothing before it was told anything, and has not finished: let `ask`"
            " give architectures"
        )
    proposer.tell(rows, np.linspace(0.0, 1.0, len(rows)))
